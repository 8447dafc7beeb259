"""Every Spark type against every type of a model's input: what is refused, what is cast, what the model sees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Row, SparkSession
from pyspark.sql import types as T

from lakepredict._binding import Argument, bind
from lakepredict._casts import WIDENINGS, FieldMissingError, FieldUnsafeError, Matcher, has_struct
from lakepredict._registry import ModelReference, ResolvedModel, resolve
from lakepredict._signature import SPARK_TYPES, TENSOR_TYPES, spark_type
from lakepredict.errors import TypeUnsafeError

pytestmark = pytest.mark.usefixtures("echo")

PAIR = Object([Property("a", DataType.long), Property("b", DataType.string)])
VISITS = Array(Object([Property("tags", Array(DataType.string)), Property("time", DataType.datetime)]))
INPUTS = {
    **{kind.name: kind for kind in SPARK_TYPES},
    **{f"{kind.name}s": Array(kind) for kind in SPARK_TYPES},
    "matrix": Array(Array(DataType.double)),
    "pair": PAIR,
    "counts": Map(DataType.long),
    "visits": VISITS,
}
"""Input of the echo -> its MLflow type."""

DTYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "object",
    "binary": "object",
    "datetime": "datetime64[ns]",
}
"""MLflow type -> the type of the pandas column that the model sees; a nested one is of objects."""


def struct(**fields: T.DataType) -> T.StructType:
    """A struct of nullable fields."""
    return T.StructType([T.StructField(name, kind) for name, kind in fields.items()])


GIVEN = {
    "void": T.NullType(),
    "bool": T.BooleanType(),
    "i8": T.ByteType(),
    "i16": T.ShortType(),
    "i32": T.IntegerType(),
    "i64": T.LongType(),
    "f32": T.FloatType(),
    "f64": T.DoubleType(),
    "dec": T.DecimalType(10, 2),
    "dec38": T.DecimalType(38, 0),
    "str": T.StringType(),
    "bin": T.BinaryType(),
    "date": T.DateType(),
    "ts": T.TimestampType(),
    "ntz": T.TimestampNTZType(),
    "time": T.TimeType(),
    "days": T.DayTimeIntervalType(),
    "months": T.YearMonthIntervalType(),
    "variant": T.VariantType(),
    "i32s": T.ArrayType(T.IntegerType()),
    "strs": T.ArrayType(T.StringType()),
    "dates": T.ArrayType(T.DateType()),
    "f32_matrix": T.ArrayType(T.ArrayType(T.FloatType())),
    "i32_pair": struct(a=T.IntegerType(), b=T.StringType()),
    "pair_turned": struct(b=T.StringType(), a=T.LongType()),
    "i32_counts": T.MapType(T.StringType(), T.IntegerType()),
    "i32_keys": T.MapType(T.IntegerType(), T.LongType()),
    "date_visits": T.ArrayType(struct(tags=T.ArrayType(T.StringType()), time=T.DateType())),
}
"""Column of the table of every type -> its type."""


def wanted(name: str) -> T.DataType:
    """The Spark type of an input of the echo."""
    return spark_type(INPUTS[name])


def dtype(name: str) -> str:
    """What the column of an input is in pandas."""
    return DTYPES.get(name, "object")


def fate(given: T.DataType, input_name: str) -> str:
    """Whether the argument passes as it is, with a cast, built anew of its fields, or not at all."""
    if given == wanted(input_name):
        return "as is"
    try:
        Matcher(frozenset(), str.__eq__, input_name).plan_type(given, wanted(input_name))
    except (FieldMissingError, FieldUnsafeError):
        return "refused"
    return "built" if has_struct(given) else "cast"


PAIRS = {(column, name): fate(kind, name) for column, kind in GIVEN.items() for name in INPUTS}
REFUSED = [pair for pair, found in PAIRS.items() if found == "refused"]


def register(name: str, inputs: Schema) -> None:
    """Register the echo as a model of these inputs."""
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("models") / "types_echo.py"),
            signature=ModelSignature(inputs, Schema([ColSpec("string")])),
            pip_requirements=["mlflow"],
            registered_model_name=name,
        )


@pytest.fixture(scope="module")
def echo(spark: SparkSession) -> None:
    """The registered models ``types_echo``, each of whose inputs is optional, and those of tensors."""
    register("types_echo", Schema([ColSpec(kind, name, required=False) for name, kind in INPUTS.items()]))
    tensors = [TensorSpec(np.dtype(name), (-1,), name) for name in TENSOR_TYPES]
    shapes = [
        TensorSpec(np.dtype("str"), (-1,), "str"),
        TensorSpec(np.dtype("int16"), (-1, 2), "pair"),
        TensorSpec(np.dtype("float32"), (-1, 2, 2), "square"),
    ]
    register("types_tensors", Schema(tensors + shapes))
    for name in [*TENSOR_TYPES, "str"]:
        register(f"types_{name}", Schema([TensorSpec(np.dtype(name), (-1, 2))]))


@pytest.fixture(scope="module")
def echo_model(echo: None) -> ResolvedModel:
    """What binding knows of the echo."""
    return resolve(ModelReference("types_echo", 1))


@pytest.fixture(scope="module")
def every_type(spark: SparkSession) -> str:
    """A view with a column of each type."""
    schema = T.StructType([T.StructField(name, kind) for name, kind in GIVEN.items()])
    spark.createDataFrame([], schema).createOrReplaceTempView("every_type")
    return "every_type"


# --- what is refused, what is cast -------------------------------------------------------------------------


def test_table(echo_model: ResolvedModel) -> None:
    """Each pair of types is bound as the table says: as it is, with a cast, built anew of its fields, or not at all."""
    assert {(column, name): bound(echo_model, column, name) for column, name in PAIRS} == PAIRS


def bound(model: ResolvedModel, column: str, name: str) -> str:
    """What becomes of an argument of a column's type for an input."""
    argument = Argument(GIVEN[column], name, True, column)
    reference = ModelReference(model.name, model.version)
    try:
        binding = bind(reference, model, [argument], case_sensitive=False, one_by_one=True)
    except TypeUnsafeError:
        return "refused"
    if binding.inputs[0].cast_to is None:
        return "as is"
    return "built" if has_struct(GIVEN[column]) else "cast"


