"""Names of columns that a Delta table takes, decided without Spark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import types as T

from lakepredict.errors import OutputNamesError
from lakepredict.lakehouse import _column_names
from lakepredict.lakehouse._column_names import FEED, MAPPING, OutputTable

DOUBLE = T.DoubleType()
NEW = OutputTable("forecasts")


def struct(*names: str) -> T.StructType:
    """A STRUCT of doubles."""
    return T.StructType([T.StructField(name, DOUBLE) for name in names])


def column(name: str, data_type: T.DataType) -> T.StructType:
    """A schema of one column."""
    return T.StructType([T.StructField(name, data_type)])


def refusal(table: OutputTable, schema: T.StructType) -> str:
    """The text of the error for a forecast with these columns."""
    with pytest.raises(OutputNamesError) as error:
        _column_names.require_names(table, schema, "prediction")
    return str(error.value)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (struct("id", "the id"), "`the id`"),
        (column("s", struct("a", "a=b")), "`s.a=b`"),
        (column("s", T.ArrayType(struct("a;b"))), "`s[].a;b`"),
        (column("s", T.MapType(struct("a,b"), DOUBLE)), "`s.key.a,b`"),
        (column("s", T.MapType(T.StringType(), T.ArrayType(struct("a{b")))), "`s.value[].a{b`"),
        (column("s t", struct("a\nb\tc")), r"`s t`, `s t.a\nb\tc`"),
        (struct(*(f"a {number}" for number in range(7))), "`a 0`, `a 1`, `a 2`, `a 3`, `a 4`, and 2 more"),
    ],
)
def test_characters(schema: T.StructType, path: str) -> None:
    """A name that has no place in a table's files is named with its path, unless the table maps names."""
    mapped = OutputTable("forecasts", properties={MAPPING: "name"})

    _column_names.require_names(mapped, schema, "prediction")
    assert f"got:      {path}\n" in refusal(NEW, schema)


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (struct("id", "ID"), "`id` and `ID`"),
        (struct("id", "Id", "b", "ID", "B"), "`id` and `Id` and `ID`; `b` and `B`"),
        (column("s", T.ArrayType(struct("yes", "Yes"))), "`s[].yes` and `s[].Yes`"),
        (column("s", T.MapType(T.StringType(), struct("yes", "YES"))), "`s.value.yes` and `s.value.YES`"),
        (struct("Ä", "ä"), "`Ä` and `ä`"),
    ],
)
@pytest.mark.parametrize("mode", ["none", "name"])
def test_names_that_differ_in_case(schema: T.StructType, names: str, mode: str) -> None:
    """Delta tells no such names apart, whether it maps names or not."""
    assert f"got:      {names}\n" in refusal(OutputTable("forecasts", properties={MAPPING: mode}), schema)


def test_the_same_name_in_different_structs() -> None:
    """Fields of different STRUCTs do not get in each other's way."""
    schema = T.StructType([T.StructField("a", struct("a", "b")), T.StructField("b", struct("A", "B"))])

    _column_names.require_names(NEW, schema, "prediction")


def test_columns_of_the_change_data_feed() -> None:
    """A table with a feed has three names less, at the top alone and as they are written."""
    feed = OutputTable("forecasts", exists=True, properties={FEED: "true"})
    schema = struct("_change_type")

    assert "got:      `_change_type`\n" in refusal(feed, schema)
    for fits in (struct("_CHANGE_TYPE"), column("s", schema)):
        _column_names.require_names(feed, fits, "prediction")
    _column_names.require_names(NEW, schema, "prediction")


@pytest.mark.parametrize(
    ("name", "table", "schema"),
    [
        ("names_output", NEW, column("prediction", struct("no", "prob (yes)"))),
        ("names_outputs", NEW, column("prediction", T.ArrayType(struct("no", "prob (yes)")))),
        ("names_mapping", OutputTable("forecasts", exists=True), struct("the id")),
        ("names_case", NEW, column("prediction", struct("yes", "Yes"))),
        ("names_columns", NEW, struct("id", "ID")),
        ("names_feed", OutputTable("forecasts", exists=True, properties={FEED: "true"}), struct("_change_type")),
    ],
)
def test_texts(golden: Callable[[str, str], None], name: str, table: OutputTable, schema: T.StructType) -> None:
    """Each refusal says what leads out of it."""
    golden(f"lakehouse/{name}.txt", refusal(table, schema))


def test_a_prediction_that_is_named_otherwise(golden: Callable[[str, str], None]) -> None:
    """The name of the prediction is the job's own."""
    with pytest.raises(OutputNamesError) as error:
        _column_names.require_names(NEW, column("the forecast", DOUBLE), "the forecast")
    golden("lakehouse/names_job.txt", str(error.value))
