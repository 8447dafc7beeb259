"""The one door to the JVM: py4j and Spark's private names occur here and nowhere else.

PREDICT is put into Spark's function registry with a *function builder*: while the analyzer resolves a query it
calls the builder with the argument expressions, already resolved, and splices in the expression that it gets
back. The builder is Python, called through py4j, so whatever it decides or refuses happens on the driver
before any job starts. A few lines of Java (``java/``), compiled in the driver by the Janino that Spark ships, carry its
errors over as real ``AnalysisException`` objects; py4j alone would wrap them in a ``Py4JException``. A rule for the
optimizer, in Java as well, keeps a model from scoring a row twice.

Tried on Spark 4.1 and 4.2. What is used of Spark's internals:

- ``FunctionRegistry.builtin``: functions in it are seen by every session of the application and may stand in
  permanent views, which functions registered with ``spark.udf.register`` may not.
- ``SparkThrowableHelper.errorReader``: Spark's table of error conditions, to which PREDICT's are added.
- ``FunctionRegistry.internal``: has the functions from ARRAY to vector and back.
- ``InMemoryCatalog``, ``ExternalCatalogWithListener``: the catalog of a lakehouse is one of the first kind, in the
  place of the one that the second passes everything to.
- ``SparkSession.experimental``: takes further rules for the optimizer.
- ``CollapseProject``, ``ColumnPruning``: merge projections, and their expressions, as the optimizer does.
- ``Dataset.ofRows``: makes a data frame of a plan.
- ``TahoeLogFileIndex``, ``DeltaLog.forTableWithSnapshot`` of Delta Lake: which version of a table a plan reads, and
  which transactions of applications a table has seen; ``LogStore``: writes a file whole or not at all.
- ``UserDefinedPythonFunction.builder``: makes the expression of a Python UDF from argument expressions.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import Broadcast, SparkContext
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.classic.column import Column as ClassicColumn
from pyspark.sql.udf import UserDefinedFunction
from pyspark.util import PythonEvalType

from lakepredict._call import Call, CallArgument, Feed, Splice
from lakepredict._settings import Settings
from lakepredict.engines.base import PythonFunction
from lakepredict.errors import (
    PredictError,
    PredictInternalError,
    ReadOnlyError,
    SessionError,
    SparkConnectError,
    SparkVersionError,
    predict_errors,
)

OLDEST_SPARK = (4, 1)

_log = logging.getLogger(__name__)
_MOST_FIELDS = 10
"""Of a step of a plan that an error shows."""

_TRANSPARENT = ("SubqueryAlias", "View")
"""Plan nodes that only give their child a name."""

_BUILDER = "org.lakepredict.FunctionBuilder"
_CATALOG = "org.lakepredict.LakehouseCatalog"
_DEFINITIONS = "org.lakepredict.Definitions"
_RULE = "org.lakepredict.OncePerRow"
_RECORD, _FIELD = "\x1e", "\x1f"
"""What stands between records, and between their fields, in texts that the builder in Java gives and takes."""


def require_usable(spark: object) -> None:
    """Refuse, in words, a session that PREDICT cannot be registered in.

    Raises:
        SparkConnectError: the session is a Spark Connect client.
        SparkVersionError: Spark is older than 4.1.
        SessionError: it is no SparkSession, or it is stopped.
    """
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        raise SparkConnectError(
            "PREDICT cannot be registered from a Spark Connect client, which has no JVM.",
            expected="the SparkSession of the driver, with a master such as local[*] or spark://host:7077",
            got="a Spark Connect session",
            hint="call lakepredict.register(spark) in the Spark Connect server; its clients then use PREDICT"
            " in spark.sql(...) and call_function(...) as it is.",
        )
    if not isinstance(spark, SparkSession):
        raise SessionError(
            "PREDICT needs a SparkSession.",
            expected="a pyspark.sql.SparkSession",
            got=repr(spark),
            hint="make one with lakepredict.spark_session().",
        )
    if is_stopped(spark):
        raise SessionError(
            "PREDICT cannot be registered in a session that is stopped.",
            expected="a running SparkSession",
            got="a session whose SparkContext was stopped",
            hint="start a new one with lakepredict.spark_session().",
        )
    require_version(spark.version)


def require_version(version: str) -> None:
    """Refuse a Spark older than 4.1.

    Raises:
        SparkVersionError: it is.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < OLDEST_SPARK:
        raise SparkVersionError(
            "This Spark is too old for PREDICT.",
            expected="Spark {}.{} or newer".format(*OLDEST_SPARK),
            got=f"Spark {version}",
            hint="pip install --upgrade pyspark delta-spark.",
        )


