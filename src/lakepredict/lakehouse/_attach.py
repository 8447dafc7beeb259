"""The session's catalog and the lakehouse's folder say the same: tables, views, functions and schemas.

Tables are folders with a Delta log. Views, functions, schemas, and Delta tables in places of their own are files of SQL
text; a statement that defines or drops one writes or deletes its file before it succeeds.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import NamedTuple
from urllib.parse import quote, unquote

from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakepredict import _jvm
from lakepredict._jvm import java_message
from lakepredict.errors import (
    DefinitionUnkeptError,
    LakehouseMismatchError,
    LakehouseUnreadableError,
    SessionError,
)
from lakepredict.lakehouse._definitions import Facts, damaged, from_text, to_text
from lakepredict.lakehouse._folder import Folder

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_]+")
"""The names that Spark's own catalog takes; a folder with another one cannot be a table of it."""

_SUFFIX = ".sql"
_FILES = {"schema": "Schemas", "external": "ExternalTables", "view": "Views", "function": "Functions"}
_ORDER = ("schema", "table", "external", "function", "view")


class Key(NamedTuple):
    """What is in a catalog: a schema has its name twice."""

    kind: str
    schema: str
    name: str


Stamp = tuple[int, int] | None
"""When a file was changed, and its length; None for a folder."""

_OURS = (-1, -1)
"""The stamp of a file that this process has written: it is read once more."""


@dataclass(frozen=True)
class Changes:
    """What a look at the folder has brought.

    Attributes:
        entered: what is new in the catalog, or has changed.
        gone: what was taken out of it.
    """

    entered: tuple[Key, ...]
    gone: tuple[Key, ...]


def attach(spark: SparkSession, folder: Folder) -> Changes:
    """Have the session's catalog say what is in the lakehouse, from now on.

    ``Tables/<name>`` becomes ``<name>`` and ``Tables/<schema>.db/<name>`` becomes ``<schema>.<name>``, which is where
    Spark puts managed tables, and managed they are: DROP TABLE deletes them. No table's data is read. Views, functions,
    schemas and external Delta tables come from the files in ``Views/``, ``Functions/``, ``Schemas/`` and
    ``ExternalTables/``, which CREATE, ALTER and DROP write and delete; their text is not analysed, and no place looked
    at, before they are used. Spark's lists (SHOW TABLES) and a name that it does not
    know have the folder looked at again; :func:`refresh` does that at any time.

    A session with a metastore of its own (``spark.sql.catalogImplementation=hive``) is left as it is.

    Raises:
        LakehouseUnreadableError: the folder cannot be listed.
        LakehouseMismatchError: another lakehouse is attached to the session.
    """
    global _attached
    if _has_metastore(spark):
        return Changes((), ())
    with _attaching:
        if _attached is None or _attached.context is not spark.sparkContext:
            _attached = _Attached(spark, folder)
        elif _attached.folder != folder:
            raise LakehouseMismatchError(
                "The session has another lakehouse.",
                expected=f"the lakehouse {_attached.folder.root}",
                got=f"the lakehouse {folder.root}",
                hint="call spark.stop() first.",
            )
        found = _attached
    return found.refresh()


def refresh(spark: SparkSession) -> Changes:
    """Look at the session's lakehouse again: what other processes have made, changed and dropped.

    Cheap where little has changed: it lists the folders of tables and definitions, and those of schemas in them, and
    reads the files that are new. May be called by several threads. A session with a metastore of its own is left as it
    is.

    Raises:
        SessionError: no lakehouse is attached to the session.
        LakehouseUnreadableError: the folder cannot be listed.
    """
    if _has_metastore(spark):
        return Changes((), ())
    if _attached is None or _attached.context is not spark.sparkContext:
        raise SessionError(
            "The session has no lakehouse.",
            expected="a session of lakepredict.spark_session(lakehouse=...)",
            got="a session to which none is attached",
            hint="call lakehouse.attach(spark, lakehouse.locate(folder)) first.",
        )
    return _attached.refresh()


