"""Values on their way between Arrow and a model: what a result may be, and times with their zones."""

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from lakepredict._worker.clocks import wall_clock as shown_by_clocks
from lakepredict._worker.inputs import to_numpy
from lakepredict._worker.results import OPTIONAL, sql_name, to_arrow, to_probabilities
from lakepredict.errors import ResultInvalidError

BERLIN = "Europe/Berlin"
INSTANT = pa.timestamp("us", "UTC")
LABEL = "the model 'sales' version 3"
PAIR = pa.struct([("low", pa.float64()), ("label", pa.string())])


def converted(predictions: Any, kind: pa.DataType, rows: int = 2, zone: str = BERLIN) -> list[Any]:
    """What SQL gets of a model's predictions for two rows."""
    array = to_arrow(predictions, kind, rows, zone, LABEL)
    assert array.type == kind
    return array.to_pylist()


def refused(predictions: Any, kind: pa.DataType, rows: int = 2) -> tuple[str, str]:
    """What was expected, and what was given, by predictions that cannot be the result."""
    with pytest.raises(ResultInvalidError, match=f"^\\[PREDICT_RESULT_INVALID\\] {LABEL} gave a result") as caught:
        to_arrow(predictions, kind, rows, BERLIN, LABEL)
    return caught.value.parameters["expected"], caught.value.parameters["got"]


def instants(*texts: str) -> pa.Array:
    """Instants in UTC, as Spark sends them."""
    return pa.array(np.array(texts, "datetime64[us]")).cast(INSTANT)


def wall_clock(*texts: str) -> np.ndarray:
    """Times without a zone."""
    return np.array(texts, "datetime64[us]")


# --- predictions on their way back -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predictions", "kind", "expected"),
    [
        (np.array([1.5, 2.5]), pa.float64(), [1.5, 2.5]),
        (np.array([[1.5], [2.5]]), pa.float64(), [1.5, 2.5]),
        (pd.Series([1.5, 2.5]), pa.float64(), [1.5, 2.5]),
        (pd.DataFrame({"y": [1.5, 2.5]}), pa.float64(), [1.5, 2.5]),
        ({"y": np.array([1.5, 2.5])}, pa.float64(), [1.5, 2.5]),
        ({"y": np.array([[1.5], [2.5]])}, pa.float64(), [1.5, 2.5]),
        ([1.5, 2.5], pa.float64(), [1.5, 2.5]),
        ((1.5, None), pa.float64(), [1.5, None]),
        (np.array([1, 2]), pa.float64(), [1.0, 2.0]),
        (np.array([1.5, 2.5], "float32"), pa.float64(), [1.5, 2.5]),
        (np.array([1.0, 2.0]), pa.int64(), [1, 2]),
        (np.array([1, 2]), pa.int32(), [1, 2]),
        (np.array([255, 0], "uint8"), pa.int16(), [255, 0]),
        (np.array([True, False]), pa.bool_(), [True, False]),
        (np.array([True, None], object), pa.bool_(), [True, None]),
        (np.array(["a", "b"]), pa.string(), ["a", "b"]),
        (np.array(["a", None], object), pa.string(), ["a", None]),
        (pd.Series(["a", None]), pa.string(), ["a", None]),
        (["a", None], pa.string(), ["a", None]),
        (pd.Series(["a", "b"], dtype="category"), pa.string(), ["a", "b"]),
        (np.array([b"a\x00", None], object), pa.binary(), [b"a\x00", None]),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), pa.list_(pa.float64()), [[1.0, 2.0], [3.0, 4.0]]),
        (np.array([[1.0], [2.0]]), pa.list_(pa.float64()), [[1.0], [2.0]]),
        ([[1.0], [2.0, 3.0]], pa.list_(pa.float64()), [[1.0], [2.0, 3.0]]),
        (np.ones((2, 1, 2)), pa.list_(pa.list_(pa.float64())), [[[1.0, 1.0]]] * 2),
        ([{"a": 1}, None], pa.map_(pa.string(), pa.int64()), [[("a", 1)], None]),
        ([[{"a": 1}], []], pa.list_(pa.struct([("a", pa.int64())])), [[{"a": 1}], []]),
        (pd.Series([[1.0], np.nan]), pa.list_(pa.float64()), [[1.0], None]),
        (np.ones((2, 0)), pa.list_(pa.float64()), [[], []]),
        (np.array([1.5, 0.5], "float16"), pa.float32(), [1.5, 0.5]),
        (np.array([1, 0], "float16"), pa.bool_(), [True, False]),
        ([np.int64(5), np.uint64(7)], pa.int64(), [5, 7]),
        ([Decimal("1.5"), Decimal(2)], pa.float64(), [1.5, 2.0]),
        ([Decimal(3), None], pa.int32(), [3, None]),
        (np.ma.array([1, 2], mask=[False, True]), pa.int64(), [1, None]),
        (scipy.sparse.csr_matrix(np.eye(2)), pa.list_(pa.float64()), [[1.0, 0.0], [0.0, 1.0]]),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else type(value).__name__,
)
def test_one_output(predictions, kind, expected):
    """Whatever form a model gives its one output in, SQL gets values of the result type."""
    assert expected == converted(predictions, kind)