class _Gateway:
    """The JVM of a session: Java classes by name, Scala collections from Python ones."""

    def __init__(self, context: SparkContext) -> None:
        self.java: Any = context._jvm
        self.py4j: Any = context._gateway

    @classmethod
    def of(cls, spark: SparkSession) -> _Gateway:
        return cls(spark.sparkContext)

    def __call__(self, name: str) -> Any:
        """The class of that name; names that begin with ``catalyst.`` are below Spark SQL's own."""
        return getattr(self.java, f"org.apache.spark.sql.{name}" if name.startswith("catalyst.") else name)

    def seq(self, items: Sequence[Any]) -> Any:
        return self.java.PythonUtils.toSeq(list(items))

    def option(self, value: Any = None) -> Any:
        return self.java.scala.Option.apply(value)

    def class_loader(self) -> Any:
        return self.java.java.lang.Thread.currentThread().getContextClassLoader()


def _items(seq: Any) -> list[Any]:
    """The elements of a Scala Seq."""
    return [seq.apply(position) for position in range(seq.size())]


def _kind(node: Any) -> str:
    """The name of a plan node's or an expression's class."""
    return str(node.getClass().getSimpleName())


def java_message(exc: BaseException) -> str | None:
    """The message of a Java exception that PySpark has no class of its own for, down to its first cause; or None."""
    if not isinstance(exc, Py4JJavaError):
        return None
    cause = exc.java_exception
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.getMessage() or cause.toString())


def is_running() -> bool:
    """Whether this process has its JVM already, so that its class path is fixed."""
    return SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ


def is_stopped(spark: SparkSession) -> bool:
    """Whether the session's SparkContext was stopped."""
    java: Any = spark.sparkContext._jsc
    return java is None or bool(java.sc().isStopped())


def on_class_path(spark: SparkSession, name: str) -> bool:
    """Whether the driver can load the Java class ``name``."""
    resource = name.replace(".", "/") + ".class"
    return _Gateway.of(spark).class_loader().getResource(resource) is not None


def delete_folder(spark: SparkSession, uri: str) -> None:
    """Delete a folder and all that is in it, on any Hadoop file system, if it is there."""
    path = _Gateway.of(spark)("org.apache.hadoop.fs.Path")(uri)
    path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).delete(path, True)


@contextmanager
def staged(spark: SparkSession, source: Path, folder: str) -> Iterator[str]:
    """The URI of a copy of the local folder ``source`` on a Hadoop file system, for as long as the context lasts.

    Args:
        spark: the session.
        source: what to copy.
        folder: where to make a hidden folder for it; any file system that driver and executors see.
    """
    path = _Gateway.of(spark)("org.apache.hadoop.fs.Path")
    copy = path(folder, f".lakepredict-{uuid4().hex}")
    system = copy.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    try:
        system.copyFromLocalFile(path(f"file://{source}"), copy)
        yield str(system.makeQualified(copy).toString())
    finally:
        system.delete(copy, True)


def delete_file_with(context: SparkContext, broadcast: Broadcast[Any]) -> None:
    """Have the driver's file of a broadcast deleted when no plan and no Python object uses the broadcast any more.

    Spark's cleaner drops what executors and the driver's block manager have then; PySpark's file is left.
    """
    _file_deleter(_Gateway(context).py4j).track(broadcast._path, broadcast._python_broadcast)


