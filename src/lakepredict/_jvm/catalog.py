"""The catalog of a lakehouse: Spark's own, in memory, that tells what is defined in it.

It is an ``InMemoryCatalog`` in the place of the one that ``ExternalCatalogWithListener`` passes everything to.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

from lakepredict._jvm.gateway import FIELD, RECORD, Gateway, class_name, new
from lakepredict.errors import PredictError, PredictInternalError

_log = logging.getLogger(__name__)

_CATALOG = "org.lakepredict.LakehouseCatalog"


_DEFINITIONS = "org.lakepredict.Definitions"


@dataclass(frozen=True)
class Listed:
    """What a folder on a Hadoop file system has.

    Attributes:
        path: from the folder that was listed.
        is_folder: whether it is one itself.
        changed: when its content was changed last, in milliseconds.
        length: of a file, in bytes.
    """

    path: str
    is_folder: bool
    changed: int
    length: int


Facts = dict[str, Any]
"""A definition in a catalog, in plain values.

======== ========================================================================================================
kind     facts
======== ========================================================================================================
schema   comment, location, properties
view     text, originalText, schema (JSON), properties, comment, collation, owner, createTime, createVersion
external location, of a Delta table
function class, and either properties, for a function in SQL, or resources
======== ========================================================================================================
"""


Keep = Callable[[str, str, str, str, Facts | None], object]
"""Called with what was done, kind, schema, name and facts."""


class LakehouseCatalog:
    """A catalog in the place of the session's own, in memory as well, that tells what is defined in it.

    Args:
        spark: the session, whose catalog keeps what it has.
        look: called before Spark lists what there is, and where it does not know a name.
        keep: called with ``new`` or ``changed`` and its facts for each schema, view, external table and function that a
            statement has defined, with ``gone`` and None for each that it drops, and with ``passing`` and None for each
            table that nobody keeps. What it raises fails the statement, which changes nothing then.

    Both run in the thread of the statement.
    """

    def __init__(self, spark: SparkSession, look: Callable[[], object], keep: Keep) -> None:
        self._gateway = Gateway.of(spark)
        ensure_callback_server_started(self._gateway.py4j)  # type: ignore[no-untyped-call]
        self._session: Any = spark._jsparkSession
        self._hadoop = self._session.sessionState().newHadoopConf()
        self._definitions = new(self._gateway, _DEFINITIONS, self._hadoop, _delta_table(self._gateway))
        listening = self._session.sharedState().externalCatalog()
        self._java = new(self._gateway, _CATALOG, listening.unwrapped(), self._session.sparkContext())
        self._java.takeOver(listening, _Told(self._gateway, self._definitions, look, keep))

    def listed(self, folder: str, *, deeper: str = "") -> list[Listed]:
        """What is in a folder, and in the folders right below it whose names match ``deeper`` as a whole."""
        text = str(self._definitions.listed(folder, deeper))
        records = (each.split(FIELD) for each in text.split(RECORD)) if text else ()
        return [Listed(path, folder == "true", int(changed), int(length)) for path, folder, changed, length in records]

    def read(self, path: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""
        try:
            return bytes(self._definitions.read(path))
        except Py4JJavaError as exc:
            if class_name(exc.java_exception) == "FileNotFoundException":
                raise FileNotFoundError(path) from exc
            raise

    def write(self, path: str, text: str, *, replace: bool) -> None:
        """Make a file whole or not at all, as Delta Lake makes those of a table's log. Raises FileExistsError."""
        target, system = self._file(path)
        system.mkdirs(target.getParent())
        store = self._gateway("org.apache.spark.sql.delta.storage.LogStore").apply(self._session)
        lines = self._gateway.seq([text.removesuffix("\n")]).iterator()
        try:
            store.write(target, lines, replace, self._hadoop)
        except Py4JJavaError as exc:
            if class_name(exc.java_exception) == "FileAlreadyExistsException":
                raise FileExistsError(path) from exc
            raise
        # A checksum that Hadoop keeps beside a local file would forbid that somebody edits it.
        system.delete(self._gateway("org.apache.hadoop.fs.Path")(target.getParent(), f".{target.getName()}.crc"), False)

    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all that is in it, if it is there."""
        target, system = self._file(path)
        system.delete(target, True)

    def qualified(self, path: str) -> str:
        """A path with its file system."""
        found, system = self._file(path)
        return str(system.makeQualified(found).toString())

    def _file(self, path: str) -> tuple[Any, Any]:
        """A path of Hadoop's, and the file system that it is on."""
        found = self._gateway("org.apache.hadoop.fs.Path")(path)
        return found, found.getFileSystem(self._hadoop)

    def attach(self, schema: str, table: str, location: str) -> bool:
        """Enter a Delta table as a managed one, unless there is another of its name; False if none is in the folder.

        What ``CREATE TABLE ... LOCATION`` cannot do: it makes external tables alone, which DROP TABLE leaves in
        their place, and reads each table's log. Columns and properties of Delta tables are never in the catalog.
        """
        return bool(self._java.attach(self._definitions.table(schema, table, location, True)))

    def detach(self, schema: str, table: str, location: str) -> None:
        """Take a table out whose folder is gone."""
        self._java.detach(self._definitions.table(schema, table, location, False))

    def put(self, kind: str, schema: str, name: str, facts: Facts) -> None:
        """Enter what a file defines, or change it, without a look at what it refers to."""
        self._java.put(getattr(self._definitions, kind)(schema, name, json.dumps(facts)))
        self._forget_loaded(kind, schema, name)

    def forget(self, kind: str, schema: str, name: str) -> None:
        """Take out what a file defined."""
        self._java.forget(kind, schema, name)
        self._forget_loaded(kind, schema, name)

    def _forget_loaded(self, kind: str, schema: str, name: str) -> None:
        """A session keeps the functions that it has called."""
        if kind == "function":
            identifier = self._gateway("catalyst.FunctionIdentifier")(
                name, self._gateway.option(schema), self._gateway.option("spark_catalog")
            )
            self._session.sessionState().functionRegistry().dropFunction(identifier)
            self._session.sessionState().tableFunctionRegistry().dropFunction(identifier)