# One for each input and one for each Spark type.
SOME_REFUSED = sorted(
    {next((column, name) for column, name in REFUSED if name == each) for each in INPUTS}
    | {next((column, name) for column, name in REFUSED if column == each) for each in GIVEN if each != "void"}
)


def test_refused(spark: SparkSession, every_type: str) -> None:
    """An argument of a type that the table does not allow is refused at analysis, with what to write."""
    for column, name in SOME_REFUSED:
        with pytest.raises(AnalysisException) as raised:
            spark.sql(f"SELECT PREDICT('types_echo', 1, {name} => {column}) FROM {every_type}")

        assert raised.value.getCondition() == "PREDICT_TYPE_UNSAFE"
        nested = has_struct(GIVEN[column]) or has_struct(wanted(name))
        assert ("build a value of the type" if nested else f"CAST({every_type}.{column} AS ") in str(raised.value)


def test_allowed(spark: SparkSession, every_type: str) -> None:
    """An argument of another type that the table allows is cast in the plan; one of the same type is left alone."""
    allowed = {pair: found for pair, found in PAIRS.items() if found in ("as is", "cast")}
    calls = [f"PREDICT('types_echo', 1, {name} => {column}) AS {column}__{name}" for column, name in allowed]
    spark.conf.set("spark.sql.debug.maxToStringFields", "10000")
    analysed = spark.sql(f"SELECT {', '.join(calls)} FROM {every_type}")._jdf.queryExecution().analyzed()
    rule = spark._jvm.org.apache.spark.sql.catalyst.optimizer.ReplaceExpressions  # type: ignore[union-attr]
    replaced = rule.apply(analysed).toString()  # not optimized further: the table has no rows
    spark.conf.unset("spark.sql.debug.maxToStringFields")
    call = re.compile(r"predict\[types_echo v1\]\(pandas\[.*?\]\((cast\()?(\w+)#\d+.*?\)#\d+\) AS (\w+?)__(\w+)#")
    found = {(column, name): "cast" if cast else "as is" for cast, _, column, name in call.findall(replaced)}

    assert found == allowed