@lru_cache(maxsize=1)
def _file_deleter(py4j_gateway: Any) -> Any:
    return py4j_gateway.jvm.org.apache.commons.io.FileCleaningTracker()


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
        keep: called with ``new`` or ``changed`` and its facts for each schema, view and function that a statement has
            defined, and with ``gone`` and None for each that it drops. What it raises fails the statement, which
            changes nothing then.

    Both run in the thread of the statement.
    """

    def __init__(self, spark: SparkSession, look: Callable[[], object], keep: Keep) -> None:
        self._gateway = _Gateway.of(spark)
        ensure_callback_server_started(self._gateway.py4j)  # type: ignore[no-untyped-call]
        self._session: Any = spark._jsparkSession
        self._hadoop = self._session.sessionState().newHadoopConf()
        self._definitions = _new(self._gateway, _DEFINITIONS, self._hadoop, _delta_table(self._gateway))
        listening = self._session.sharedState().externalCatalog()
        self._java = _new(self._gateway, _CATALOG, listening.unwrapped(), self._session.sparkContext())
        self._java.takeOver(listening, _Told(self._gateway, self._definitions, look, keep))

    def listed(self, folder: str, *, deeper: str = "") -> list[Listed]:
        """What is in a folder, and in the folders right below it whose names match ``deeper`` as a whole."""
        text = str(self._definitions.listed(folder, deeper))
        records = (each.split(_FIELD) for each in text.split(_RECORD)) if text else ()
        return [Listed(path, folder == "true", int(changed), int(length)) for path, folder, changed, length in records]

    def read(self, path: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""
        try:
            return bytes(self._definitions.read(path))
        except Py4JJavaError as exc:
            if _kind(exc.java_exception) == "FileNotFoundException":
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
            if _kind(exc.java_exception) == "FileAlreadyExistsException":
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
        """Enter a schema, a view or a function, or change it, without a look at what it refers to."""
        self._java.put(getattr(self._definitions, kind)(schema, name, json.dumps(facts)))
        self._forget_loaded(kind, schema, name)

    def forget(self, kind: str, schema: str, name: str) -> None:
        """Take a schema, a view or a function out."""
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

    def __init__(self, gateway: _Gateway, definitions: Any, look: Callable[[], object], keep: Keep) -> None:
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


def _delta_table(gateway: _Gateway) -> Any:
    """A managed Delta table of no name."""
    class_name = "org.apache.spark.sql.catalyst.catalog.CatalogTable"
    given = [
        gateway("catalyst.TableIdentifier")(""),
        gateway("catalyst.catalog.CatalogTableType").MANAGED(),
        gateway("catalyst.catalog.CatalogStorageFormat").empty(),
        gateway("org.apache.spark.sql.types.StructType")(),
        gateway.option("delta"),
    ]
    companion = gateway(class_name)
    count = gateway("java.lang.Class").forName(class_name).getConstructors()[0].getParameterCount()
    defaults = [getattr(companion, f"apply$default${each}")() for each in range(len(given) + 1, count + 1)]
    return companion.apply(*given, *defaults)


def new_udf(function: PythonFunction) -> UserDefinedFunction:
    """Make a scalar Arrow UDF known to Spark.

    Keep the object and use it again: Spark merges two calls into one evaluation only where they are calls of
    the same one.
    """
    return UserDefinedFunction(
        function.call,
        function.result,
        name=function.name,
        evalType=PythonEvalType.SQL_SCALAR_ARROW_UDF,
        deterministic=True,
    )


def named_argument(name: str, value: Column) -> Column:
    """``name => value`` as an argument of ``call_function``."""
    context = SparkContext._active_spark_context
    java: Any = context._jvm if context is not None else None
    return ClassicColumn(java.PythonSQLUtils.namedArgumentExpression(name, value._jc))


def register_function(
    spark: SparkSession,
    name: str,
    build: Callable[[Call], Splice | int],
    *,
    usage: str,
    arguments: str,
    examples: str,
    note: str,
) -> None:
    """Make ``name`` a built-in SQL function of this application whose calls are built by ``build``.

    ``build`` runs on the driver each time a query with such a call is analysed; it gives what replaces the call, a
    whole number for a constant BIGINT. A :class:`PredictError` that
    it raises reaches the user as an ``AnalysisException`` of the same condition. Registering a name again
    replaces the function.
    """
    gateway = _Gateway.of(spark)
    ensure_callback_server_started(gateway.py4j)  # type: ignore[no-untyped-call]
    builder = _new(gateway, _BUILDER)
    builder.calling(_PythonBuilder(gateway, builder, build), _new_rule(gateway))
    info = gateway("catalyst.expressions.ExpressionInfo")(
        _BUILDER, None, name, usage, arguments, examples, note, "misc_funcs", "0.1.0", "", "python_udf"
    )
    everywhere = gateway("catalyst.analysis.FunctionRegistry").builtin()
    identifier = _identifier(gateway, everywhere, name)
    for registry in (everywhere, spark._jsparkSession.sessionState().functionRegistry()):
        registry.registerFunction(identifier, info, builder)


def register_table_function(
    spark: SparkSession,
    name: str,
    read: Callable[[Sequence[CallArgument]], pa.Table | DataFrame],
    *,
    usage: str,
    examples: str,
) -> None:
    """Make ``name`` a built-in table function of this application.

    ``read`` runs on the driver each time a query with a call of it is analysed, and gives the rows. They are part of
    the plan from there on. What it raises reaches the user as with :func:`register_function`.
    """
    gateway = _Gateway.of(spark)
    ensure_callback_server_started(gateway.py4j)  # type: ignore[no-untyped-call]
    builder = _new(gateway, _BUILDER)
    builder.calling(_PythonTable(gateway, builder, spark, read), None)
    info = gateway("catalyst.expressions.ExpressionInfo")(
        _BUILDER, None, name, usage, "", examples, "", "table_funcs", "0.1.0", "", "python_udf"
    )
    everywhere = gateway("catalyst.analysis.TableFunctionRegistry").builtin()
    identifier = _identifier(gateway, everywhere, name)
    for registry in (everywhere, spark._jsparkSession.sessionState().tableFunctionRegistry()):
        registry.registerFunction(identifier, info, builder)


def _identifier(gateway: _Gateway, registry: Any, name: str) -> Any:
    """``name`` with the catalog and schema that this version of Spark gives to all functions of a built-in registry."""
    known = registry.listFunction().head()
    return gateway("catalyst.FunctionIdentifier")(name, known.database(), known.catalog())


def _new(gateway: _Gateway, name: str, *arguments: Any) -> Any:
    """An object of one of the classes in Java, each of which has one constructor."""
    given = gateway.py4j.new_array(gateway("java.lang.Object"), len(arguments))
    for position, argument in enumerate(arguments):
        given[position] = argument
    return _compiled(gateway.py4j, name).getConstructors()[0].newInstance(given)


@lru_cache(maxsize=8)
def _compiled(py4j_gateway: Any, name: str) -> Any:
    """A class in Java, compiled once per JVM: py4j mistakes two classes of one name for the same."""
    compiler = getattr(py4j_gateway.jvm, "org.codehaus.janino.SimpleCompiler")()
    thread = py4j_gateway.jvm.java.lang.Thread.currentThread()
    compiler.setParentClassLoader(thread.getContextClassLoader())
    source = files("lakepredict").joinpath("java", f"{name.rpartition('.')[2]}.java")
    compiler.cook(source.read_text(encoding="utf-8"))
    return compiler.getClassLoader().loadClass(name)


def _new_rule(gateway: _Gateway) -> Any:
    """The rule that lets a model score each row once, or None in a Spark whose plans are not those it knows."""
    try:
        return _new(gateway, _RULE)
    except Py4JJavaError as exc:
        _log.warning("a prediction that a query needs twice is computed twice: %s", java_message(exc))
        return None


def register_conditions(spark: SparkSession) -> None:
    """Add PREDICT's error conditions to Spark's table of them, which has no public way in."""
    gateway = _Gateway.of(spark)
    errors: tuple[type[PredictError | ReadOnlyError], ...] = (*predict_errors(), ReadOnlyError)
    conditions = {
        error.condition: {"message": [*error.template.split("\n"), ""], "sqlState": error.sqlstate} for error in errors
    }
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as scratch:
        path = Path(scratch, "error-conditions.json")
        path.write_text(json.dumps(conditions), encoding="utf-8")
        url = gateway("java.io.File")(str(path)).toURI().toURL()
        ours = gateway("org.apache.spark.ErrorClassesJsonReader")(gateway.seq([url]))
    reader = gateway("org.apache.spark.SparkThrowableHelper").errorReader()
    field = reader.getClass().getDeclaredField("errorInfoMap")
    field.setAccessible(True)
    field.set(reader, reader.errorInfoMap().concat(ours.errorInfoMap()))


class _PythonFunction:
    """The Python half of a builder of functions or tables; implements ``java.util.function.Function``."""

    def __init__(self, gateway: _Gateway, java: Any) -> None:
        self._gateway = gateway
        self._java = java

    class Java:
        implements = ("java.util.function.Function",)

    def apply(self, given: Any) -> Any:
        """Called by the analyzer; returns what takes the call's place, or the exception to throw."""
        try:
            return self._replace(*given)
        except PredictError as exc:
            return self._error(exc)
        except CapturedException as exc:
            return exc._origin  # Spark's own, for example from evaluating a constant: it needs no translation
        except Exception as exc:
            _log.exception("a call failed while a query was analysed")
            return self._error(PredictInternalError(reason=f"{type(exc).__name__}: {exc}"))

    def _replace(self, arguments: Any, conf: Any, memo: Any) -> Any:
        raise NotImplementedError

    def _read_arguments(self, arguments: Any) -> tuple[CallArgument, ...]:
        records = str(self._java.described(arguments)).split(_RECORD) if arguments.nonEmpty() else []
        return tuple(self._read_argument(arguments, place, each) for place, each in enumerate(records))

    def _read_argument(self, arguments: Any, place: int, record: str) -> CallArgument:
        explicit, kind, name, sql, constant = record.split(_FIELD)
        return CallArgument(
            type=_with_arrays(_type_of_json(kind)),
            name=name[1:] if name else None,
            explicit=explicit == "true",
            sql=sql,
            constant=constant == "true",
            value=lambda: _value(self._gateway, arguments.apply(place), _type_of_json(kind)),
        )

    def _error(self, exc: PredictError) -> Any:
        parameters = self._gateway.java.PythonUtils.toScalaMap(exc.parameters)
        return self._java.error(exc.condition, parameters)