@pytest.mark.parametrize("make", [np.array, pd.Series, list], ids=["array", "Series", "list"])
@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()], ids=str)
def test_nan_stays_nan(make, kind):
    """NaN is a prediction like any other, where the result is floating point, and None beside it is NULL."""
    nan, one = converted(make([np.nan, 1.0]), kind)
    also_nan, missing = converted([float("nan"), None], kind)

    assert np.isnan([nan, also_nan]).all()
    assert (one, missing) == (1.0, None)


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), INSTANT, pa.list_(pa.int64()), PAIR], ids=str)
@pytest.mark.parametrize(
    "predictions",
    [[float("nan"), None], [pd.NA, pd.NaT], np.array([np.nan, None], object), pd.Series([None, np.nan], dtype=object)],
    ids=["nan", "pandas", "objects", "Series"],
)
def test_nan_that_is_no_number(predictions, kind):
    """Where the result is no number, NaN, NaT and NA are what they are in pandas: a missing value, NULL."""
    assert converted(predictions, kind) == [None, None]


@pytest.mark.parametrize("kind", [pa.string(), INSTANT], ids=str)
def test_column_of_nan_that_is_no_number(kind):
    """A column of nothing but missing values, which pandas makes one of floats, is one of NULL."""
    assert converted(pd.Series([np.nan, np.nan]), kind) == [None, None]


@pytest.mark.parametrize(
    ("predictions", "kind", "shown"),
    [
        (np.array([1, 2**40]), pa.int32(), "1099511627776"),
        ([1, 2**40], pa.int32(), "1099511627776"),
        (pd.Series([1, 2**40]), pa.int32(), "1099511627776"),
        (pd.DataFrame({"y": [1.0, 2.0**40]}), pa.int32(), "1099511627776"),
        (np.array([1, 300]), pa.int8(), "300"),
        (np.array([2**63, 1], "uint64"), pa.int64(), "9223372036854775808"),
        ([2**70, 1], pa.int64(), str(2**70)),
        ([2**70, 1], pa.float64(), str(2**70)),
        (np.array([2**53 + 1, 1]), pa.float64(), "9007199254740993"),
        (np.array([1.0, 2.5]), pa.int64(), "2.5"),
        ([Decimal("2.5"), Decimal(1)], pa.int64(), "2.5"),
        (np.array([1.0, np.nan]), pa.int64(), "nan"),
        (np.array([1.0, np.inf]), pa.int32(), "inf"),
        (np.array([1e300, 1.0]), pa.float32(), "1e+300"),
        ([1e300, 1.0], pa.float32(), "1e+300"),
        (np.array([True, np.nan], object), pa.bool_(), "nan"),
        (np.array([True, np.nan]), pa.bool_(), "nan"),
        (np.array([1, 2]), pa.bool_(), "2"),
        (np.array([1.0, 0.5]), pa.bool_(), "0.5"),
        ([Decimal(1), Decimal(0)], pa.bool_(), "1"),
        (np.array([1, 2]), pa.string(), "1"),
        (["a", 1.5], pa.string(), "1.5"),
        (pd.Series([np.nan, 1.5]), pa.string(), "1.5"),
        ([b"a", b"b"], pa.string(), "b'a'"),
        (["a", "b"], pa.binary(), "'a'"),
        ([1, "a"], pa.float64(), "'a'"),
        (["abc", "d"], pa.float64(), "'abc'"),
        (np.array(["1", "2"]), pa.int64(), "'1'"),
        (np.array([1j, 2]), pa.float64(), "1j"),
        (np.ones((2, 1, 1)), pa.float64(), "[[1.]]"),
        ([1.0, 2.0], pa.list_(pa.float64()), "1.0"),
        (np.ones((2, 2, 2)), pa.list_(pa.float64()), "[1., 1.]"),
        (["ab", "cd"], pa.list_(pa.string()), "'ab'"),
        ([{"a": 1}, {"b": 1}], pa.list_(pa.string()), "{'a': 1}"),
        ([[("a", 1)], None], pa.map_(pa.string(), pa.int64()), "('a', 1)"),
        ([{"a": 2.5}, None], pa.map_(pa.string(), pa.int64()), "2.5"),
        ([[2**40], []], pa.list_(pa.int32()), "1099511627776"),
        (wall_clock("2024-01-01", "2024-01-01"), pa.float64(), "2024"),
        ([5, 6], INSTANT, "5"),
        (["2024-01-01", None], INSTANT, "'2024-01-01'"),
    ],
    ids=str,
)
def test_values_that_do_not_fit(predictions, kind, shown):
    """A value that does not fit the result type is an error that shows the value and the SQL type."""
    expected, got = refused(predictions, kind)

    assert expected == f"values of type {sql_name(kind)}"
    assert shown in got