def _has_metastore(spark: SparkSession) -> bool:
    return spark.conf.get("spark.sql.catalogImplementation") != "in-memory"


class _Attached:
    """A lakehouse in the catalog of one application, all of whose sessions share it.

    What is known is what the catalog has from files and folders. It, the files, and the catalog are changed under one
    lock, so that no thread takes out what another one is about to make. Statements change the catalog first and then
    call ``_keep``; what they have not kept yet is not known, and is let alone.
    """

    def __init__(self, spark: SparkSession, folder: Folder) -> None:
        self.context: SparkContext = spark.sparkContext
        self.folder = folder
        self._lock = RLock()
        self._known: dict[Key, Stamp] = {}
        self._catalog = _jvm.LakehouseCatalog(spark, self.refresh, self._keep)

    def refresh(self) -> Changes:
        """Look at the folder, and have the catalog say the same."""
        with self._lock, self._readable():
            found = self._find()
            stale, gone = differences(self._known, found)
            for key in gone:
                self._take_out(key)
            entered = [key for key in stale if self._enter(key, found[key])]
            return Changes(tuple(entered), tuple(gone))

    def _find(self) -> dict[Key, Stamp]:
        files = {
            kind: self._catalog.listed(f"{self.folder.root}/{name}", deeper="" if kind == "schema" else _NAME.pattern)
            for kind, name in _FILES.items()
        }
        return present(self._catalog.listed(self.folder.tables, deeper=r"[A-Za-z0-9_]+\.db"), files)

    def _take_out(self, key: Key) -> None:
        if key.kind == "table":
            self._catalog.detach(key.schema, key.name, self._folder(key))
        else:
            self._catalog.forget(*key)
        del self._known[key]

    def _enter(self, key: Key, stamp: Stamp) -> bool:
        if key.kind == "table":
            entered = self._catalog.attach(key.schema, key.name, self._folder(key))
        else:
            entered = self._put(key, stamp)
        if entered:
            self._known[key] = stamp
        return entered

    def _folder(self, key: Key) -> str:
        """Where Spark puts a table or a schema, if nothing else is said."""
        schema = "" if key.schema == "default" else f"/{key.schema}.db"
        table = f"/{key.name}" if key.kind == "table" else ""
        return self._catalog.qualified(f"{self.folder.tables}{schema}{table}")

    def _put(self, key: Key, stamp: Stamp) -> bool:
        """Enter what a file says. One that says nothing is entered as well: only its use is an error."""
        facts: Facts = {"comment": "", "properties": {}}
        if stamp is not None:
            try:
                facts = from_text(key.kind, self._catalog.read(self._path(key)).decode("utf-8"))
            except FileNotFoundError:
                return False  # dropped since it was listed
            except ValueError as exc:
                return self._put_damaged(key, str(exc))
        try:
            self._put_facts(key, facts)
        except Exception as exc:
            reason = _reason(exc)
            if reason is None:
                raise
            return self._put_damaged(key, f"Spark does not take it: {reason}")
        return True

    def _put_damaged(self, key: Key, reason: str) -> bool:
        message = f"the file {self._path(key)} is damaged: {reason}"
        _log.warning("%s", message)
        self._put_facts(key, damaged(key.kind, message, self._path(key)))
        return True

    def _put_facts(self, key: Key, facts: Facts) -> None:
        if key.kind == "schema" and "location" not in facts:
            facts["location"] = self._folder(key)
        self._catalog.put(*key, facts)

    def _path(self, key: Key) -> str:
        folder = _FILES[key.kind] if key.kind == "schema" else f"{_FILES[key.kind]}/{key.schema}"
        return f"{self.folder.root}/{folder}/{quote(key.name, safe='')}{_SUFFIX}"

    def _keep(self, what: str, kind: str, schema: str, name: str, facts: Facts | None) -> None:
        """Called by a statement that has defined something, or drops it."""
        if what == "passing":
            _log.warning(
                "the table %s.%s is no Delta table: it ends with this process, but for its files", schema, name
            )
            return
        key = Key(kind, schema, name)
        with self._lock, self._writable(key):
            if facts is None:
                self._delete(key)
            else:
                self._write(key, facts, replace=what == "changed")

    def _write(self, key: Key, facts: Facts, *, replace: bool) -> None:
        if key.kind == "schema" and facts["location"] == self._folder(key):
            del facts["location"]  # a lakehouse may be moved
        self._catalog.write(self._path(key), to_text(*key, facts), replace=replace)
        self._known[key] = _OURS

    def _delete(self, key: Key) -> None:
        self._catalog.delete(self._path(key))
        self._known.pop(key, None)
        if key.kind == "schema":
            for kind in _FILES.keys() - {"schema"}:
                self._catalog.delete(f"{self.folder.root}/{_FILES[kind]}/{key.schema}")
            self._known = {each: stamp for each, stamp in self._known.items() if each.schema != key.schema}

    def _readable(self) -> AbstractContextManager[None]:
        return _failing_as(lambda reason: LakehouseUnreadableError(folder=self.folder.root, reason=reason))

    def _writable(self, key: Key) -> AbstractContextManager[None]:
        kind = "external table" if key.kind == "external" else key.kind
        name = key.name if key.kind == "schema" else f"{key.schema}.{key.name}"
        path = self._path(key)
        return _failing_as(lambda reason: DefinitionUnkeptError(kind=kind, name=name, path=path, reason=reason))