class _PythonTable(_PythonFunction):
    """A table function: its rows become part of the plan."""

    def __init__(
        self,
        gateway: _Gateway,
        java: Any,
        spark: SparkSession,
        read: Callable[[Sequence[CallArgument]], pa.Table | DataFrame],
    ) -> None:
        super().__init__(gateway, java)
        self._spark = spark
        self._read = read

    def _replace(self, arguments: Any, conf: Any, memo: Any) -> Any:
        rows = self._read(self._read_arguments(arguments))
        rows = rows if isinstance(rows, DataFrame) else self._spark.createDataFrame(rows)
        return rows._jdf.queryExecution().analyzed()


class _PythonBuilder(_PythonFunction):
    """A function whose calls are bound to a model."""

    def __init__(self, gateway: _Gateway, java: Any, build: Callable[[Call], Splice | int]) -> None:
        super().__init__(gateway, java)
        self._build = build

    def _replace(self, arguments: Any, conf: Any, memo: Any) -> Any:
        call = self._read_call(arguments, conf, memo)
        return self._expression(self._build(call), arguments, call)

    def _read_call(self, arguments: Any, conf: Any, memo: Any) -> Call:
        return Call(
            arguments=self._read_arguments(arguments),
            case_sensitive=conf.caseSensitiveAnalysis(),
            timezone=conf.sessionLocalTimeZone(),
            settings=Settings.read(conf.getConfString),
            memo=memo,
        )

    def _expression(self, splice: Splice | int, arguments: Any, call: Call) -> Any:
        if isinstance(splice, int):
            return self._gateway("catalyst.parser.CatalystSqlParser")().parseExpression(f"{splice}L")
        feeds = _RECORD.join(map(_feed, splice.feeds))
        inputs = self._java.fed(arguments, feeds, call.timezone)
        types = [_fed_type(call.arguments[each.source[0]].type, each) for each in splice.feeds]
        if isinstance(splice.target, UserDefinedFunction):
            if any(isinstance(each, T.ArrayType) for each in types):
                inputs = self._gateway.seq([_shaped(self._gateway, each, as_vector=False) for each in _items(inputs)])
            return _titled(self._gateway, splice.target._judf.builder(inputs), splice.name)
        titled = _titled_part(types, splice.target)
        if titled is not None:
            inputs = inputs.updated(titled, _titled(self._gateway, inputs.apply(titled), splice.name))
        computed = _inline(self._gateway, self._java, splice.target, inputs)
        if splice.lenient:
            computed = self._gateway("catalyst.expressions.TryEval")(computed)
        return computed if titled is not None else _titled(self._gateway, computed, splice.name)