@pytest.mark.parametrize(
    ("name", "predictions"),
    [
        ("predict_result_invalid", {"low": [0.5, 1e300], "label": ["a", "b"]}),
        ("predict_result_invalid_rows", {"low": [0.5, 1.5, 2.5], "label": ["a", "b", "c"]}),
        ("predict_result_invalid_columns", np.zeros((2, 3))),
    ],
)
def test_texts(golden, name, predictions):
    """The error says which output is wrong, and has the value, or both numbers."""
    kind = pa.struct([("low", pa.float32()), ("label", pa.string())])
    with pytest.raises(ResultInvalidError) as caught:
        to_arrow(predictions, kind, 2, BERLIN, LABEL)

    golden(f"errors/{name}.txt", str(caught.value))


def test_long_value_that_does_not_fit():
    """A long value is cut where it is shown."""
    _, got = refused(["x" * 10_000, "y"], pa.float64())

    assert len(got) < 300


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.bool_(), "BOOLEAN"),
        (pa.int8(), "TINYINT"),
        (pa.int16(), "SMALLINT"),
        (pa.int32(), "INT"),
        (pa.int64(), "BIGINT"),
        (pa.float32(), "FLOAT"),
        (pa.float64(), "DOUBLE"),
        (pa.string(), "STRING"),
        (pa.binary(), "BINARY"),
        (INSTANT, "TIMESTAMP"),
        (pa.list_(PAIR), "ARRAY<STRUCT<low: DOUBLE, label: STRING>>"),
        (pa.map_(pa.string(), pa.int64()), "MAP<STRING, BIGINT>"),
    ],
    ids=str,
)
def test_names_of_result_types(kind, expected):
    """Messages have result types as SQL has them."""
    assert expected == sql_name(kind)


@pytest.mark.parametrize("predictions", [[1.5, 2.0], np.array([1.5, 2.0], object)], ids=["list", "objects"])
def test_fractions_that_are_no_integers(predictions):
    """A fraction in a list is no integer, as it is none in an array."""
    refused(predictions, pa.int64())


@pytest.mark.parametrize(
    ("predictions", "kind", "expected"),
    [
        (pd.Series([1, None], dtype="Int64"), pa.int64(), [1, None]),
        (pd.Series([True, None], dtype="boolean"), pa.bool_(), [True, None]),
        (pd.Series(["a", None], dtype="string"), pa.string(), ["a", None]),
        (pd.Series([1.5, None], dtype="Float64"), pa.float64(), [1.5, None]),
        (pd.Series(["a", None], dtype="category"), pa.string(), ["a", None]),
        ([1, pd.NA], pa.int64(), [1, None]),
        ([1.5, pd.NA], pa.float64(), [1.5, None]),
    ],
    ids=str,
)
def test_nullable_values(predictions, kind, expected):
    """A missing value of pandas' nullable types is NULL."""
    assert expected == converted(predictions, kind)


