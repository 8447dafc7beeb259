"""The one door to the JVM: py4j and Spark's private names occur here and nowhere else.

PREDICT is put into Spark's function registry with a *function builder*: while the analyzer resolves a query it
calls the builder with the argument expressions, already resolved, and splices in the expression that it gets
back. The builder is Python, called through py4j, so whatever it decides or refuses happens on the driver
before any job starts. Ten lines of Java, compiled in the driver by the Janino that Spark ships, carry its
errors over as real ``AnalysisException`` objects; py4j alone would wrap them in a ``Py4JException``.

Tried on Spark 4.1 and 4.2. What is used of Spark's internals:

- ``FunctionRegistry.builtin``: functions in it are seen by every session of the application and may stand in
  permanent views, which functions registered with ``spark.udf.register`` may not.
- ``SparkThrowableHelper.errorReader``: Spark's table of error conditions, to which PREDICT's are added.
- ``UserDefinedPythonFunction.builder``: makes the expression of a Python UDF from argument expressions.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark import Broadcast, SparkContext
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.java_gateway import ensure_callback_server_started
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
    SessionError,
    SparkConnectError,
    SparkVersionError,
    predict_errors,
)

OLDEST_SPARK = (4, 1)

_log = logging.getLogger(__name__)
_BUILDER_CLASS = "org.lakepredict.FunctionBuilder"
_BUILDER_SOURCE = """
package org.lakepredict;

import java.util.function.Function;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.catalyst.analysis.AnalysisContext;
import org.apache.spark.sql.internal.SQLConf;

public final class FunctionBuilder extends scala.runtime.AbstractFunction1 {
  private static final ThreadLocal LAST = new ThreadLocal();
  private Function python;

  public FunctionBuilder calling(Function function) {
    python = function;
    return this;
  }

  public Throwable error(String condition, scala.collection.immutable.Map parameters) {
    return new AnalysisException(condition, parameters);
  }

  public Object apply(Object arguments) {
    Object result = python.apply(new Object[] {arguments, SQLConf.get(), memo()});
    return result instanceof Throwable ? new scala.util.Failure((Throwable) result).get() : result;
  }