def _feed(feed: Feed) -> str:
    """A record for the builder in Java."""
    argument, field = feed.source
    cast_to = "" if feed.cast_to is None else feed.cast_to.json()
    return _FIELD.join((str(argument), "" if field is None else str(field), cast_to))


def _fed_type(given: T.DataType, feed: Feed) -> T.DataType:
    """The type of what feeds an input, from that of its argument."""
    if feed.cast_to is not None:
        return feed.cast_to
    field = feed.source[1]
    return given[field].dataType if field is not None and isinstance(given, T.StructType) else given


@lru_cache(maxsize=1000)
def _type_of_json(text: str) -> T.DataType:
    field = {"name": "", "type": json.loads(text), "nullable": True, "metadata": {}}
    return T.StructType.fromJson({"type": "struct", "fields": [field]})[0].dataType


def _with_arrays(kind: T.DataType) -> T.DataType:
    """A type in which a vector of Spark ML, also as a field, is the ARRAY that PREDICT takes it for."""
    if isinstance(kind, VectorUDT):
        return T.ArrayType(T.DoubleType())
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(each.name, _with_arrays(each.dataType), each.nullable) for each in kind])
    return kind


def _sql(gateway: _Gateway, expression: Any) -> str:
    return str(gateway("catalyst.util.package").toPrettySQL(expression, False))


def _value(gateway: _Gateway, expression: Any, kind: T.DataType) -> object:
    if _kind(expression) == "NamedArgumentExpression":
        expression = expression.value()
    value = expression.eval(None)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(kind, T.StructType) or (
        isinstance(kind, T.MapType) and isinstance(kind.keyType, (T.StringType, T.NullType))
    ):
        return _members(gateway, expression)
    text = str(value.toString()) if hasattr(value, "toString") else str(value)
    return text if isinstance(kind, T.StringType) else _Other(text, kind)


def _members(gateway: _Gateway, expression: Any) -> object:
    """A constant STRUCT or MAP as a dict of what JSON has; times are text, decimals floats."""
    row = gateway("catalyst.expressions.CreateNamedStruct")(gateway.seq([_text(gateway, "value"), expression]))
    convert = gateway("catalyst.CatalystTypeConverters").createToScalaConverter(row.dataType())
    # map() has no type of keys, and is an empty list in JSON.
    return json.loads(convert.apply(row.eval(None)).json())["value"] or {}


@dataclass(frozen=True)
class _Other:
    """A constant of a type that neither a model nor a version can have."""

    text: str
    type: T.DataType

    def __repr__(self) -> str:
        return f"{self.text} ({self.type.simpleString().upper()})"


def obstacle(frame: DataFrame, inputs: DataFrame) -> str | None:
    """What keeps the computation of ``frame`` from ``inputs`` from being spliced into a query, or None.

    Only projections of ``inputs`` can be, whose expressions have a value that depends on the row alone.
    """
    gateway = _Gateway.of(frame.sparkSession)
    plan = frame._jdf.queryExecution().analyzed()
    while plan.children().nonEmpty():
        if _kind(plan) == "Project":
            for each in _items(plan.projectList()):
                found = _beyond_the_row(gateway, each)
                if found is not None:
                    return found
        elif _kind(plan) not in _TRANSPARENT:
            return _step(plan)
        plan = plan.children().head()
    given = inputs._jdf.queryExecution().analyzed()
    return None if plan.outputSet().equals(given.outputSet()) else _step(plan)