@pytest.mark.parametrize(
    ("predictions", "expected", "got"),
    [
        (np.zeros(3), "2 predictions, one for each row", "3 predictions"),
        (np.zeros(0), "2 predictions, one for each row", "0 predictions"),
        (np.zeros((1, 2)), "2 predictions, one for each row", "1 prediction"),
        (pd.DataFrame({"y": [1.0]}), "2 predictions, one for each row", "1 prediction"),
        ({"y": [1.0, 2.0, 3.0]}, "2 predictions, one for each row", "3 predictions"),
        (np.zeros((2, 3)), "1 column (DOUBLE)", "3 columns (0, 1, 2)"),
        (pd.DataFrame({"p": [1, 2], "q": [1, 2]}), "1 column (DOUBLE)", "2 columns (p, q)"),
        (pd.DataFrame(index=[0, 1]), "1 column (DOUBLE)", "0 columns"),
        ({"p": np.zeros(3), "q": np.zeros(3)}, "1 column (DOUBLE)", "2 columns (p, q)"),
    ],
    ids=str,
)
def test_wrong_shape_of_one_output(predictions, expected, got):
    """A wrong number of rows or columns is an error that has the given and the wanted number."""
    assert (expected, got) == refused(predictions, pa.float64())


@pytest.mark.parametrize("predictions", [None, 1.5, np.array(1.5), "ab", b"ab", {1.5, 2.5}], ids=repr)
def test_no_column_at_all(predictions):
    """Something that is no column, a text of as many letters as there are rows among them, is an error."""
    for kind in (pa.float64(), pa.string(), PAIR):
        assert refused(predictions, kind) == ("a column of 2 predictions", repr(predictions))


# --- several outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "predictions",
    [
        pd.DataFrame({"low": [1.5, 2.5], "label": ["a", None]}),
        pd.DataFrame({"label": ["a", None], "low": [1.5, 2.5]}),
        pd.DataFrame({"label": ["a", None], "more": [0, 0], "low": [1.5, 2.5]}),
        pd.DataFrame({0: [1.5, 2.5], 1: ["a", None]}),
        {"low": [1.5, 2.5], "label": ["a", None]},
        {"label": np.array(["a", None], object), "low": np.array([[1.5], [2.5]])},
        {"first": [1.5, 2.5], "second": ["a", None]},
        np.array([[1.5, "a"], [2.5, None]], object),
        np.array([("a", 1.5), (None, 2.5)], [("label", object), ("low", float)]),
        [{"low": 1.5, "label": "a"}, {"label": None, "low": 2.5}],
        [(1.5, "a"), [2.5, None]],
        pd.Series([{"low": 1.5, "label": "a"}, {"label": None, "low": 2.5}]),
        pd.DataFrame({"output": [{"low": 1.5, "label": "a"}, {"label": None, "low": 2.5}]}),
    ],
    ids=lambda value: f"{type(value).__name__} {list(value)}",
)
def test_several_outputs(predictions):
    """Several outputs become a struct: by name where the model names them so, else by position."""
    expected = [{"low": 1.5, "label": "a"}, {"low": 2.5, "label": None}]

    assert expected == converted(predictions, PAIR)


def test_several_numeric_outputs():
    """A matrix of floats becomes a struct of the fields' own types."""
    kind = pa.struct([("mean", pa.float64()), ("count", pa.int32())])
    expected = [{"mean": 1.5, "count": 2}, {"mean": 2.5, "count": 3}]

    assert expected == converted(np.array([[1.5, 2.0], [2.5, 3.0]]), kind)


@pytest.mark.parametrize(
    ("predictions", "shape", "fits"),
    [
        (np.ones((2, 3)), (3,), True),
        (np.ones((2, 3)), (-1,), True),
        ([[1.0] * 3, None], (3,), True),
        (np.ones((2, 2)), (3,), False),
        ([[1.0] * 3, [1.0]], (3,), False),
        (np.ones((2, 3, 2)), (3, 2), True),
        (np.ones((2, 3, 2)), (-1, 2), True),
        (np.ones((2, 2, 3)), (3, 2), False),
        (np.ones((2, 3, 3)), (3, 2), False),
    ],
    ids=str,
)
def test_sizes_of_tensors(predictions, shape, fits):
    """An array of another size than the tensor of the signature has is an error that has both."""
    kind = pa.list_(pa.float64()) if len(shape) == 1 else pa.list_(pa.list_(pa.float64()))
    for given, result in ((predictions, kind), ({"a": predictions}, pa.struct([("a", kind)]))):
        if fits:
            assert len(to_arrow(given, result, 2, BERLIN, LABEL, [shape])) == 2
        else:
            with pytest.raises(ResultInvalidError, match=rf"with {shape[-1]} values|with {shape[0]} values"):
                to_arrow(given, result, 2, BERLIN, LABEL, [shape])


