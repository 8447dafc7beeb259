"""Built-in functions whose calls are built in Python while Spark analyses a query.

PREDICT is put into Spark's function registry with a *function builder*: the analyzer calls it with the argument
expressions, already resolved, and splices in the expression that it gets back. The builder is Python, called through
py4j, so whatever it decides or refuses happens on the driver before any job starts. Its half in Java
(``java/FunctionBuilder.java``) carries its errors over as real ``AnalysisException`` objects; py4j alone would wrap
them in a ``Py4JException``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.classic.column import Column as ClassicColumn
from pyspark.sql.udf import UserDefinedFunction
from pyspark.util import PythonEvalType

from lakepredict._call import Call, CallArgument, Feed, Splice
from lakepredict._casts import has_places
from lakepredict._jvm.expressions import literal, shaped, titled
from lakepredict._jvm.gateway import (
    FIELD,
    RECORD,
    Gateway,
    class_name,
    identifier,
    items,
    java_message,
    new,
    type_of_json,
)
from lakepredict._jvm.pipelines import inlined, titled_part
from lakepredict._jvm.structs import rebuilt
from lakepredict._settings import Settings
from lakepredict.engines.base import PythonFunction
from lakepredict.errors import PredictError, PredictInternalError

_BUILDER = "org.lakepredict.FunctionBuilder"


_RULES = {
    "org.lakepredict.OncePerRow": "a prediction that a query needs twice is computed twice",
    "org.lakepredict.OnlyWhereNeeded": "models in CASE are called for the rows of all branches",
}
"""Our rules of the optimizer in the order in which they run -> what happens without them."""

_ONE_BY_ONE = "lakepredict.one_by_one"
"""The name of an argument that says that those before it were written one by one; ``FunctionBuilder`` knows it, too."""


_log = logging.getLogger(__name__)


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


def one_by_one() -> Column:
    """Return an argument for ``call_function`` that says that those before it were written one by one."""
    return named_argument(_ONE_BY_ONE, F.lit(True))


def are_single(columns: Sequence[Column]) -> bool:
    """Return whether none of some columns is a star, in whatever way; those of a Spark Connect client do not tell."""
    spark = SparkSession.getActiveSession()
    if spark is None or not all(isinstance(column, ClassicColumn) for column in columns):
        return False
    star = Gateway.of(spark)("java.lang.Class").forName("org.apache.spark.sql.catalyst.analysis.Star")
    return not any(star.isInstance(spark._jsparkSession.expression(column._jc)) for column in columns)


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
    gateway = Gateway.of(spark)
    ensure_callback_server_started(gateway.py4j)  # type: ignore[no-untyped-call]
    builder = new(gateway, _BUILDER)
    builder.calling(name, _PythonBuilder(gateway, builder, build), _new_rules(gateway))
    info = gateway("catalyst.expressions.ExpressionInfo")(
        _BUILDER, None, name, usage, arguments, examples, note, "misc_funcs", "0.1.0", "", "python_udf"
    )
    everywhere = gateway("catalyst.analysis.FunctionRegistry").builtin()
    qualified = identifier(gateway, everywhere, name)
    for registry in (everywhere, spark._jsparkSession.sessionState().functionRegistry()):
        registry.registerFunction(qualified, info, builder)


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
    gateway = Gateway.of(spark)
    ensure_callback_server_started(gateway.py4j)  # type: ignore[no-untyped-call]
    builder = new(gateway, _BUILDER)
    builder.calling(name, _PythonTable(gateway, builder, spark, read), gateway.seq([]))
    info = gateway("catalyst.expressions.ExpressionInfo")(
        _BUILDER, None, name, usage, "", examples, "", "table_funcs", "0.1.0", "", "python_udf"
    )
    everywhere = gateway("catalyst.analysis.TableFunctionRegistry").builtin()
    qualified = identifier(gateway, everywhere, name)
    for registry in (everywhere, spark._jsparkSession.sessionState().tableFunctionRegistry()):
        registry.registerFunction(qualified, info, builder)


def _new_rules(gateway: Gateway) -> Any:
    """Our rules of the optimizer, without those that do not know the plans of this version of Spark."""
    rules = []
    for name, otherwise in _RULES.items():
        try:
            rules.append(new(gateway, name))
        except Py4JJavaError as exc:
            _log.warning("%s: %s", otherwise, java_message(exc))
    return gateway.seq(rules)


class _PythonFunction:
    """The Python half of a builder of functions or tables; implements ``java.util.function.Function``."""

    def __init__(self, gateway: Gateway, java: Any) -> None:
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
        records = str(self._java.described(arguments)).split(RECORD) if arguments.nonEmpty() else []
        return tuple(self._read_argument(arguments, place, each) for place, each in enumerate(records))

    def _read_argument(self, arguments: Any, place: int, record: str) -> CallArgument:
        explicit, kind, name, sql, constant = record.split(FIELD)
        return CallArgument(
            type=_with_arrays(type_of_json(kind)),
            name=name[1:] if name else None,
            explicit=explicit == "true",
            sql=sql,
            constant=constant == "true",
            value=lambda: _value(self._gateway, arguments.apply(place), type_of_json(kind)),
        )

    def _error(self, exc: PredictError) -> Any:
        parameters = self._gateway.java.PythonUtils.toScalaMap(exc.parameters)
        return self._java.error(exc.condition, parameters)


class _PythonTable(_PythonFunction):
    """A table function: its rows become part of the plan."""

    def __init__(
        self,
        gateway: Gateway,
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

    def __init__(self, gateway: Gateway, java: Any, build: Callable[[Call], Splice | int]) -> None:
        super().__init__(gateway, java)
        self._build = build

    def _replace(self, arguments: Any, conf: Any, memo: Any) -> Any:
        call = self._read_call(arguments, conf, memo)
        return self._expression(self._build(call), arguments, call)

    def _read_call(self, arguments: Any, conf: Any, memo: Any) -> Call:
        written = [argument for argument in self._read_arguments(arguments) if argument.name != _ONE_BY_ONE]
        return Call(
            arguments=tuple(written),
            case_sensitive=conf.caseSensitiveAnalysis(),
            timezone=conf.sessionLocalTimeZone(),
            settings=Settings.read(conf.getConfString),
            memo=memo,
            one_by_one=self._java.oneByOne(arguments),
        )

    def _expression(self, splice: Splice | int, arguments: Any, call: Call) -> Any:
        if isinstance(splice, int):
            return self._gateway("catalyst.parser.CatalystSqlParser")().parseExpression(f"{splice}L")
        feeds = RECORD.join(map(_feed, splice.feeds))
        inputs = self._java.fed(arguments, feeds, call.timezone)
        if any(_is_rebuilt(feed) for feed in splice.feeds):
            inputs = self._rebuilt(inputs, splice.feeds, call.timezone)
        types = [_fed_type(call.arguments[each.source[0]].type, each) for each in splice.feeds]
        if isinstance(splice.target, UserDefinedFunction):
            if any(isinstance(each, T.ArrayType) for each in types):
                inputs = self._gateway.seq([shaped(self._gateway, each, as_vector=False) for each in items(inputs)])
            return titled(self._gateway, splice.target._judf.builder(inputs), splice.name)
        part = titled_part(types, splice.target)
        if part is not None:
            inputs = inputs.updated(part, titled(self._gateway, inputs.apply(part), splice.name))
        computed = inlined(self._gateway, self._java, splice.target, inputs)
        if splice.lenient:
            computed = self._gateway("catalyst.expressions.TryEval")(computed)
        return computed if part is not None else titled(self._gateway, computed, splice.name)

    def _rebuilt(self, inputs: Any, feeds: Sequence[Feed], timezone: str) -> Any:
        values = items(inputs)
        for place, feed in enumerate(feeds):
            if feed.cast_to is not None and _is_rebuilt(feed):
                values[place] = rebuilt(self._gateway, values[place], feed.cast_to, timezone)
        return self._gateway.seq(values)


def _is_rebuilt(feed: Feed) -> bool:
    """Return whether an argument has structs to match: a CAST would take their fields by position."""
    return feed.cast_to is not None and has_places(feed.cast_to)


def _feed(feed: Feed) -> str:
    """A record for the builder in Java."""
    argument, field = feed.source
    cast_to = "" if feed.cast_to is None or _is_rebuilt(feed) else feed.cast_to.json()
    return FIELD.join((str(argument), "" if field is None else str(field), cast_to))


def _fed_type(given: T.DataType, feed: Feed) -> T.DataType:
    """The type of what feeds an input, from that of its argument."""
    if feed.cast_to is not None:
        return feed.cast_to
    field = feed.source[1]
    return given[field].dataType if field is not None and isinstance(given, T.StructType) else given


def _with_arrays(kind: T.DataType) -> T.DataType:
    """A type in which a vector of Spark ML, also as a field, is the ARRAY that PREDICT takes it for."""
    if isinstance(kind, VectorUDT):
        return T.ArrayType(T.DoubleType())
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(each.name, _with_arrays(each.dataType), each.nullable) for each in kind])
    return kind


def _value(gateway: Gateway, expression: Any, kind: T.DataType) -> object:
    if class_name(expression) == "NamedArgumentExpression":
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


def _members(gateway: Gateway, expression: Any) -> object:
    """A constant STRUCT or MAP as a dict of what JSON has; times are text, decimals floats."""
    row = gateway("catalyst.expressions.CreateNamedStruct")(gateway.seq([literal(gateway, "value"), expression]))
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