def _step(plan: Any) -> str:
    """What a node of a plan does, without the numbers that Spark gives to columns."""
    return re.sub(r"#\d+L?", "", str(plan.simpleString(_MOST_FIELDS))).strip()


def _beyond_the_row(gateway: _Gateway, expression: Any) -> str | None:
    """What in an expression needs more than its row and the JVM, or gives another value each time."""
    patterns = gateway("catalyst.trees.TreePattern")
    if expression.containsPattern(patterns.PLAN_EXPRESSION()):
        return f"a subquery, {_sql(gateway, expression)}"
    if expression.containsPattern(patterns.PYTHON_UDF()):
        return f"a Python function, {_sql(gateway, expression)}"
    while not expression.deterministic():
        changing = [each for each in _items(expression.children()) if not each.deterministic()]
        if not changing and not _is_of_spark_ml(expression):
            return f"a value that changes each time, {_sql(gateway, expression)}"
        if not changing:
            return None
        found = [_beyond_the_row(gateway, each) for each in changing]
        return next((each for each in found if each is not None), None)
    return None


def _is_of_spark_ml(expression: Any) -> bool:
    if _kind(expression) != "ScalaUDF":
        return False
    return str(expression.function().getClass().getName()).startswith("org.apache.spark.ml.")


def collapsed(frame: DataFrame, guards: DataFrame) -> DataFrame:
    """``frame`` and, beside its columns, those of ``guards``, in as few projections as compute nothing twice.

    Both are projections of one data frame without rows; ``obstacle`` has found nothing in ``frame``.
    """
    gateway = _Gateway.of(frame.sparkSession)
    project = gateway("catalyst.plans.logical.Project")
    levels, plan = _levels(frame)
    own = _items(plan.output())
    for level in reversed(levels):
        kept = {each.exprId().id() for each in level}
        passed = [each for each in own if each.exprId().id() not in kept]
        plan = project(gateway.seq([_deterministic(gateway, each) for each in level] + passed), plan)
    ours = frame._jdf.queryExecution().analyzed().output()
    conditions = guards._jdf.queryExecution().analyzed().projectList()
    plan = project(gateway.seq(_items(ours) + _items(conditions)), plan)
    for rule in ("ColumnPruning", "CollapseProject"):
        plan = gateway(f"catalyst.optimizer.{rule}").apply(plan)
    rows = gateway("org.apache.spark.sql.classic.Dataset").ofRows(frame.sparkSession._jsparkSession, plan)
    return DataFrame(rows, frame.sparkSession)


def _levels(frame: DataFrame) -> tuple[list[list[Any]], Any]:
    """The columns of each projection, the last one first, and the plan that they start from."""
    levels, plan = [], frame._jdf.queryExecution().analyzed()
    while plan.children().nonEmpty():
        if _kind(plan) == "Project":
            levels.append(_items(plan.projectList()))
        plan = plan.children().head()
    return levels, plan


def _inline(gateway: _Gateway, builder: Any, frame: DataFrame, inputs: Any) -> Any:
    """The first column of ``frame`` as an expression over ``inputs``, which stand for the columns it starts from.

    A column after it is a condition on the inputs: where the second is not true, the expression is NULL. A third says
    for which of those rows it is tried all the same, and NULL only where it fails.

    What a lower projection computes is bound to a variable, since what is above it uses it more than once.
    """
    (columns, *lower), leaf = _levels(frame)
    parts, variables = columns, []
    for level in lower:
        aliases = [each for each in level if _kind(each) == "Alias"]
        computed = [each for each in aliases if each.child().children().nonEmpty()]
        names = [each for each in aliases if each.child().children().isEmpty()]
        if computed:
            shared = _struct(gateway, [each.child() for each in computed])
            variables.append(_variable(gateway, shared.dataType()))
            names += [_alias(gateway, _field(gateway, variables[-1], at), each) for at, each in enumerate(computed)]
            parts = [*_substituted(gateway, parts, gateway.seq(names)), _alias(gateway, shared, computed[0])]
        else:
            parts = _substituted(gateway, parts, gateway.seq(names))
    if leaf.output().size() > inputs.size() or any(
        isinstance(each, (VectorUDT, T.ArrayType)) for each in _leaf_types(leaf)
    ):
        stand_ins = gateway.seq(_stand_ins(gateway, _items(leaf.output()), _items(inputs)))
    else:
        stand_ins = builder.aliased(leaf.output(), inputs)
    parts = _substituted(gateway, parts, stand_ins)
    found, *others = (_deterministic(gateway, each.child() if _kind(each) == "Alias" else each) for each in parts)
    conditions, definitions = others[: len(columns) - 1], others[len(columns) - 1 :]
    for variable, each in zip(variables, definitions, strict=True):
        found = _let(gateway, variable, each, found)
    return _guarded(gateway, found, conditions)


def _leaf_types(leaf: Any) -> list[T.DataType]:
    kind = _type_of_json(leaf.schema().json())
    return [each.dataType for each in kind] if isinstance(kind, T.StructType) else []