def test_nothing_for_a_row_of_several_outputs():
    """A row of outputs that is missing as a whole is NULL."""
    assert converted([{"low": 1.5, "label": "a"}, None], PAIR) == [{"low": 1.5, "label": "a"}, None]


@pytest.mark.parametrize(
    ("predictions", "got"),
    [
        (np.zeros((2, 3)), "3 columns (0, 1, 2)"),
        (np.zeros(2), "1 column (0)"),
        ({"low": [1.0, 2.0], "q": [0, 0], "r": [0, 0]}, "3 columns (low, q, r)"),
        (pd.DataFrame({"label": ["a", "b"], "high": [1, 2]}), "2 columns (label, high)"),
    ],
    ids=str,
)
def test_wrong_columns_of_several_outputs(predictions, got):
    """A wrong number of columns, or one of a wrong name beside one of a right name, is an error that has both."""
    assert refused(predictions, PAIR) == ("2 columns (low DOUBLE, label STRING)", got)


@pytest.mark.parametrize(
    ("predictions", "expected", "got"),
    [
        (
            {"low": [1.0, 2.0, 3.0], "label": ["a", "b", "c"]},
            "2 predictions of `low`, one for each row",
            "3 predictions",
        ),
        ({"low": [1.0, 2.0], "label": ["a"]}, "2 predictions of `label`, one for each row", "1 prediction"),
        ({"low": ["a", "b"], "label": ["a", "b"]}, "values of `low` of type DOUBLE", "'a' is of type string"),
    ],
    ids=str,
)
def test_one_wrong_column_of_several_outputs(predictions, expected, got):
    """An output of a wrong length, or with a wrong value, is named in the error."""
    assert (expected, got) == refused(predictions, PAIR)


@pytest.mark.parametrize(
    ("predictions", "shown"),
    [
        ([{"low": 1.5}, {"low": 2.5}], "{'low': 1.5} has no `label`"),
        ([(1.5, "a"), (2.5,)], "(2.5,) has 1 values, not 2"),
        ([1.5, 2.5], "1.5 is of type float"),
        ([np.array([1.5, 2.5]), np.array([3.5, 4.5])], "array([1.5, 2.5]) is of type ndarray"),
        (pd.DataFrame({"p": [1, 2]}), "1 is of type int"),
        ((np.array([1.5, 2.5]), np.array(["a", "b"])), "(array([1.5, 2.5]), array(['a', 'b']"),
    ],
    ids=str,
)
def test_rows_of_several_outputs_that_do_not_fit(predictions, shown):
    """Rows without an output, and arrays that could as well be the columns, are errors that show them."""
    _, got = refused(predictions, PAIR)

    assert shown in got


# --- timestamps --------------------------------------------------------------------------------------------

WALL_CLOCKS = [
    ("Europe/Berlin", "2024-07-01T10:00:00.000001", "2024-07-01T12:00:00.000001"),
    ("Europe/Berlin", "2024-01-01T23:30", "2024-01-02T00:30"),
    ("America/New_York", "2024-07-01T10:00", "2024-07-01T06:00"),
    ("Asia/Kolkata", "1969-12-31T23:59:59.999999", "1970-01-01T05:29:59.999999"),
    ("UTC", "2024-07-01T10:00", "2024-07-01T10:00"),
    ("+05:30", "2024-07-01T10:00", "2024-07-01T15:30"),
]


@pytest.mark.parametrize(("zone", "instant", "clock"), WALL_CLOCKS)
def test_timestamps(zone, instant, clock):
    """A model sees and gives timestamps as the wall-clock time of the session's time zone."""
    given = to_numpy(instants(instant), zone)
    taken = to_arrow(wall_clock(clock), INSTANT, 1, zone, LABEL)

    np.testing.assert_array_equal(wall_clock(clock).astype("datetime64[ns]"), given, strict=True)
    assert instants(instant) == taken


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "-08:00"])
@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "1582-10-10T12:00"])
def test_first_and_last_timestamps(zone, instant):
    """Timestamps of the years 1 and 9999 are exact on a zone's clocks, and come back the same."""
    column = instants(instant, "2024-01-01")
    clocks = shown_by_clocks(column, zone).to_numpy()
    hours = abs(clocks - wall_clock(instant, "2024-01-01")) / np.timedelta64(1, "h")

    assert column == to_arrow(clocks, INSTANT, 2, zone, LABEL)
    assert hours.max() < 15