def test_table_is_whole() -> None:
    """The pairs above have every type of the table of widenings, and every scalar type of MLflow."""
    given = {type(kind) for kind in GIVEN.values()}
    widened = {(kind, other) for kind, others in WIDENINGS.items() for other in others}
    inputs = {type(kind) for kind in SPARK_TYPES.values()}
    tried = {(type(GIVEN[column]), type(wanted(name))) for (column, name), found in PAIRS.items() if found == "cast"}

    assert set(WIDENINGS) <= given
    assert set(SPARK_TYPES) == {kind for kind in INPUTS.values() if isinstance(kind, DataType)}
    assert {pair for pair in widened if pair[1] in inputs} <= tried


# --- what the model sees -----------------------------------------------------------------------------------

LIMITS = {8: (-128, 127), 16: (-(2**15), 2**15 - 1), 32: (-(2**31), 2**31 - 1), 64: (-(2**63), 2**63 - 1)}
FLOATS = {
    "CAST('-3.4028234663852886E38' AS FLOAT)": -3.4028234663852886e38,
    "CAST('1.4E-45' AS FLOAT)": 1.401298464324817e-45,
    "CAST(0.1 AS FLOAT)": 0.10000000149011612,
    "CAST('-0.0' AS FLOAT)": -0.0,
    "CAST('NaN' AS FLOAT)": float("nan"),
    "CAST('-Infinity' AS FLOAT)": float("-inf"),
    "NULL": float("nan"),
}
DOUBLES = {
    "-1.7976931348623157E308D": -1.7976931348623157e308,
    "4.9E-324D": 5e-324,
    "0.1D": 0.1,
    "CAST('NaN' AS DOUBLE)": float("nan"),
    "CAST('Infinity' AS DOUBLE)": float("inf"),
    "NULL": float("nan"),
}
DECIMALS = {
    "9" * 38: 1e38,
    "-12345678901234567890123456789012345678": -12345678901234567890123456789012345678.0,
    "9007199254740993": 9007199254740992.0,
    "NULL": float("nan"),
}
TINY_DECIMALS = {"0.000000000000000001": 1e-18, "12345678901234567890.123456789012345678": 12345678901234567890.0}
TIMES = [
    "1677-09-21 00:12:43.145225",
    "1969-12-31 23:59:59.999999",
    "2024-07-01 12:00:00.000000",
    "2262-04-11 23:47:16.854775",
]
DATES = ["1677-09-22", "1969-12-31", "2024-07-01", "2262-04-11"]
BEYOND = [
    "TIMESTAMP'0001-01-01 00:00:00'",
    "TIMESTAMP'1677-09-21 00:12:43.145224'",
    "TIMESTAMP_NTZ'2262-04-11 23:47:16.854776'",
    "DATE'1677-09-21'",
    "DATE'9999-12-31'",
]
"""Times that pandas' own type for them does not hold."""


def integers(bits: int, change: Callable[[int], object] = int) -> dict[str, object]:
    """The limits of an integer type, and a number that no double can hold."""
    values = [*LIMITS[bits], 0, *([2**53 + 1] if bits == 64 else [])]
    return {f"CAST('{value}' AS {INTEGERS[bits]})": change(value) for value in values}


def moments(kind: str) -> dict[str, object]:
    """Times of all centuries, as NumPy writes them."""
    return {f"{kind}'{text}'": Raw(text.replace(" ", "T")) for text in TIMES} | {"NULL": Raw("NaT")}