class _Told:
    """Who a catalog tells; implements ``java.util.function.Function``."""

    def __init__(self, gateway: Gateway, definitions: Any, look: Callable[[], object], keep: Keep) -> None:
        self._gateway = gateway
        self._definitions = definitions
        self._look = look
        self._keep = keep

    class Java:
        implements = ("java.util.function.Function",)

    def apply(self, told: Any) -> Any:
        """Called in the thread of a statement; returns the exception that fails it, or None."""
        what, kind, schema, name, definition = told
        try:
            if what == "look":
                self._look()
            else:
                facts = None if definition is None else json.loads(self._definitions.facts(definition))
                self._keep(what, kind, schema, name, facts)
        except FileExistsError:
            return self._exists(kind, schema, name)
        except PredictError as exc:
            return self._error(exc)
        except Exception as exc:
            _log.exception("a statement was failed by the lakehouse")
            return self._error(PredictInternalError(reason=f"{type(exc).__name__}: {exc}"))
        return None

    def _error(self, exc: PredictError) -> Any:
        parameters = self._gateway.java.PythonUtils.toScalaMap(exc.parameters)
        return self._gateway("org.apache.spark.sql.AnalysisException")(exc.condition, parameters)

    def _exists(self, kind: str, schema: str, name: str) -> Any:
        """What Spark itself says where somebody else was quicker."""
        errors = "org.apache.spark.sql.catalyst.analysis"
        if kind == "schema":
            return self._gateway(f"{errors}.DatabaseAlreadyExistsException")(schema)
        kind = "Function" if kind == "function" else "Table"
        return self._gateway(f"{errors}.{kind}AlreadyExistsException")(schema, name)


def _delta_table(gateway: Gateway) -> Any:
    """A managed Delta table of no name."""
    table_class = "org.apache.spark.sql.catalyst.catalog.CatalogTable"
    given = [
        gateway("catalyst.TableIdentifier")(""),
        gateway("catalyst.catalog.CatalogTableType").MANAGED(),
        gateway("catalyst.catalog.CatalogStorageFormat").empty(),
        gateway("org.apache.spark.sql.types.StructType")(),
        gateway.option("delta"),
    ]
    companion = gateway(table_class)
    count = gateway("java.lang.Class").forName(table_class).getConstructors()[0].getParameterCount()
    defaults = [getattr(companion, f"apply$default${each}")() for each in range(len(given) + 1, count + 1)]
    return companion.apply(*given, *defaults)