def test_first_timestamp_in_berlin():
    """Before there were time zones, a wall clock showed its town's own time."""
    lists = pa.ListArray.from_arrays([0, 1], instants("0001-01-01"))
    expected = [datetime(1, 1, 1, 0, 53, 28)]

    assert expected == to_numpy(lists, BERLIN)[0]


@pytest.mark.parametrize(
    "predictions",
    [
        [datetime(2024, 7, 1, 12), None],
        pd.Series([pd.Timestamp(2024, 7, 1, 12), pd.NaT]),
        np.array(["2024-07-01T12", "NaT"], "datetime64[s]"),
        np.array(["2024-07-01T12", "NaT"], "datetime64[ns]"),
        np.array(["2024-07-01T12", "NaT"], "datetime64[h]"),
        [np.datetime64("2024-07-01T12", "h"), np.datetime64("NaT")],
        [pd.Timestamp(2024, 7, 1, 12), pd.NaT],
        pd.Series([datetime(2024, 7, 1, 12), None], dtype=object),
    ],
    ids=["list", "Series", "seconds", "nanoseconds", "hours", "scalars", "pandas", "objects"],
)
def test_timestamps_in_other_forms(predictions):
    """A model may give timestamps as Python's, pandas' or NumPy's."""
    expected = [datetime(2024, 7, 1, 10, tzinfo=timezone.utc), None]

    assert expected == converted(predictions, INSTANT)


@pytest.mark.parametrize(
    "predictions",
    [
        [date(2024, 7, 1), date(9999, 12, 31), None],
        np.array(["2024-07-01", "9999-12-31", "NaT"], "datetime64[D]"),
        [np.datetime64("2024-07-01"), np.datetime64("9999-12-31"), None],
    ],
    ids=["list", "array", "scalars"],
)
def test_dates_as_timestamps(predictions):
    """A date is the first instant of its day in the session's time zone."""
    expected = [
        datetime(2024, 6, 30, 22, tzinfo=timezone.utc),
        datetime(9999, 12, 30, 23, tzinfo=timezone.utc),
        None,
    ]

    assert expected == converted(predictions, INSTANT, rows=3)


@pytest.mark.parametrize("order", [1, -1], ids=["forward", "backward"])
def test_timestamps_of_several_sorts(order):
    """A date, a time and a time with a zone, side by side in one list, keep their own meanings."""
    predictions = [
        date(2024, 7, 1),
        datetime(2024, 7, 1, 12),
        datetime(2024, 7, 1, 12, tzinfo=timezone.utc),
        np.datetime64("2024-07-01T12"),
        pd.Timestamp(2024, 7, 1, 12, tz="America/New_York"),
        pd.NaT,
    ]
    expected = [
        datetime(2024, 6, 30, 22, tzinfo=timezone.utc),
        datetime(2024, 7, 1, 10, tzinfo=timezone.utc),
        datetime(2024, 7, 1, 12, tzinfo=timezone.utc),
        datetime(2024, 7, 1, 10, tzinfo=timezone.utc),
        datetime(2024, 7, 1, 16, tzinfo=timezone.utc),
        None,
    ]

    assert expected[::order] == converted(predictions[::order], INSTANT, rows=6)


def test_timestamps_without_a_zone():
    """A TIMESTAMP_NTZ is the same to a model and to SQL."""
    column = pa.array([datetime(1678, 1, 1), datetime(2261, 12, 31, 23, 59, 59, 999999), None], pa.timestamp("us"))
    expected = wall_clock("1678-01-01", "2261-12-31T23:59:59.999999", "NaT")

    np.testing.assert_array_equal(expected, to_numpy(column, BERLIN))


def test_timestamp_in_a_struct_of_outputs():
    """One of several outputs is a wall-clock time too."""
    kind = pa.struct([("when", INSTANT), ("value", pa.float64())])
    expected = [{"when": datetime(2024, 7, 1, 10, tzinfo=timezone.utc), "value": 1.0}]
    predictions = pd.DataFrame({"when": [pd.Timestamp(2024, 7, 1, 12)], "value": [1.0]})

    assert expected == converted(predictions, kind, rows=1)


def test_part_of_a_microsecond():
    """The part of a microsecond, which SQL does not have, is cut off, of whatever type a time is."""
    finer = np.array(["1969-12-31T12:00:00.000000999", "NaT"], "datetime64[ns]")
    expected = instants("1969-12-31T11:00", "NaT").to_pylist()

    assert expected == converted(finer, INSTANT)
    assert expected == converted(pd.Series(finer), INSTANT)
    assert expected == converted(pd.Series(finer).dt.tz_localize("Europe/Berlin"), INSTANT)
    assert expected == converted(list(pd.Series(finer)), INSTANT)
    assert expected == converted(list(finer), INSTANT)


