"""Values of Spark as text."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import types as T
from pyspark.sql.types import Row, VariantVal

from lakepredict.cli._values import (
    EPOCH_SECONDS,
    TEXT,
    cell_writer,
    csv_line,
    for_python,
    json_row,
    json_writer,
    text_writer,
)

STRUCT = T.StructType([T.StructField("week", T.DateType()), T.StructField("sales", T.DecimalType(10, 2))])
VALUES: dict[str, tuple[Any, T.DataType, str, str, str]] = {
    "int": (7, T.IntegerType(), "7", "7", "7"),
    "long": (-(2**63), T.LongType(), "-9223372036854775808", "-9223372036854775808", "-9223372036854775808"),
    "decimal": (Decimal("0.10"), T.DecimalType(10, 2), "0.10", "0.10", "0.10"),
    "long decimal": (Decimal("1E+30"), T.DecimalType(38, 0), "1" + "0" * 30, "1" + "0" * 30, "1" + "0" * 30),
    "small decimal": (Decimal("1E-10"), T.DecimalType(38, 10), "0.0000000001", "0.0000000001", "0.0000000001"),
    "double": (0.1, T.DoubleType(), "0.1", "0.1", "0.1"),
    "large double": (1e300, T.DoubleType(), "1e+300", "1e+300", "1e+300"),
    "float": (0.10000000149011612, T.FloatType(), "0.1", "0.1", "0.1"),
    "nan": (math.nan, T.DoubleType(), "null", "NaN", "NaN"),
    "infinite": (-math.inf, T.FloatType(), "null", "-Infinity", "-Infinity"),
    "boolean": (True, T.BooleanType(), "true", "true", "true"),
    "string": ('a "b"', T.StringType(), '"a \\"b\\""', 'a "b"', 'a "b"'),
    "other scripts": ("Grüße 東京", T.StringType(), '"Grüße 東京"', "Grüße 東京", "Grüße 東京"),
    "control": ("a\n\x1b[31m", T.StringType(), '"a\\n\\u001b[31m"', "a\n\x1b[31m", "a\\n\\x1b[31m"),
    "binary": (b"\x1f*", T.BinaryType(), '"Hyo="', "Hyo=", "X'1F2A'"),
    "date": ("2025-10-31", T.DateType(), '"2025-10-31"', "2025-10-31", "2025-10-31"),
    "moment": (Decimal("1761890400.000000"), T.TimestampType(), '"2025-10-31T06:00:00Z"', "2025-10-31T06:00:00Z", "-"),
    "micros": (Decimal("-0.500000"), T.TimestampType(), '"1969-12-31T23:59:59.5Z"', "1969-12-31T23:59:59.5Z", "-"),
    "first": (Decimal("-62135596800"), T.TimestampType(), '"0001-01-01T00:00:00Z"', "0001-01-01T00:00:00Z", "-"),
    "last": (
        Decimal("253402300799.999999"),
        T.TimestampType(),
        '"9999-12-31T23:59:59.999999Z"',
        "9999-12-31T23:59:59.999999Z",
        "-",
    ),
    "local": ("2025-10-31 06:00:00", T.TimestampNTZType(), '"2025-10-31T06:00:00"', "2025-10-31T06:00:00", "-"),
    "interval": ("INTERVAL '1' DAY", T.DayTimeIntervalType(), "\"INTERVAL '1' DAY\"", "INTERVAL '1' DAY", "-"),
    "variant": (VariantVal.parseJson('{"a": [1, null]}'), T.VariantType(), '{"a":[1,null]}', '{"a":[1,null]}', "-"),
    "array": ([1.5, None, math.nan], T.ArrayType(T.DoubleType()), "[1.5, null, null]", "[1.5, null, null]", "-"),
    "map": ({"a": Decimal("1.0")}, T.MapType(T.StringType(), T.DecimalType(2, 1)), '{"a": 1.0}', '{"a": 1.0}', "-"),
    "struct": (
        Row("2025-10-31", Decimal("1.50")),
        STRUCT,
        '{"week": "2025-10-31", "sales": 1.50}',
        '{"week": "2025-10-31", "sales": 1.50}',
        "-",
    ),
}
"""What it is -> value, type, JSON, CSV's text, and a table's cell where that is another matter."""


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    """Numbers are exact, dates and times are ISO 8601, nested values are JSON, and bytes are base64."""
    value, kind, as_json, as_text, as_cell = VALUES[name]

    assert (as_json, as_text) == (json_writer(kind)(value), text_writer(kind)(value))
    assert as_cell in ("-", cell_writer(kind)(value))


@pytest.mark.parametrize("name", VALUES)
def test_json_is_json(name: str) -> None:
    """What is printed as JSON can be read, and NaN is not in it."""
    value, kind, *_ = VALUES[name]
    json.loads(json_writer(kind)(value), parse_constant=pytest.fail)


def test_null_in_json() -> None:
    """NULL is null, of any type and in any place."""
    row = json_row(["a", "b"], [T.IntegerType(), STRUCT])([None, Row(None, None)])

    assert row == '{"a": null, "b": {"week": null, "sales": null}}'


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", None, ""], '1,,""'),
        (["a,b", 'say "a"', "two\nlines", " a"], '"a,b","say ""a""","two\nlines"," a"'),
        ([None], '""'),
        ([None, None], ","),
        (["NULL"], "NULL"),
    ],
)
def test_csv(cells: list[str | None], expected: str) -> None:
    """Cells are quoted where they must be; NULL and an empty text are told apart."""
    assert expected == csv_line(cells)


def test_long_binary_in_a_table() -> None:
    """Of long bytes a table shows the first ones, and how many there are."""
    assert f"X'{'00' * 32}...' (1,000 bytes)" == cell_writer(T.BinaryType())(bytes(1000))


def test_what_spark_turns_into_text() -> None:
    """Dates and intervals come as text and moments as seconds, at any depth; the rest as it is."""
    kind = T.StructType(
        [
            T.StructField("a", T.IntegerType()),
            T.StructField("b", T.DateType()),
            T.StructField("c", T.ArrayType(T.TimestampType())),
            T.StructField("d", T.MapType(T.DateType(), T.StructType([T.StructField("e", T.DayTimeIntervalType())]))),
            T.StructField("f", T.TimestampNTZType()),
            T.StructField("g", T.BinaryType()),
        ]
    )
    expected = T.StructType(
        [
            T.StructField("a", T.IntegerType()),
            T.StructField("b", TEXT),
            T.StructField("c", T.ArrayType(EPOCH_SECONDS)),
            T.StructField("d", T.MapType(TEXT, T.StructType([T.StructField("e", TEXT)]))),
            T.StructField("f", TEXT),
            T.StructField("g", T.BinaryType()),
        ]
    )

    assert expected == for_python(kind, EPOCH_SECONDS)