def _struct(gateway: _Gateway, values: Sequence[Any]) -> Any:
    fields = [part for at, each in enumerate(values) for part in (_text(gateway, f"c{at}"), each)]
    return gateway("catalyst.expressions.CreateNamedStruct")(gateway.seq(fields))


def _field(gateway: _Gateway, struct: Any, at: int) -> Any:
    return gateway("catalyst.expressions.GetStructField")(struct, at, gateway.option())


def _substituted(gateway: _Gateway, columns: Sequence[Any], aliases: Any) -> list[Any]:
    """The columns with the expressions of ``aliases``, a Scala Seq, in place of their names."""
    merge = gateway("catalyst.optimizer.CollapseProject").buildCleanedProjectList
    return _items(merge(gateway.seq(columns), aliases))


def _alias(gateway: _Gateway, expression: Any, column: Any) -> Any:
    """The expression under name and id of a column."""
    nothing = gateway.seq([])
    return gateway("catalyst.expressions.Alias")(
        expression, column.name(), column.exprId(), nothing, gateway.option(), nothing
    )


def _stand_ins(gateway: _Gateway, leaves: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """What the call gives for each column that a data frame starts from.

    A vector may be given as an ARRAY. After the inputs, there is a column for each vector among them that says whether
    it is there with all its elements.
    """
    columns = list(zip(leaves, inputs, strict=False))
    vectors = [given for leaf, given in columns if _is_vector(leaf)]
    found = [_alias(gateway, _shaped(gateway, given, as_vector=_is_vector(leaf)), leaf) for leaf, given in columns]
    whole = zip(leaves[len(inputs) :], vectors, strict=True)
    return found + [_alias(gateway, _is_whole(gateway, given), leaf) for leaf, given in whole]


def _is_vector(expression: Any) -> bool:
    return _kind(expression.dataType()) == "VectorUDT"


def _shaped(gateway: _Gateway, given: Any, *, as_vector: bool) -> Any:
    """An ARRAY as a vector, or a vector as an ARRAY, where it is not what is wanted."""
    if _is_vector(given) == as_vector:
        return given
    registry = getattr(gateway("catalyst.analysis.FunctionRegistry$"), "MODULE$").internal()
    name, others = ("array_to_vector", []) if as_vector else ("vector_to_array", [_text(gateway, "float64")])
    return registry.lookupFunction(_identifier(gateway, registry, name), gateway.seq([given, *others]))


def _text(gateway: _Gateway, value: str) -> Any:
    return gateway("catalyst.expressions.Literal").create(
        value, gateway("org.apache.spark.sql.types.DataTypes").StringType
    )


def _is_whole(gateway: _Gateway, given: Any) -> Any:
    """Whether a vector, or an ARRAY in place of one, is not NULL, and has no NULL."""
    there = gateway("catalyst.expressions.IsNotNull")(given)
    if _is_vector(given) or not given.dataType().containsNull():
        return there
    null = gateway("catalyst.expressions.IsNull")
    element = _variable(gateway, given.dataType().elementType())
    with_null = gateway("catalyst.expressions.ArrayExists")(given, _lambda(gateway, element, null(element)), False)
    return gateway("catalyst.expressions.And")(there, gateway("catalyst.expressions.Not")(with_null))


def _variable(gateway: _Gateway, kind: Any) -> Any:
    """A new variable of a lambda: one that another call in the query has would be overwritten by it."""
    new_id = gateway("catalyst.expressions.NamedExpression").newExprId()
    holder = gateway("java.util.concurrent.atomic.AtomicReference")()
    return gateway("catalyst.expressions.NamedLambdaVariable")("shared", kind, True, new_id, holder)


def _lambda(gateway: _Gateway, variable: Any, body: Any) -> Any:
    return gateway("catalyst.expressions.LambdaFunction")(body, gateway.seq([variable]), False)


def _let(gateway: _Gateway, variable: Any, value: Any, body: Any) -> Any:
    """``body`` with the variable bound to a value that is computed once: ``transform(array(value), x -> body)[0]``.

    Spark shares common parts of expressions by itself only where no condition keeps them from being computed.
    """
    # Whether a body may be NULL is said, not asked for: each let in it would double the time that the answer takes.
    body = gateway("catalyst.expressions.KnownNullable")(body)
    array = gateway("catalyst.expressions.CreateArray")(gateway.seq([value]))
    bodies = gateway("catalyst.expressions.ArrayTransform")(array, _lambda(gateway, variable, body))
    first = gateway("catalyst.expressions.Literal")(0, gateway("org.apache.spark.sql.types.DataTypes").IntegerType)
    return gateway("catalyst.expressions.GetArrayItem")(bodies, first, False)


def _guarded(gateway: _Gateway, expression: Any, conditions: Sequence[Any]) -> Any:
    """The expression where the first condition is true; where the second is, what it gives, or NULL if it fails.

    Two conditionals, neither with an alternative of its own: of what two alternatives have in common, Spark would
    compute a part before it, outside the attempt.
    """
    attempts = [expression, gateway("catalyst.expressions.TryEval")(expression)]
    null = gateway("catalyst.expressions.Literal")(None, expression.dataType())
    branch = gateway("catalyst.expressions.If")
    found = [branch(each, attempt, null) for each, attempt in zip(conditions, attempts, strict=False)]
    if len(found) > 1:
        return gateway("catalyst.expressions.Coalesce")(gateway.seq(found))
    return found[0] if found else expression


def _titled_part(inputs: Sequence[T.DataType], frame: DataFrame) -> int | None:
    """The place of the input that gets the title instead of the result, or None.

    A title costs a conversion of what is under it, which is dear for a STRUCT or an ARRAY and cheap for a number.
    """
    if isinstance(frame.schema[0].dataType, T.AtomicType):
        return None
    cheap = [at for at, each in enumerate(inputs) if isinstance(each, T.NumericType)]
    return cheap[0] if cheap else None


def _titled(gateway: _Gateway, expression: Any, title: str) -> Any:
    """The expression under a name that EXPLAIN shows, and that Spark does not compute twice for a filter over it.

    Spark pushes a filter below the projection that it filters by, and with it a copy of a Python UDF, but not of a
    Scala UDF, which it takes for expensive. This one returns what it is given: Scala's own serializable identity,
    without encoders. On its way days of October 1582 would move, so dates and times do without.
    """
    if any(each in expression.dataType().sql() for each in ("DATE", "TIMESTAMP")):
        return expression
    nothing = gateway.seq([])
    identity = getattr(getattr(gateway.java.scala, "$less$colon$less$"), "MODULE$").refl()
    return gateway("catalyst.expressions.ScalaUDF")(
        identity,
        expression.dataType(),
        gateway.seq([expression]),
        nothing,
        gateway.option(),
        gateway.option(title),
        True,
        True,
    )


def _deterministic(gateway: _Gateway, expression: Any) -> Any:
    """The expression with its UDFs marked deterministic.

    Spark ML marks some of its own otherwise (VectorAssembler), only to keep them from being evaluated twice,
    and Spark forbids non-deterministic expressions inside aggregates.
    """
    if expression.deterministic():
        return expression
    children = gateway.seq([_deterministic(gateway, child) for child in _items(expression.children())])
    if _kind(expression) != "ScalaUDF":
        return expression.withNewChildren(children)
    return expression.copy(
        expression.function(),
        expression.dataType(),
        children,
        expression.inputEncoders(),
        expression.outputEncoder(),
        expression.udfName(),
        expression.nullable(),
        True,
    )


@dataclass(frozen=True)
class TableVersion:
    """A Delta table that a query reads.

    Attributes:
        name: in the catalog, or its path.
        identifier: the table's own id, which a table that is made anew has not.
        version: the version that is read.
    """

    name: str
    identifier: str
    version: int


def pinned(frame: DataFrame) -> tuple[DataFrame, list[TableVersion], list[str]]:
    """A data frame that reads the Delta tables as they are now, whenever it runs.

    Returns:
        the data frame, the Delta tables that it reads, and what in it has no version: other tables, and expressions
        whose value depends on the moment.
    """
    gateway = _Gateway.of(frame.sparkSession)
    tables = _new(gateway, "org.lakepredict.PinnedTables")
    plan = tables.pinned(frame._jdf.queryExecution().analyzed())
    rows = gateway("org.apache.spark.sql.classic.Dataset").ofRows(frame.sparkSession._jsparkSession, plan)
    java = tables.getClass()
    found = {TableVersion(each[0], each[1], int(each[2])) for each in java.getField("tables").get(tables)}
    others = [str(each) for each in java.getField("others").get(tables)]
    return DataFrame(rows, frame.sparkSession), sorted(found, key=lambda each: each.name), others


def transactions(spark: SparkSession, table: str) -> dict[str, int]:
    """The last version of each application that wrote to a Delta table with ``txnAppId`` and ``txnVersion``."""
    gateway = _Gateway.of(spark)
    name = spark._jsparkSession.sessionState().sqlParser().parseTableIdentifier(table)
    log = gateway("org.apache.spark.sql.delta.DeltaLog").forTableWithSnapshot(spark._jsparkSession, name)
    found = log._2().setTransactions()
    return {str(each.appId()): int(each.version()) for each in _items(found)}


def require_plan(frame: DataFrame) -> None:
    """Have a data frame planned, for what only the planning finds wrong.

    Raises:
        pyspark.errors.PySparkException: it cannot be planned.
    """
    frame._jdf.queryExecution().executedPlan()


def active_session(spark: SparkSession) -> SparkSession:
    """The session of the query that is analysed now, of the same application as ``spark``."""
    return SparkSession(spark.sparkContext, _Gateway.of(spark)("org.apache.spark.sql.classic.SparkSession").active())