@pytest.mark.parametrize(
    "predictions",
    [
        pd.Series([pd.Timestamp(2024, 7, 1, 12, tz="America/New_York")]),
        [datetime(2024, 7, 1, 16, tzinfo=timezone.utc)],
    ],
    ids=["Series", "list"],
)
def test_timestamps_with_a_zone(predictions):
    """A timestamp with a zone of its own is the instant that it says."""
    expected = [datetime(2024, 7, 1, 16, tzinfo=timezone.utc)]

    assert expected == converted(predictions, INSTANT, rows=1)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("2024-10-27T02:30", "2024-10-27T00:30"),
        ("2024-03-31T02:30", "2024-03-31T01:30"),
        ("2050-10-30T02:30", "2050-10-30T00:30"),
        ("2050-03-27T02:30", "2050-03-27T01:30"),
    ],
)
def test_hour_of_the_clock_change(clock, expected):
    """A wall-clock time that is there twice is the earlier one; one that is never there is an hour later."""
    assert to_arrow(wall_clock(clock), INSTANT, 1, BERLIN, LABEL) == instants(expected)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_clocks_of_all_centuries(zone):
    """Summer time goes on after 2037, where Arrow's own knowledge of it ends."""
    times = [datetime(year, month, 1, 12) for year in (1, 1950, 2024, 2038, 2050, 9998) for month in (1, 7)]
    expected = [time.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc) for time in times]
    found = to_arrow(times, INSTANT, len(times), zone, LABEL)

    assert expected == found.to_pylist()
    assert times == shown_by_clocks(found, zone).to_pylist()


@pytest.mark.parametrize("zone", ["Z", "GMT+1", "UTC+01:00", "-8:00"])
def test_other_names_of_time_zones(zone):
    """Each time zone that a Spark session can have will do."""
    column = instants("2024-07-01T10:00")

    assert column == to_arrow(to_numpy(column, zone), INSTANT, 1, zone, LABEL)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([[datetime(2024, 7, 1, 10)]], pa.list_(INSTANT)), [datetime(2024, 7, 1, 12)]),
        (pa.array([{"a": datetime(2024, 7, 1, 10)}], pa.struct([("a", INSTANT)])), {"a": datetime(2024, 7, 1, 12)}),
    ],
    ids=["list", "struct"],
)
def test_timestamps_in_nested_inputs(column, expected):
    """Timestamps in lists and structs are wall-clock times too."""
    assert expected == to_numpy(column, BERLIN)[0]


def test_timestamps_in_lists_of_outputs():
    """Timestamps in a list that a model gives are wall-clock times too."""
    expected = [[datetime(2024, 7, 1, 10, tzinfo=timezone.utc)]]

    assert expected == converted([[datetime(2024, 7, 1, 12)]], pa.list_(INSTANT), rows=1)


# --- what may be absent ------------------------------------------------------------------------------------

NOTE = pa.field("note", pa.string()).with_metadata(OPTIONAL)