class Raw(str):
    """A text that stands for itself in a comparison with what ``repr`` gave."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


INTEGERS = {8: "TINYINT", 16: "SMALLINT", 32: "INT", 64: "BIGINT"}
NO_ROW = "no row"
"""Stands for a row that never reaches the model and has a NULL prediction."""

MISSING_INTEGER = {"NULL": NO_ROW}
VALUES: dict[tuple[str, str], dict[str, object]] = {
    ("BOOLEAN", "boolean"): {"true": True, "false": False} | MISSING_INTEGER,
    **{(INTEGERS[bits], "integer"): integers(bits) | MISSING_INTEGER for bits in (8, 16, 32)},
    **{(INTEGERS[bits], "long"): integers(bits) | MISSING_INTEGER for bits in LIMITS},
    **{
        (INTEGERS[bits], "float"): integers(bits, lambda value: np.float32(value).item()) | {"NULL": float("nan")}
        for bits in LIMITS
    },
    **{(INTEGERS[bits], "double"): integers(bits, float) | {"NULL": float("nan")} for bits in LIMITS},
    ("FLOAT", "float"): dict(FLOATS),
    ("FLOAT", "double"): dict(FLOATS),
    ("DOUBLE", "double"): dict(DOUBLES),
    ("DECIMAL(38,0)", "double"): dict(DECIMALS),
    ("DECIMAL(38,0)", "float"): {text: np.float32(value).item() for text, value in DECIMALS.items()},
    ("DECIMAL(38,18)", "double"): dict(TINY_DECIMALS),
    ("DECIMAL(10,2)", "double"): {"0.10": 0.1, "-99999999.99": -99999999.99, "NULL": float("nan")},
    ("STRING", "string"): {
        "''": "",
        "'null'": "null",
        "'Zürich 🚲'": "Zürich 🚲",
        "concat('a', char(0), 'b')": "a\0b",
        "NULL": None,
    },
    ("BINARY", "binary"): {"X''": b"", "X'00FF'": b"\x00\xff", "NULL": None},
    ("TIMESTAMP", "datetime"): moments("TIMESTAMP"),
    ("TIMESTAMP_NTZ", "datetime"): moments("TIMESTAMP_NTZ"),
    ("DATE", "datetime"): {f"DATE'{text}'": Raw(f"{text}T00:00:00.000000") for text in DATES} | {"NULL": Raw("NaT")},
    ("ARRAY<BOOLEAN>", "booleans"): {
        "array()": [],
        "array(true, false)": [True, False],
        "array(true, NULL)": NO_ROW,
        "NULL": None,
    },
    ("ARRAY<INT>", "integers"): {"array()": [], "array(2147483647)": [2**31 - 1], "array(1, NULL)": NO_ROW},
    ("ARRAY<BIGINT>", "longs"): {
        "array()": [],
        "array(9007199254740993)": [2**53 + 1],
        "array(9007199254740993, NULL)": NO_ROW,
        "NULL": None,
    },
    ("ARRAY<INT>", "longs"): {"array(1, 2)": [1, 2], "array(1, NULL)": NO_ROW},
    ("ARRAY<FLOAT>", "floats"): {"array(0.5F, NULL)": [0.5, None], "NULL": None},
    ("ARRAY<DOUBLE>", "doubles"): {"array()": [], "array(0.1D, NULL)": [0.1, None], "NULL": None},
    ("ARRAY<DECIMAL(38,0)>", "doubles"): {f"array({'9' * 38})": [1e38], "array(NULL)": [None]},
    ("ARRAY<STRING>", "strings"): {"array()": [], "array('', NULL)": ["", None], "NULL": None},
    ("ARRAY<BINARY>", "binarys"): {"array(X'00', NULL)": [b"\0", None]},
    ("ARRAY<TIMESTAMP>", "datetimes"): {
        "array(TIMESTAMP'2024-07-01 12:00:00', NULL)": Raw("[datetime.datetime(2024, 7, 1, 12, 0), None]"),
    },
    ("ARRAY<DATE>", "datetimes"): {
        "array(DATE'2024-07-01', NULL)": Raw("[datetime.datetime(2024, 7, 1, 0, 0), None]"),
    },
    ("ARRAY<ARRAY<DOUBLE>>", "matrix"): {"array(array(0.1D), array(), NULL)": [[0.1], [], None], "NULL": None},
    ("ARRAY<ARRAY<FLOAT>>", "matrix"): {"array(array(0.5F, NULL))": [[0.5, None]]},
    ("STRUCT<a: BIGINT, b: STRING>", "pair"): {
        "(9007199254740993, 'x')": {"a": 2**53 + 1, "b": "x"},
        "(NULL, NULL)": {"a": None, "b": None},
        "NULL": None,
    },
    ("STRUCT<a: INT, b: STRING>", "pair"): {"(-1, '')": {"a": -1, "b": ""}},
    ("MAP<STRING, BIGINT>", "counts"): {
        "map()": {},
        "map('a', 9007199254740993, 'b', NULL)": {"a": 2**53 + 1, "b": None},
        "NULL": None,
    },
    ("MAP<STRING, INT>", "counts"): {"map('a', 1)": {"a": 1}},
    ("ARRAY<STRUCT<tags: ARRAY<STRING>, time: TIMESTAMP>>", "visits"): {
        "array((array('a', NULL), TIMESTAMP'2024-07-01 12:00:00'), (NULL, NULL), NULL)": Raw(
            "[{'tags': ['a', None], 'time': datetime.datetime(2024, 7, 1, 12, 0)}, {'tags': None, 'time': None}, None]"
        ),
        "array()": [],
    },
}
"""Spark type and input -> SQL values and what the model sees of each."""

ROWS = max(map(len, VALUES.values()))


def cell(kind: str, values: list[str], row: int) -> str:
    """A value of a column, where the last one stands in all rows after it."""
    return f"CAST({values[min(row, len(values) - 1)]} AS {kind})"


@pytest.fixture(scope="module")
def seen(spark: SparkSession, echo: None) -> dict[tuple[str, str], list[object]]:
    """What the model sees of each value, for each Spark type and input on its own; all rows are one batch."""
    rows = [
        ", ".join([str(row), *(cell(kind, list(values), row) for (kind, _), values in VALUES.items())])
        for row in range(ROWS)
    ]
    names = ", ".join(f"c{position}" for position in range(len(VALUES)))
    table = f"SELECT /*+ COALESCE(1) */ * FROM VALUES ({'), ('.join(rows)}) AS t (row, {names})"
    calls = [
        f"PREDICT('types_echo', 1, {name} => c{position}) AS p{position}" for position, (_, name) in enumerate(VALUES)
    ]
    found = spark.sql(f"SELECT row, {', '.join(calls)} FROM ({table})").orderBy("row").collect()
    return {
        (kind, name): [
            NO_ROW if row[f"p{position}"] is None else json.loads(row[f"p{position}"])[name]
            for row in found[: len(values)]
        ]
        for position, ((kind, name), values) in enumerate(VALUES.items())
    }


@pytest.mark.parametrize(("kind", "name"), VALUES)
def test_values(seen: dict[tuple[str, str], list[object]], kind: str, name: str) -> None:
    """The model sees exactly the value that the query has, up to the limits of each type and next to a NULL."""
    expected = [value if value is NO_ROW else [dtype(name), repr(value)] for value in VALUES[kind, name].values()]

    assert seen[kind, name] == expected


def test_every_allowed_pair_has_values() -> None:
    """Each widening to a type of a scalar input is executed above."""
    types = {kind: T.StructType.fromDDL(f"c {kind}")[0].dataType for kind, _ in VALUES}
    executed = {(type(types[kind]), type(wanted(name))) for kind, name in VALUES}
    inputs = {type(kind) for kind in SPARK_TYPES.values()}
    widened = {(kind, other) for kind, others in WIDENINGS.items() for other in others if other in inputs}

    assert widened <= executed
    assert {(kind, kind) for kind in inputs} <= executed


BATCHES = {
    "without NULL": "VALUES (1), (2)",
    "with NULL": "VALUES (1), (NULL)",
    "all NULL": "VALUES (CAST(NULL AS INT)), (NULL)",
}
ONE_OF_EACH = {
    "boolean": "x = 1",
    "integer": "x",
    "long": "CAST(x AS BIGINT)",
    "float": "CAST(x AS FLOAT)",
    "double": "CAST(x AS DOUBLE)",
    "string": "CAST(x AS STRING)",
    "binary": "CAST(CAST(x AS STRING) AS BINARY)",
    "datetime": "timestamp_seconds(x)",
}


@pytest.mark.parametrize("batch", BATCHES)
def test_types_do_not_depend_on_the_batch(spark: SparkSession, batch: str) -> None:
    """A column has one type in pandas: alone and beside others, with NULLs, without them and with nothing else."""
    alone = [f"PREDICT('types_echo', 1, {name} => {sql}) AS `{name}`" for name, sql in ONE_OF_EACH.items()]
    floating = {name: sql for name, sql in ONE_OF_EACH.items() if name not in ("boolean", "integer", "long")}
    beside = [", ".join(f"{name} => {sql}" for name, sql in some.items()) for some in (ONE_OF_EACH, floating)]
    calls = [*alone, *(f"PREDICT('types_echo', 1, {each}) AS beside{row}" for row, each in enumerate(beside))]
    query = f"SELECT {', '.join(calls)} FROM (SELECT /*+ COALESCE(1) */ * FROM {BATCHES[batch]} AS t (x))"
    texts = [text for row in spark.sql(query).collect() for text in row if text is not None]
    found = {(name, kind) for text in texts for name, (kind, _) in json.loads(text).items()}
    expected = set(DTYPES) if batch != "all NULL" else set(floating)

    assert found == {(name, DTYPES[name]) for name in expected}


ZONES = ["Asia/Kolkata", "America/St_Johns", "+05:30", "GMT-8", "Z"]


@pytest.mark.parametrize("zone", ZONES)
def test_session_time_zone(spark: SparkSession, zone: str) -> None:
    """A model sees a TIMESTAMP as SQL shows it: as the wall-clock time of the session."""
    for row in times(spark, zone, "datetime => x", "date_format(x, 'yyyy-MM-dd\\'T\\'HH:mm:ss.SSSSSS')"):
        assert json.loads(row.p)["datetime"][1] == row.shown


@pytest.mark.parametrize("zone", ZONES)
def test_session_time_zone_in_arrays(spark: SparkSession, zone: str) -> None:
    """A model sees a TIMESTAMP in an array as SQL shows it, too."""
    for row in times(spark, zone, "datetimes => array(x)", "date_format(x, 'y, M, d, H, m')"):
        assert json.loads(row.p)["datetimes"][1].startswith(f"[datetime.datetime({row.shown}, ")


def times(spark: SparkSession, zone: str, arguments: str, shown: str) -> list[Row]:
    """What the echo sees of ten times, and what SQL shows of them, in a session of a time zone."""
    session = spark.newSession()
    session.conf.set("spark.sql.session.timeZone", zone)
    micros = "id * 3456789012345 - 9000000000000001"
    return session.sql(
        f"SELECT {shown} AS shown, PREDICT('types_echo', 1, {arguments}) AS p"
        f" FROM (SELECT timestamp_micros({micros}) AS x FROM range(0, 5000, 500, 1))"
    ).collect()


@pytest.mark.parametrize("sql", BEYOND)
def test_times_that_pandas_cannot_hold(spark: SparkSession, sql: str) -> None:
    """A time outside of the years 1677 to 2262 fails PREDICT, and gives NULL in its own row with TRY_PREDICT."""
    table = f"(SELECT /*+ COALESCE(1) */ * FROM VALUES (1, {sql}), (2, TIMESTAMP'2024-07-01 12:00:00') AS t (row, x))"
    with pytest.raises(PySparkException, match="is outside of the years 1677 to 2262"):
        spark.sql(f"SELECT PREDICT('types_echo', 1, datetime => x) FROM {table}").collect()
    rows = spark.sql(f"SELECT TRY_PREDICT('types_echo', 1, datetime => x) AS p FROM {table} ORDER BY row").collect()

    assert [row.p is None for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("TIMESTAMP'0001-01-01 00:00:00'", "datetime.datetime(1, 1, 1, 0, 0)"),
        ("TIMESTAMP'9999-12-31 23:59:59.999999'", "datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)"),
        ("DATE'9999-12-31'", "datetime.datetime(9999, 12, 31, 0, 0)"),
    ],
)
def test_first_and_last_times_in_arrays(spark: SparkSession, sql: str, expected: str) -> None:
    """A TIMESTAMP of the years 1 and 9999 in an array reaches the model as it is."""
    row = spark.sql(f"SELECT PREDICT('types_echo', 1, datetimes => array({sql})) AS p").first()

    assert json.loads(row.p)["datetimes"] == ["object", f"[{expected}]"]


# --- tensors -----------------------------------------------------------------------------------------------

EXTREMES = {
    "bool": [True, False],
    "int8": [-128, 127],
    "int16": [-(2**15), 2**15 - 1],
    "int32": [-(2**31), 2**31 - 1],
    "int64": [-(2**63), 2**53 + 1],
    "uint8": [0, 255],
    "uint16": [0, 2**16 - 1],
    "uint32": [0, 2**32 - 1],
    "float16": [0.5, -65504.0],
    "float32": [0.5, -3.4028234663852886e38],
    "float64": [0.1, -1.7976931348623157e308],
    "str": ["", "Zürich"],
}
SPARK_OF = {**{name: kind.simpleString() for name, kind in TENSOR_TYPES.items()}, "str": "string"}


def literal(value: object, kind: str) -> str:
    """A value as SQL."""
    return f"CAST('{value}' AS {kind})"


@pytest.mark.parametrize("form", ["{0}, {1}", "array({0}, {1})"], ids=["columns", "array"])
def test_tensors(spark: SparkSession, form: str) -> None:
    """A model of one tensor gets an array of the tensor's type, from columns or from one array."""
    calls = [
        f"PREDICT('types_{name}', 1, {form.format(*(literal(each, SPARK_OF[name]) for each in values))}) AS `{name}`"
        for name, values in EXTREMES.items()
    ]
    row = spark.sql(f"SELECT {', '.join(calls)} FROM range(0, 2, 1, 1)").first()
    found = {name: json.loads(row[name])[""] for name in EXTREMES}

    assert {name: value for name, (_, value) in found.items()} == {name: repr(each) for name, each in EXTREMES.items()}
    assert {name: kind for name, (kind, _) in found.items() if name != "str"} == {name: name for name in TENSOR_TYPES}
    assert found["str"][0].startswith(("<U", "object"))