  // One map for each analysis of a query: its relation cache is shared with the views in it, and with no other.
  private static Object memo() {
    Object query = AnalysisContext.get().relationCache();
    Object[] last = (Object[]) LAST.get();
    if (last == null || ((java.lang.ref.WeakReference) last[0]).get() != query) {
      last = new Object[] {new java.lang.ref.WeakReference(query), new java.util.HashMap()};
      LAST.set(last);
    }
    return last[1];
  }
}
"""


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


def list_folders(spark: SparkSession, uri: str) -> list[str]:
    """The names of the folders right below ``uri`` on any Hadoop file system; empty where there is none."""
    path = _Gateway.of(spark)("org.apache.hadoop.fs.Path")(uri)
    system = path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    if not system.exists(path):
        return []
    return sorted(str(each.getPath().getName()) for each in system.listStatus(path) if each.isDirectory())


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


def attach_table(spark: SparkSession, schema: str, table: str, location: str) -> None:
    """Enter a Delta table into the session's catalog, as a managed one, unless it has one of that name.

    What ``CREATE TABLE ... LOCATION`` cannot do: it makes external tables alone, which DROP TABLE leaves in
    their place, and reads each table's log. Columns and properties of Delta tables are never in the catalog.
    """
    gateway = _Gateway.of(spark)
    class_name = "org.apache.spark.sql.catalyst.catalog.CatalogTable"
    storage = gateway("catalyst.catalog.CatalogStorageFormat").empty()
    place = gateway.option(gateway("org.apache.hadoop.fs.Path")(location).toUri())
    given = [
        gateway("catalyst.TableIdentifier")(table, gateway.option(schema)),
        gateway("catalyst.catalog.CatalogTableType").MANAGED(),
        storage.copy(place, *(storage.productElement(each) for each in range(1, storage.productArity()))),
        gateway("org.apache.spark.sql.types.StructType")(),
        gateway.option("delta"),
    ]
    companion = gateway(class_name)
    count = gateway("java.lang.Class").forName(class_name).getConstructors()[0].getParameterCount()
    defaults = [getattr(companion, f"apply$default${each}")() for each in range(len(given) + 1, count + 1)]
    catalog = spark._jsparkSession.sessionState().catalog()
    catalog.createTable(companion.apply(*given, *defaults), True, False)


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
    _register_conditions(gateway)
    builder = _new_builder(gateway)
    builder.calling(_PythonBuilder(gateway, builder, build))
    info = gateway("catalyst.expressions.ExpressionInfo")(
        _BUILDER_CLASS, None, name, usage, arguments, examples, note, "misc_funcs", "0.1.0", "", "python_udf"
    )
    everywhere = gateway("catalyst.analysis.FunctionRegistry").builtin()
    for registry in (everywhere, spark._jsparkSession.sessionState().functionRegistry()):
        registry.registerFunction(_identifier(gateway, registry, name), info, builder)


def _identifier(gateway: _Gateway, registry: Any, name: str) -> Any:
    """``name`` with the catalog and schema that built-in functions have in this version of Spark."""
    upper = next(known for known in _items(registry.listFunction()) if known.funcName() == "upper")
    return gateway("catalyst.FunctionIdentifier")(name, upper.database(), upper.catalog())


def _new_builder(gateway: _Gateway) -> Any:
    constructor = _builder_class(gateway.py4j).getDeclaredConstructor(
        gateway.py4j.new_array(gateway("java.lang.Class"), 0)
    )
    return constructor.newInstance(gateway.py4j.new_array(gateway("java.lang.Object"), 0))


@lru_cache(maxsize=1)
def _builder_class(py4j_gateway: Any) -> Any:
    """The compiled builder, once per JVM: py4j mistakes two classes of one name for the same."""
    compiler = getattr(py4j_gateway.jvm, "org.codehaus.janino.SimpleCompiler")()
    thread = py4j_gateway.jvm.java.lang.Thread.currentThread()
    compiler.setParentClassLoader(thread.getContextClassLoader())
    compiler.cook(_BUILDER_SOURCE)
    return compiler.getClassLoader().loadClass(_BUILDER_CLASS)


def _register_conditions(gateway: _Gateway) -> None:
    """Add PREDICT's error conditions to Spark's table of them, which has no public way in."""
    conditions = {
        error.condition: {"message": [*error.template.split("\n"), ""], "sqlState": error.sqlstate}
        for error in predict_errors()
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


class _PythonBuilder:
    """The Python half of a function builder; implements ``java.util.function.Function``."""

    def __init__(self, gateway: _Gateway, java: Any, build: Callable[[Call], Splice | int]) -> None:
        self._gateway = gateway
        self._java = java
        self._build = build

    class Java:
        implements = ("java.util.function.Function",)

    def apply(self, given: Any) -> Any:
        """Called by the analyzer; returns the expression to splice in, or the exception to throw."""
        try:
            expressions = _items(given[0])
            call = self._read_call(expressions, given[1], given[2])
            return self._expression(self._build(call), expressions, call.timezone)
        except PredictError as exc:
            return self._error(exc)
        except CapturedException as exc:
            return exc._origin  # Spark's own, for example from evaluating a constant: it needs no translation
        except Exception as exc:
            _log.exception("PREDICT failed while a query was analysed")
            return self._error(PredictInternalError(reason=f"{type(exc).__name__}: {exc}"))

    def _read_call(self, expressions: Sequence[Any], conf: Any, memo: Any) -> Call:
        return Call(
            arguments=tuple(_read_argument(self._gateway, each) for each in expressions),
            case_sensitive=conf.caseSensitiveAnalysis(),
            timezone=conf.sessionLocalTimeZone(),
            settings=Settings.read(conf.getConfString),
            memo=memo,
        )

    def _expression(self, splice: Splice | int, expressions: Sequence[Any], timezone: str) -> Any:
        if isinstance(splice, int):
            return self._gateway("catalyst.parser.CatalystSqlParser")().parseExpression(f"{splice}L")
        inputs = [self._feed(feed, expressions[feed.source[0]], timezone) for feed in splice.feeds]
        if isinstance(splice.target, UserDefinedFunction):
            computed = splice.target._judf.builder(self._gateway.seq(inputs))
        else:
            computed = _inline(self._gateway, splice.target, inputs)
            if splice.lenient:
                computed = self._gateway("catalyst.expressions.TryEval")(computed)
        return _titled(self._gateway, computed, splice.name)

    def _feed(self, feed: Feed, expression: Any, timezone: str) -> Any:
        if _kind(expression) == "NamedArgumentExpression":
            expression = expression.value()
        if feed.source[1] is not None:
            field = self._gateway("catalyst.expressions.GetStructField")
            expression = field(expression, feed.source[1], self._gateway.option())
        if feed.cast_to is None:
            return expression
        wanted = self._gateway("org.apache.spark.sql.types.DataType").fromJson(feed.cast_to.json())
        cast = self._gateway("catalyst.expressions.Cast")
        return cast(expression, wanted, self._gateway.option(timezone))

    def _error(self, exc: PredictError) -> Any:
        parameters = self._gateway.java.PythonUtils.toScalaMap(exc.parameters)
        return self._java.error(exc.condition, parameters)


def _read_argument(gateway: _Gateway, expression: Any) -> CallArgument:
    explicit = _kind(expression) == "NamedArgumentExpression"
    inner = expression.value() if explicit else expression
    kind = _spark_type(inner.dataType())
    return CallArgument(
        type=kind,
        name=str(expression.key()) if explicit else _name(gateway, inner),
        explicit=explicit,
        sql=_sql(gateway, inner),
        constant=bool(inner.foldable()),
        value=partial(_value, gateway, inner, kind),
    )


def _spark_type(java: Any) -> T.DataType:
    field = {"name": "", "type": json.loads(java.json()), "nullable": True, "metadata": {}}
    return T.StructType.fromJson({"type": "struct", "fields": [field]})[0].dataType


def _name(gateway: _Gateway, expression: Any) -> str | None:
    """The name that Spark itself would give the column ``SELECT expression``, where it is a plain one."""
    kind = _kind(expression)
    if kind in ("Cast", "TempResolvedColumn"):
        return _name(gateway, expression.child())
    if kind == "GetStructField":
        return str(expression.extractFieldName())
    named = "org.apache.spark.sql.catalyst.expressions.NamedExpression"
    return str(expression.name()) if is_instance_of(gateway.py4j, expression, named) else None


def _sql(gateway: _Gateway, expression: Any) -> str:
    kind = _kind(expression)
    if kind == "Literal":
        return str(expression.sql())
    if kind == "AttributeReference":
        qualifier = expression.qualifier()
        table = f"{qualifier.last()}." if qualifier.nonEmpty() else ""
        return f"{table}{expression.name()}"
    return str(gateway("catalyst.util.package").toPrettySQL(expression, False))


def _value(gateway: _Gateway, expression: Any, kind: T.DataType) -> object:
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
    text = gateway("org.apache.spark.sql.types.DataTypes").StringType
    name = gateway("catalyst.expressions.Literal").create("value", text)
    row = gateway("catalyst.expressions.CreateNamedStruct")(gateway.seq([name, expression]))
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


def obstacle(frame: DataFrame) -> str | None:
    """What keeps the computation of ``frame`` from being spliced into a query: the first step of its plan that
    is more than a projection, or None."""
    plan = frame._jdf.queryExecution().analyzed()
    while plan.children().nonEmpty():
        if _kind(plan) not in ("Project", "SubqueryAlias", "View"):
            return str(plan.simpleStringWithNodeId())
        plan = plan.children().head()
    return None


def _inline(gateway: _Gateway, frame: DataFrame, inputs: Sequence[Any]) -> Any:
    """The one column of ``frame`` as an expression over ``inputs``, which stand for the columns it starts from."""
    merge = gateway("catalyst.optimizer.CollapseProject").buildCleanedProjectList
    alias = gateway("catalyst.expressions.Alias")
    plan, columns = frame._jdf.queryExecution().analyzed(), None
    while plan.children().nonEmpty():
        if _kind(plan) == "Project":
            columns = plan.projectList() if columns is None else merge(columns, plan.projectList())
        plan = plan.children().head()
    nothing = gateway.seq([])
    stand_ins = [
        alias(each, leaf.name(), leaf.exprId(), nothing, gateway.option(), nothing)
        for leaf, each in zip(_items(plan.output()), inputs, strict=True)
    ]
    return _deterministic(gateway, merge(columns, gateway.seq(stand_ins)).head().child())


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