@pytest.mark.parametrize(
    "predictions",
    [
        [{"p": 1.5}, {"p": 2.5, "note": "n"}],
        pd.Series([{"p": 1.5}, {"p": 2.5, "note": "n"}]),
        pd.DataFrame([{"p": 1.5}, {"p": 2.5, "note": "n"}]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_absent_optional_output(predictions):
    """An optional output that a prediction does not have is NULL."""
    kind = pa.struct([("p", pa.float64()), NOTE])

    assert converted(predictions, kind) == [{"p": 1.5, "note": None}, {"p": 2.5, "note": "n"}]


@pytest.mark.parametrize("predictions", [[{"p": 1.5}] * 2, pd.DataFrame({"p": [1.5] * 2}), {"p": [1.5] * 2}], ids=str)
def test_optional_output_that_no_prediction_has(predictions):
    """An optional output that no prediction of the batch has is NULL in all of its rows."""
    kind = pa.struct([("p", pa.float64()), NOTE])

    assert converted(predictions, kind) == [{"p": 1.5, "note": None}] * 2


def test_absent_optional_field():
    """An optional field in a list of structs that is not there is NULL."""
    kind = pa.list_(pa.struct([("p", pa.float64()), NOTE]))

    assert converted([[{"p": 1.5}], []], kind) == [[{"p": 1.5, "note": None}], []]


@pytest.mark.parametrize(
    "predictions",
    [[{"note": "n"}] * 2, pd.DataFrame({"note": ["n"] * 2}), pd.DataFrame({"other": [1.5] * 2, "note": ["n"] * 2})],
    ids=str,
)
def test_absent_required_output(predictions):
    """An output that is not optional has to be there."""
    refused(predictions, pa.struct([("p", pa.float64()), NOTE]))


# --- the order of the rows ---------------------------------------------------------------------------------

TURNED = [2, 0, 1]
"""The rows that predictions of 0.5 for row 0, 1.5 for row 1 and 2.5 for row 2 come for."""


@pytest.mark.parametrize(
    "predictions",
    [
        pd.Series([2.5, 0.5, 1.5], index=TURNED),
        pd.Series([2.5, 0.5, 1.5], index=pd.Index(TURNED, dtype=object)),
        pd.Series([2.5, 0.5, 1.5], index=pd.Index(TURNED, dtype="int32")),
        pd.Series([2.5, 0.5, 1.5], index=pd.Index(TURNED, dtype=float)),
        pd.DataFrame({"p": [2.5, 0.5, 1.5]}, index=TURNED),
        {"p": pd.Series([2.5, 0.5, 1.5], index=TURNED)},
        pd.Series([2.5, 1.5, 0.5], index=range(2, -1, -1)),
        pd.Series([0.5, 1.5, 2.5]),
        pd.Series([2.5, 0.5, 1.5], index=TURNED).sort_index(),
        pd.Series([0.5, 1.5, 2.5]).sort_values(ascending=False),
        np.array([0.5, 1.5, 2.5]),
    ],
    ids=lambda given: f"{type(given).__name__} {getattr(given, 'index', None)}",
)
def test_predictions_go_to_the_rows_of_their_index(predictions):
    """A prediction belongs to the row that pandas says it is for, in whatever order predictions come."""
    assert converted(predictions, pa.float64(), rows=3) == [0.5, 1.5, 2.5]


def test_several_outputs_go_to_the_rows_of_their_index():
    """Each output of a frame, and of a dict of series, goes to the row that it is for."""
    kind = pa.struct([("label", pa.string()), ("low", pa.float64())])
    frame = pd.DataFrame({"low": [2.5, 0.5, 1.5], "label": ["c", "a", "b"]}, index=TURNED)
    expected = [{"label": "a", "low": 0.5}, {"label": "b", "low": 1.5}, {"label": "c", "low": 2.5}]

    assert expected == converted(frame, kind, rows=3)
    assert expected == converted({"low": frame["low"], "label": ["a", "b", "c"]}, kind, rows=3)
    assert expected == converted(frame.apply(dict, axis=1), kind, rows=3)


def test_matrix_in_a_frame_goes_to_the_rows_of_its_index():
    """An array for each row, in a frame of numbered columns, is the array of the row that it is for."""
    frame = pd.DataFrame([[2.0, 2.5], [0.0, 0.5], [1.0, 1.5]], index=TURNED)
    expected = [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]

    assert expected == converted(frame, pa.list_(pa.float64()), rows=3)


def test_probabilities_go_to_the_rows_of_their_index():
    """Probabilities in a frame belong to the rows that they are for."""
    kind = pa.map_(pa.string(), pa.float64())
    frame = pd.DataFrame([[0.25, 0.75], [0.5, 0.5]], index=[1, 0])
    found = to_probabilities(frame, pa.array(["no", "yes"]), kind, 2, LABEL)

    assert found.to_pylist() == [[("no", 0.5), ("yes", 0.5)], [("no", 0.25), ("yes", 0.75)]]


@pytest.mark.parametrize(
    "index",
    [
        [0, 1, 3],
        [0, 0, 0],
        [1, 2, 3],
        [7, 3, 5],
        ["a", "b", "c"],
        [0.0, 1.5, 2.0],
        pd.date_range("2024-07-01", periods=3),
        pd.MultiIndex.from_tuples([("a", 2), ("a", 0), ("b", 1)]),
    ],
    ids=str,
)
def test_index_of_other_rows(index):
    """An index that does not name each row once is an error, for nobody can say which prediction is whose."""
    expected, got = refused(pd.Series([0.5, 1.5, 2.5], index=index), pa.float64(), rows=3)

    assert expected == "predictions with the index of the rows that they are for, or without one (to_numpy())"
    assert got.endswith("for rows 0 to 2")