def test_tensors_by_name(spark: SparkSession) -> None:
    """A model of several tensors gets each as an array of its type and shape, by name."""
    given = {name: literal(values[1], SPARK_OF[name]) for name, values in EXTREMES.items()}
    given |= {"pair": "array(1S, 2S)", "square": "array(array(1F, 2F), array(3F, CAST(NULL AS FLOAT)))"}
    call = ", ".join(f"{sql} AS `{name}`" for name, sql in given.items())
    row = spark.sql(f"SELECT PREDICT('types_tensors', 1, *) AS p FROM (SELECT {call})").first()
    found = json.loads(row.p)
    expected = {name: [name, repr(values[1])] for name, values in EXTREMES.items() if name != "str"}
    expected |= {"pair": ["int16", "[1, 2]"], "square": ["float32", "[[1.0, 2.0], [3.0, nan]]"]}

    assert found.pop("str")[1] == "'Zürich'"
    assert found == expected


@pytest.mark.parametrize("name", [name for name in TENSOR_TYPES if not name.startswith("float")])
def test_null_in_a_tensor_without_missing_values(spark: SparkSession, name: str) -> None:
    """A NULL in a tensor of integers or booleans gives a NULL prediction, beside others or in an array."""
    kind = SPARK_OF[name]
    given = f"{literal(EXTREMES[name][1], kind)}, IF(id = 0, NULL, {literal(EXTREMES[name][1], kind)})"
    rows = spark.sql(
        f"SELECT PREDICT('types_{name}', 1, {given}) AS a, PREDICT('types_{name}', 1, array({given})) AS b"
        " FROM range(0, 2, 1, 1) ORDER BY id"
    ).collect()
    shown = [name, repr([EXTREMES[name][1]] * 2)]

    assert tuple(rows[0]) == (None, None)
    assert [json.loads(each)[""] for each in rows[1]] == [shown, shown]


def test_value_outside_of_a_tensor(spark: SparkSession) -> None:
    """A value that the Spark type has and the NumPy type has not is an error that shows it, not another value."""
    with pytest.raises(PySparkException, match=r"\[PREDICT_INPUT_INVALID\](.|\n)*300"):
        spark.sql("SELECT PREDICT('types_uint8', 1, 1S, 300S)").collect()