@contextmanager
def _failing_as(error: Callable[[str], Exception]) -> Iterator[None]:
    """What Spark or a file system refuses is the error, given the reason; a defect of ours stays what it is."""
    try:
        yield
    except Exception as exc:
        reason = _reason(exc)
        if reason is None:
            raise
        raise error(reason) from exc


def _reason(exc: Exception) -> str | None:
    """What Spark or a file system says, or None for a defect of ours."""
    return str(exc) if isinstance(exc, PySparkException) else java_message(exc)


_attaching = RLock()
_attached: _Attached | None = None
"""Of the application that runs, since a process has one at a time."""


def present(tables: Iterable[_jvm.Listed], files: Mapping[str, Iterable[_jvm.Listed]]) -> dict[Key, Stamp]:
    """What a lakehouse has, from lists of its folders: of the tables, and of the files of each kind of definition.

    A schema is there if it has a folder, a file, or something in it.
    """
    found: dict[Key, Stamp] = {}
    for each in tables:
        schema, _, table = each.path.rpartition("/")
        if each.is_folder and table.endswith(".db") and _NAME.fullmatch(table.removesuffix(".db")):
            found[Key("schema", table.removesuffix(".db"), table.removesuffix(".db"))] = None
        elif each.is_folder and _NAME.fullmatch(table):
            found[Key("table", schema.removesuffix(".db") or "default", table)] = None
    for kind, listed in files.items():
        for each in listed:
            schema, _, file = each.path.rpartition("/")
            if not each.is_folder and file.endswith(_SUFFIX) and not file.startswith("."):
                name = unquote(file.removesuffix(_SUFFIX))
                found[Key(kind, schema or name, name)] = (each.changed, each.length)
    for schema in {key.schema for key in found} - {"default"}:
        found.setdefault(Key("schema", schema, schema), None)
    return found


def differences(known: Mapping[Key, Stamp], found: Mapping[Key, Stamp]) -> tuple[list[Key], list[Key]]:
    """What has to be entered, schemas before what is in them, and what has to be taken out, schemas last."""
    stale = [key for key, stamp in found.items() if key not in known or known[key] != stamp]
    gone = [key for key in known if key not in found and key != Key("schema", "default", "default")]
    return sorted(stale, key=_place), sorted(gone, key=_place, reverse=True)


def _place(key: Key) -> tuple[int, Key]:
    return _ORDER.index(key.kind), key
