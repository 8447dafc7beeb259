"""Batches on their way to a model, and what becomes of rows with missing values."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lakepredict._worker.batch import Absent, Feature
from lakepredict._worker.form import Form
from lakepredict._worker.inputs import complete, to_numpy, to_tensor
from lakepredict._worker.scorer import Scorer
from lakepredict.errors import (
    InputInvalidError,
    InputNullError,
    ModelFailedError,
    ModelUnloadableError,
    PredictionsMissingError,
    ResultInvalidError,
)

BERLIN = "Europe/Berlin"
INSTANT = pa.timestamp("us", "UTC")
LABEL = "the model 'sales' version 3"
PAIR = pa.struct([("low", pa.float64()), ("label", pa.string())])


@dataclass
class StandIn:
    """A model that keeps what it is given and answers with a function of it."""

    answer: Callable[[Any], Any]
    label: str = LABEL
    seen: list[Any] = field(default_factory=list)
    notes: dict[Any, Any] = field(default_factory=dict)
    fitted: frozenset[str] = frozenset()
    matrix: bool = False

    def load(self, names: Any = None) -> StandIn:
        """Itself, loaded."""
        return self

    def form(self, names: Any, arrow_types: Any) -> Form:
        """A matrix, if it was made to take one."""
        return Form("matrix" if self.matrix else "table")

    def lacks(self, absent: Any) -> set[str]:
        """The absent columns that it was fitted on."""
        return set(absent & self.fitted)

    def predict(self, data: Any, params: Any = None) -> Any:
        """The answer."""
        self.seen.append(data)
        return self.answer(data)

    probabilities = predict


@dataclass
class Shipped:
    """Stands in for a broadcast."""

    value: Any


def scorer(
    model: Any,
    names: tuple[str | None, ...] = ("x",),
    result: pa.DataType | None = None,
    tensor: str | None = None,
    shape: tuple[int, ...] = (),
    **options: Any,
) -> Scorer:
    """A scorer that gives doubles, in a session in Berlin, unless the test wants other ones."""
    features = tuple(Feature(name, tensor, shape) for name in names)
    return Scorer(Shipped(model), features, result or pa.float64(), BERLIN, **options)


def identity() -> StandIn:
    """A model that predicts its only input."""
    return StandIn(lambda data: data.iloc[:, 0])


def instants(*texts: str) -> pa.Array:
    """Instants in UTC, as Spark sends them."""
    return pa.array(np.array(texts, "datetime64[us]")).cast(INSTANT)


def wall_clock(*texts: str) -> np.ndarray:
    """Times without a zone."""
    return np.array(texts, "datetime64[us]")


def zeros() -> StandIn:
    """A model that predicts 0."""
    return StandIn(lambda data: np.zeros(len(data)))


@pytest.mark.parametrize("options", [{}, {"on_null": "error"}, {"lenient": True}], ids=str)
def test_only_some_rows(options: dict[str, Any]) -> None:
    """Only the rows where ``when`` is true reach the model and are checked; false and NULL give NULL."""
    model = identity()
    score = scorer(model, **options)
    found = score(pa.array([1.0, None, 3.0, None]), when=pa.array([True, False, True, None]))

    assert found.to_pylist() == [1.0, None, 3.0, None]
    assert [frame["x"].tolist() for frame in model.seen] == [[1.0, 3.0]]


def test_no_row() -> None:
    """Where ``when`` is true for no row, the model is not even loaded."""
    found = scorer(None, result=PAIR)(pa.array([1.0, 2.0]), when=pa.array([False, None]))

    assert found.to_pylist() == [None, None]
    assert found.type == PAIR


def test_all_rows() -> None:
    """Where ``when`` is true for each row, nothing is different, also without any row."""
    model = identity()
    assert scorer(model)(pa.array([1.0, 2.0]), when=pa.array([True, True])).to_pylist() == [1.0, 2.0]
    assert scorer(model)(pa.array([], pa.float64()), when=pa.array([], pa.bool_())).to_pylist() == []


def test_frame() -> None:
    """A model of columns gets a data frame with its inputs' names, order and types."""
    model = zeros()
    scorer(model, ("b", "a", "c", "d"))(
        pa.array([1, 2], pa.int32()), pa.array([0.5, 1.5], pa.float32()), pa.array([True, False]), pa.array(["x", "y"])
    )
    expected = pd.DataFrame(
        {
            "b": np.array([1, 2], "int32"),
            "a": np.array([0.5, 1.5], "float32"),
            "c": [True, False],
            "d": ["x", "y"],
        }
    )

    pd.testing.assert_frame_equal(expected, model.seen[0])


def test_frame_without_names() -> None:
    """A model of columns without names gets them numbered from 0."""
    model = zeros()
    scorer(model, (None, None))(pa.array([1]), pa.array(["x"]))
    expected = [0, 1]

    assert expected == list(model.seen[0].columns)


@pytest.mark.parametrize(
    ("dtype", "shape", "columns", "expected"),
    [
        ("float64", (), [pa.array([1.0, 2.0]), pa.array([3.0, None])], [[1.0, 3.0], [2.0, np.nan]]),
        ("float32", (1,), [pa.array([1.0, 2.0], pa.float32())], [[1.0], [2.0]]),
        ("float32", (), [pa.array([1.0, 2.0], pa.float32())], [1.0, 2.0]),
        ("int64", (), [pa.array([2**53 + 1, 2]), pa.array([3, 4])], [[2**53 + 1, 3], [2, 4]]),
        ("uint8", (1,), [pa.array([0, 255], pa.int16())], [[0], [255]]),
        ("bool", (1,), [pa.array([True, False])], [[True], [False]]),
        ("str", (), [pa.array(["a", "b"]), pa.array(["c", "d"])], [["a", "c"], ["b", "d"]]),
        ("object", (1,), [pa.array(["a", None])], [["a"], [None]]),
        ("float32", (2,), [pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32()))], [[1.0, 2.0], [3.0, 4.0]]),
        ("int64", (1, 2), [pa.array([[[1, 2]], [[3, 4]]])], [[[1, 2]], [[3, 4]]]),
    ],
)
def test_matrix(dtype: str, shape: tuple[int, ...], columns: list[pa.Array], expected: Any) -> None:
    """A model of a tensor gets one array of the tensor's type, with a row for each row."""
    model = zeros()
    scorer(model, (None,) * len(columns), tensor=dtype, shape=shape)(*columns)
    expected = np.array(expected, dtype)

    np.testing.assert_array_equal(expected, model.seen[0], strict=True)


@pytest.mark.parametrize("value", [300, -1])
def test_matrix_and_values_that_do_not_fit(value: Any) -> None:
    """A value that does not fit the tensor's type is an error, not another value."""
    with pytest.raises(Exception, match=str(value)):
        scorer(zeros(), (None,), tensor="uint8")(pa.array([value], pa.int16()))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 2], pa.int8()), np.array([1, 2], "int8")),
        (pa.array([2**53 + 1]), np.array([2**53 + 1])),
        (pa.array([1.5, None, float("nan")]), np.array([1.5, np.nan, np.nan])),
        (pa.array([1.5, None], pa.float32()), np.array([1.5, np.nan], "float32")),
        (pa.array([True, False]), np.array([True, False])),
        (pa.array(["a", None]), np.array(["a", None], object)),
        (pa.array([b"a", None]), np.array([b"a", None], object)),
        (pa.array([Decimal("1.10"), None]), np.array([Decimal("1.10"), None], object)),
        (
            pa.array([datetime(2024, 7, 1, 12), None], pa.timestamp("us")),
            np.array(["2024-07-01T12:00", "NaT"], "datetime64[ns]"),
        ),
        (instants("2024-07-01T12:00", "NaT"), np.array(["2024-07-01T14:00", "NaT"], "datetime64[ns]")),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_scalar_inputs(column: pa.Array, expected: Any) -> None:
    """A column of scalars becomes a NumPy array, whose type depends on the column's type alone."""
    found = to_numpy(column, BERLIN)

    np.testing.assert_array_equal(expected, found, strict=True)
    assert expected.dtype == to_numpy(column.slice(0, 1), BERLIN).dtype


HOURS = ["2024-07-01T10:00", "2024-07-01T11:00"]


@pytest.mark.parametrize(
    "number",
    [
        lambda times: times.astype("int64"),
        lambda times: times.to_numpy().view("int64"),
        lambda times: pd.to_numeric(times),
        lambda times: (times - pd.Timestamp(2024, 1, 1)).astype("int64"),
        lambda times: times.diff().fillna(pd.Timedelta(0)).to_numpy().astype("int64"),
    ],
    ids=["astype", "view", "to_numeric", "difference", "steps"],
)
def test_times_as_numbers(number: Callable[[Any], Any]) -> None:
    """A model that counts with times as integers gets the numbers that pandas gave it at training."""
    trained_on = pd.Series(pd.to_datetime(["2024-07-01T12:00", "2024-07-01T13:00"]))
    found = scorer(StandIn(lambda data: number(data["x"])), result=pa.int64())(instants(*HOURS))

    assert list(number(trained_on)) == found.to_pylist()


BEYOND = {
    "1677-09-21T00:12:43.145224": "1677-09-21 00:12:43.145224",
    "2262-04-11T23:47:16.854776": "2262-04-11 23:47:16.854776",
    "0001-01-01": "0001-01-01 00:00:00",
    "9999-12-31T23:59:59.999999": "9999-12-31 23:59:59.999999",
}


@pytest.mark.parametrize("time", BEYOND)
def test_times_that_pandas_cannot_hold(time: str) -> None:
    """A time outside of the range of nanoseconds is an error that shows it, and NULL where errors are."""
    column = pa.array(np.array(["2024-07-01", time, "NaT"], "datetime64[us]"))
    model = StandIn(lambda data: data["x"].astype("int64"))
    with pytest.raises(InputInvalidError, match=f"{re.escape(BEYOND[time])} is outside of the years 1677 to 2262"):
        scorer(model, result=pa.int64())(column)
    found = scorer(StandIn(lambda data: data["x"].dt.year), lenient=True, result=pa.float64())(column)

    assert [None if year != year else year for year in found.to_pylist()] == [2024.0, None, None]


def test_times_in_lists_that_python_cannot_hold() -> None:
    """A time whose wall clock shows the year 10000 is an error that names the input."""
    lists = pa.ListArray.from_arrays([0, 1], instants("9999-12-31T23:59:59"))
    with pytest.raises(InputInvalidError, match="the input `x` does not fit"):
        scorer(zeros())(lists)


@pytest.mark.parametrize("time", ["1677-09-21T00:12:43.145225", "2262-04-11T23:47:16.854775"])
def test_first_and_last_times_that_pandas_holds(time: str) -> None:
    """The first and the last microsecond of pandas' range reach the model as they are."""
    model = zeros()
    scorer(model)(pa.array(np.array([time], "datetime64[us]")))

    assert [pd.Timestamp(time)] == model.seen[0]["x"].tolist()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.5, 2.5]),
        pa.array([1.5, None]),
        pa.array([1.5, 2.5], pa.float32()),
        pa.array([1, 2]),
        pa.array([1, 2], pa.int32()),
        pa.array([True, False]),
        pa.array(["a", "b"]),
        pa.array(["a", None]),
        pa.array([b"a", b"b"]),
        pa.array([[1.0], [2.0]]),
        instants(*HOURS),
    ],
    ids=lambda column: f"{column.type} {column.null_count}",
)
@pytest.mark.parametrize("on_null", ["null", "pass"])
def test_frame_is_the_models_own(column: pa.Array, on_null: Any) -> None:
    """A model may change what it gets, with NULLs in the batch and without, and changes nothing but that."""

    def swapped(data: pd.DataFrame) -> Any:
        first = data["x"].iloc[0]
        data.loc[data.index == 0, "x"] = data["x"].iloc[1]
        values = data["x"].to_numpy()
        values[1] = first
        return np.zeros(len(data))

    before = column.to_pylist()
    found = scorer(StandIn(swapped), on_null=on_null)(column)

    assert found.to_pylist() == [0.0, 0.0]
    assert before == column.to_pylist()


@pytest.mark.parametrize(
    ("column", "tensor", "shape"),
    [
        (pa.array([1.5, 2.5]), "float64", ()),
        (pa.array([1, 2]), "int64", ()),
        (pa.array([[1.5, 2.5], [3.5, 4.5]]), "float64", (2,)),
    ],
)
def test_tensor_is_the_models_own(column: pa.Array, tensor: str, shape: tuple[int, ...]) -> None:
    """A model may change the tensor that it gets."""
    before = column.to_pylist()
    model = StandIn(lambda data: np.clip(data, 2, 2, out=data).reshape(2, -1)[:, 0].astype("float64"))
    found = scorer(model, (None,), tensor=tensor, shape=shape)(column)

    assert found.to_pylist() == [2.0, 2.0]
    assert before == column.to_pylist()


@pytest.mark.parametrize(
    "values",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        [[1.0], [2.0, 3.0], None, []],
        [[1.0], [2.0]],
        [[[1], [2]], [[3], [4]]],
        [{"a": 1, "b": None}, {"a": 2, "b": "x"}],
        [{"a": {"b": [1]}}],
    ],
    ids=str,
)
def test_nested_inputs(values: Any) -> None:
    """Lists and structs become Python lists and dicts, one per row, whatever their lengths."""
    found = to_numpy(pa.array(values), BERLIN)

    assert (object, (len(values),)) == (found.dtype, found.shape)
    assert values == list(found)


def test_map_inputs() -> None:
    """Maps become Python dicts, as MLflow's models take them."""
    column = pa.array([[("a", 1), ("b", 2)], None], pa.map_(pa.string(), pa.int64()))
    expected = [{"a": 1, "b": 2}, None]

    assert expected == list(to_numpy(column, BERLIN))


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64()], ids=str)
def test_null_in_a_column_of_integers(kind: pa.DataType) -> None:
    """A NULL integer gives NULL, and its row never reaches the model."""
    model = identity()
    found = scorer(model, result=kind)(pa.array([None, 1, None, 2, None], kind))
    expected, seen = [None, 1, None, 2, None], [1, 2]

    assert expected == found.to_pylist()
    assert seen == list(model.seen[0]["x"])


def test_integers_next_to_a_null() -> None:
    """An integer next to a NULL stays exact."""
    model = identity()
    found = scorer(model, result=pa.int64())(pa.array([2**53 + 1, None, -(2**63)]))
    expected = [2**53 + 1, None, -(2**63)]

    assert expected == found.to_pylist()
    assert np.dtype("int64") == model.seen[0]["x"].dtype


def test_null_in_a_column_of_booleans() -> None:
    """A NULL boolean gives NULL, and the others stay booleans."""
    model = identity()
    found = scorer(model, result=pa.bool_())(pa.array([True, None, False]))
    expected = [True, None, False]

    assert expected == found.to_pylist()
    assert np.dtype("bool") == model.seen[0]["x"].dtype


@pytest.mark.parametrize(
    ("column", "seen"),
    [
        (pa.array([1.0, None]), [1.0, np.nan]),
        (pa.array([1.0, float("nan")]), [1.0, np.nan]),
        (pa.array(["a", None]), ["a", None]),
        (instants("2024-07-01T10:00", "NaT"), [pd.Timestamp(2024, 7, 1, 12), pd.NaT]),
        (pa.array([[1.0], None]), [[1.0], None]),
        (pa.array([Decimal(1), None]), [Decimal(1), None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_other_nulls_reach_the_model(column: pa.Array, seen: Any) -> None:
    """A NULL of another type reaches the model as a missing value, and the model decides."""
    model = StandIn(lambda data: data["x"].isna().astype(float))
    found = scorer(model)(column)
    expected = [0.0, 1.0]

    assert expected == found.to_pylist()
    pd.testing.assert_series_equal(pd.Series(seen, name="x", dtype=object), model.seen[0]["x"].astype(object))


def strict(data: pd.DataFrame) -> Any:
    """The first input, by a model that refuses missing values."""
    if data.isna().to_numpy().any():
        raise ValueError("Input contains NaN.")
    return data.iloc[:, 0]


def test_model_that_refuses_missing_values() -> None:
    """Where the model refuses missing values, their rows give NULL and the others are scored."""
    model = StandIn(strict)
    columns = [
        pa.array([1.0, None, 3.0, float("nan"), 5.0, 6.0]),
        pa.array(["a", "b", None, "d", "e", "f"]),
        pa.array([1, 2, 3, 4, None, 6]),
    ]
    found = scorer(model, ("x", "y", "z"))(*columns)

    assert found.to_pylist() == [1.0, None, None, None, None, 6.0]


def without_gaps(data: pd.DataFrame) -> Any:
    """The first input, by a model that leaves out rows with missing values."""
    return data.dropna().iloc[:, 0]


@pytest.mark.parametrize("answer", [without_gaps, lambda data: without_gaps(data).to_numpy()], ids=["index", "none"])
def test_model_that_leaves_rows_out(answer: Callable[[Any], Any]) -> None:
    """Rows that a model leaves out because something is missing in them give NULL, and the others are scored."""
    columns = [pa.array([1.0, None, 3.0, 4.0, 5.0]), pa.array(["a", "b", None, "d", "e"])]
    expected = [1.0, None, None, 4.0, 5.0]

    assert expected == scorer(StandIn(answer), ("x", "y"))(*columns).to_pylist()
    assert (
        expected[::-1]
        == scorer(StandIn(answer), ("x", "y"))(*(each.take([4, 3, 2, 1, 0]) for each in columns)).to_pylist()
    )
    assert scorer(StandIn(answer), ("x", "y"))(*(each.slice(1, 2) for each in columns)).to_pylist() == [None, None]


def test_model_that_leaves_other_rows_out() -> None:
    """Rows that a model leaves out though nothing is missing in them are an error, beside missing values too."""
    model = StandIn(lambda data: data[data["x"].fillna(0) < 3]["x"])
    with pytest.raises(PredictionsMissingError, match="2 predictions, one for each row"):
        scorer(model)(pa.array([1.0, 4.0]))
    with pytest.raises(PredictionsMissingError):
        scorer(model)(pa.array([1.0, 4.0, None]))


@pytest.mark.parametrize("on_null", ["error", "pass"])
def test_model_that_leaves_rows_out_where_null_is_no_answer(on_null: Any) -> None:
    """Too few predictions are an error where ``onNull`` asks for no NULL in their place."""
    with pytest.raises((PredictionsMissingError, InputNullError)):
        scorer(StandIn(without_gaps), on_null=on_null)(pa.array([1.0, None]))


def test_nothing_but_null() -> None:
    """A batch whose rows all have a NULL that the model cannot take does not reach the model."""
    model = identity()
    expected = [None, None]

    assert expected == scorer(model)(pa.array([None, None], pa.int32())).to_pylist()
    assert not model.seen


def test_nothing_but_missing_values() -> None:
    """A batch whose rows all have a missing value that the model refuses gives NULL."""
    expected = [None, None]

    assert expected == scorer(StandIn(strict))(pa.array([None, float("nan")], pa.float64())).to_pylist()


@pytest.mark.parametrize("kind", [pa.float64(), pa.string(), pa.list_(pa.int64()), PAIR, INSTANT], ids=str)
def test_type_of_results_without_a_usable_row(kind: pa.DataType) -> None:
    """NULL has the result type, in a batch without a usable row and in one without a row."""
    for length in (2, 0):
        found = scorer(identity(), result=kind)(pa.nulls(length, pa.int32()))

        assert (kind, length, length) == (found.type, len(found), found.null_count)


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.int64()), PAIR, INSTANT], ids=str)
def test_results_of_other_types_next_to_a_null(kind: pa.DataType) -> None:
    """Predictions of every type find their way back to the rows they belong to."""
    values = {
        pa.string(): ["a", "b"],
        pa.list_(pa.int64()): [[1], []],
        PAIR: [{"low": 1.0, "label": "a"}, {"low": 2.0, "label": None}],
        INSTANT: [datetime(2024, 1, 1, tzinfo=timezone.utc), None],
    }[kind]
    given = {PAIR: pd.DataFrame(values), INSTANT: wall_clock("2024-01-01T01:00", "NaT")}.get(kind, values)
    found = scorer(StandIn(lambda data: given), result=kind)(pa.array([None, 1, None, 2]))

    assert [None, values[0], None, values[1]] == found.to_pylist()


def broken(data: pd.DataFrame) -> Any:
    """The answer of a model that does not work."""
    raise KeyError("no such feature")


def test_model_that_fails(golden: Callable[[str, str], None]) -> None:
    """An error of the model is raised with the model's name, the number of rows, and the cause."""
    model = StandIn(broken)

    with pytest.raises(ModelFailedError) as caught:
        scorer(model)(pa.array([1.0, 2.0]))

    golden("errors/predict_model_failed.txt", str(caught.value))
    assert isinstance(caught.value.__cause__, KeyError)
    assert len(model.seen) == 1


def test_model_that_fails_without_missing_values_too() -> None:
    """An error that missing values do not explain is raised."""
    with pytest.raises(ModelFailedError):
        scorer(StandIn(broken))(pa.array([1.0, None]))


def test_model_that_cannot_be_loaded() -> None:
    """A model that cannot be loaded is an error, also where each row of a batch has a missing value."""

    class Unloadable(StandIn):
        """A packed model that cannot be loaded."""

        def load(self, names: Any = None) -> StandIn:
            raise ModelUnloadableError(model=LABEL, reason="no such file", hint="look for it")

    for lenient in (False, True):
        with pytest.raises(ModelUnloadableError, match="sales"):
            scorer(Unloadable(len), lenient=lenient)(pa.array([None, None], pa.float64()))


def picky(data: pd.DataFrame) -> Any:
    """The first input, by a model that takes NaN in it, but neither NaN nor a negative number in the second."""
    if data["y"].isna().any():
        raise ValueError("y is NaN.")
    if (data["y"] < 0).any():
        raise ValueError("y is negative.")
    return data["x"].fillna(-1.0)


ROWS = {
    (1.0, 2.0): 1.0,
    (None, 2.0): -1.0,
    (1.0, None): None,
    (None, None): None,
    (float("nan"), 5.0): -1.0,
    (3.0, 4.0): 3.0,
}


@pytest.mark.parametrize("rows", [list(ROWS), list(reversed(ROWS)), list(ROWS)[1:3], list(ROWS)[:1], list(ROWS)[2:4]])
def test_rows_do_not_depend_on_their_batch(rows: list[tuple[float | None, float | None]]) -> None:
    """What is missing in one row changes no other row's prediction: a model may take one NULL and refuse another."""
    model = StandIn(picky)
    score = scorer(model, ("x", "y"))
    columns = [pa.array([row[position] for row in rows], pa.float64()) for position in (0, 1)]

    assert score(*columns).to_pylist() == [ROWS[row] for row in rows]


def test_what_a_model_refuses_is_kept() -> None:
    """From the second batch on a model is called once, with the rows that it does not refuse."""
    model = StandIn(picky)
    score = scorer(model, ("x", "y"))
    columns = [pa.array([row[position] for row in ROWS], pa.float64()) for position in (0, 1)]
    score(*columns)
    model.seen.clear()
    found = score(*columns)

    assert found.to_pylist() == list(ROWS.values())
    assert [len(data) for data in model.seen] == [4]


def test_another_reason_in_a_row_with_a_missing_value() -> None:
    """A row that fails for what is there, not for what is missing, is an error as it would be alone."""
    with pytest.raises(ModelFailedError, match="y is negative"):
        scorer(StandIn(picky), ("x", "y"))(pa.array([1.0, None]), pa.array([1.0, -1.0]))


def test_missing_values_inside_arrays() -> None:
    """What is missing is told apart inside arrays, too."""

    def second(matrix: Any) -> Any:
        """A model that takes NaN in the first place of an array alone."""
        if np.isnan(matrix[:, 1]).any():
            raise ValueError("NaN")
        return matrix[:, 1]

    rows = pa.array([[1.0, 2.0], [None, 3.0], [4.0, None], [None, None]])
    score = scorer(StandIn(second), (None,), tensor="float64", shape=(2,))

    assert [score(rows).to_pylist() for _ in range(2)] == [[2.0, 3.0, None, None]] * 2


@pytest.mark.parametrize(
    ("column", "tensor", "shape"),
    [
        (pa.array([1, None]), "int64", ()),
        (pa.array([[1, 2], [3, None]]), "int64", (2,)),
        (pa.array([[[1], [2]], [[3], None]]), "int64", (2, 1)),
        (pa.array([[1.0, 2.0], None]), "float64", (2,)),
        (pa.array(["a", None]), "str", ()),
        (pa.array([True, None]), "bool", ()),
    ],
    ids=str,
)
def test_null_that_a_tensor_has_no_value_for(column: pa.Array, tensor: str, shape: tuple[int, ...]) -> None:
    """A NULL that a tensor cannot have gives NULL; where NULLs are to be passed it is an error."""
    model = StandIn(lambda data: np.ones(len(data)))

    assert scorer(model, (None,), tensor=tensor, shape=shape)(column).to_pylist() == [1.0, None]
    for on_null in ("error", "pass"):
        with pytest.raises(InputNullError, match="`1` is NULL"):
            scorer(model, (None,), tensor=tensor, shape=shape, on_null=on_null)(column)


def test_error_on_null(golden: Callable[[str, str], None]) -> None:
    """Where a NULL is an error, it names the input and counts the rows; NaN is none, and an optional input may miss."""
    model = identity()
    score = scorer(model, ("x", "y"), on_null="error")

    with pytest.raises(InputNullError) as raised:
        score(pa.array([1.0, 2.0]), pa.array([None, None], pa.float64()))

    golden("errors/predict_input_null.txt", str(raised.value))
    assert score(pa.array([1.0]), pa.array([float("nan")])).to_pylist() == [1.0]
    optional = Scorer(
        Shipped(model), (Feature("x"), Feature("y", required=False)), pa.float64(), BERLIN, on_null="error"
    )
    assert optional(pa.array([1.0]), pa.nulls(1, pa.float64())).to_pylist() == [1.0]


def test_error_on_null_where_the_model_refuses() -> None:
    """Where a NULL is an error, so is a NaN that the model refuses."""
    with pytest.raises(ModelFailedError, match="Input contains NaN"):
        scorer(StandIn(strict), on_null="error")(pa.array([1.0, float("nan")]))


def test_passing_null() -> None:
    """Where NULLs are passed, integers and booleans come as pandas' nullable types, whether a NULL is there or not."""
    model = StandIn(lambda data: data["x"].isna().astype(float))
    score = scorer(model, ("x", "y", "z"), on_null="pass")
    for values in ([None, 2**53 + 1], [1, 2]):
        found = score(pa.array(values), pa.array([True, None]), pa.array([1, 2], pa.int8()))

        assert found.to_pylist() == [float(value is None) for value in values]
    assert [[str(each) for each in data.dtypes] for data in model.seen] == [["Int64", "boolean", "Int8"]] * 2
    assert model.seen[0]["x"][1] == 2**53 + 1


def test_passing_null_to_a_model_that_refuses() -> None:
    """Where NULLs are passed, a model that refuses them fails the query."""
    with pytest.raises(ModelFailedError, match="Input contains NaN"):
        scorer(StandIn(strict), on_null="pass")(pa.array([1.0, None]))


@pytest.mark.parametrize("on_null", ["null", "error", "pass"])
def test_lenient(on_null: str) -> None:
    """A lenient scorer gives NULL for the rows that fail, and only for them, whatever a NULL is."""
    score = scorer(StandIn(picky), ("x", "y"), on_null=on_null, lenient=True)
    found = score(pa.array([1.0, 2.0, 3.0, 4.0]), pa.array([1.0, -1.0, None, 4.0]))

    assert found.to_pylist() == [1.0, None, None, 4.0]


def test_out_of_memory() -> None:
    """Memory that runs out is no reason for a NULL."""

    def hungry(data: Any) -> Any:
        """What a model does that is too large."""
        raise MemoryError

    for lenient in (False, True):
        with pytest.raises(MemoryError):
            scorer(StandIn(hungry), lenient=lenient)(pa.array([1.0, None]))


ABSENT = (
    Absent(Feature("plan", required=False), 1, pa.string()),
    Absent(Feature("age", required=False), 3, pa.float64()),
)
"""Two optional inputs between ``x`` and ``z``, which are inputs 0 and 2, and after them."""


def asked_for(*names: str) -> Callable[[pd.DataFrame], Any]:
    """A model that needs columns, and gives the number of columns it gets in order with nothing in the absent ones."""

    def answer(data: pd.DataFrame) -> Any:
        for name in names:
            if data[name].notna().any():
                raise AssertionError(f"{name} has values")
        return data["x"] * len(data.columns)

    return answer


@pytest.mark.parametrize(
    ("fitted", "names", "expected"),
    [
        (frozenset(), [], ["x", "z"]),
        (frozenset({"plan"}), ["plan"], ["x", "plan", "z"]),
        (frozenset({"plan", "age"}), ["plan", "age"], ["x", "plan", "z", "age"]),
        (frozenset(), ["plan"], ["x", "plan", "z"]),
        (frozenset(), ["age", "plan"], ["x", "plan", "z", "age"]),
    ],
    ids=["not needed", "fitted on one", "fitted on both", "fails without one", "fails without each"],
)
def test_absent_optional_inputs(fitted: frozenset[str], names: list[str], expected: list[str]) -> None:
    """An optional input that is absent is a column of missing values where the model needs it, in its own place."""
    model = StandIn(asked_for(*names), fitted=fitted)
    score = scorer(model, ("x", "z"), absent=ABSENT)
    columns = pa.array([1.0, 2.0]), pa.array(["a", None])

    assert [1.0 * len(expected), 2.0 * len(expected)] == score(*columns).to_pylist()
    assert expected == list(model.seen[-1].columns)
    asked = len(model.seen)
    score(*columns)
    assert asked + 1 == len(model.seen)


def test_failure_that_names_no_absent_input() -> None:
    """A model that fails for another reason is not asked again with columns of missing values."""
    model = StandIn(lambda data: data["tenure"])
    with pytest.raises(ModelFailedError, match="KeyError: 'tenure'"):
        scorer(model, ("x", "z"), absent=ABSENT)(pa.array([1.0]), pa.array(["a"]))

    assert len(model.seen) == 1


def test_failure_with_the_absent_input_too() -> None:
    """A model that fails with the column as well fails, and is not shown the column from then on."""

    def failing(data: pd.DataFrame) -> Any:
        raise LookupError("no 'plan' will do")

    model = StandIn(failing)
    for _ in range(2):
        with pytest.raises(ModelFailedError, match="no 'plan' will do"):
            scorer(model, ("x", "z"), absent=ABSENT)(pa.array([1.0]), pa.array(["a"]))

    assert [len(data.columns) for data in model.seen] == [2, 3, 2, 3]


def leaving(data: pd.DataFrame) -> Any:
    """Predict the input, and leave the program where it is negative."""
    if (data["x"] < 0).any():
        sys.exit(3)
    return data["x"]


def test_model_that_leaves_the_program() -> None:
    """A model that calls sys.exit has failed; it does not end the worker, and a lenient scorer gives NULL."""
    with pytest.raises(ModelFailedError, match="SystemExit: 3"):
        scorer(StandIn(leaving))(pa.array([1.0, -1.0]))

    assert scorer(StandIn(leaving), lenient=True)(pa.array([1.0, -1.0, 2.0])).to_pylist() == [1.0, None, 2.0]


def test_tensors_by_name() -> None:
    """A model of several tensors gets them by name, each of its own type and shape."""
    model = StandIn(lambda data: data["a"])
    features = (Feature("a", "float32", ()), Feature("b", "int64", (2,)), Feature("c", "float64", (1,)))
    score = Scorer(Shipped(model), features, pa.float64(), BERLIN)
    score(pa.array([1.0, 2.0], pa.float32()), pa.array([[1, 2], [3, 4]]), pa.array([5.0, 6.0]))
    seen = {name: (str(each.dtype), each.shape) for name, each in model.seen[0].items()}

    assert seen == {"a": ("float32", (2,)), "b": ("int64", (2, 2)), "c": ("float64", (2, 1))}


def test_probabilities(golden: Callable[[str, str], None]) -> None:
    """Probabilities are maps from label to DOUBLE, NULL where there is no prediction."""
    model = StandIn(lambda data: np.column_stack([1 - data["x"], data["x"]]).astype("float32"))
    kind = pa.map_(pa.string(), pa.float64())
    score = scorer(model, result=kind, labels=pa.array(["no", "yes"]))

    assert score(pa.array([1, None, 0])).to_pylist() == [
        [("no", 0.0), ("yes", 1.0)],
        None,
        [("no", 1.0), ("yes", 0.0)],
    ]
    with pytest.raises(ResultInvalidError) as raised:
        scorer(model, result=kind, labels=pa.array(["a", "b", "c"]))(pa.array([1]))
    golden("errors/predict_result_invalid_probabilities.txt", str(raised.value))


@pytest.mark.parametrize(
    ("column", "dtype", "shape", "expected"),
    [
        (pa.array([[1.0, 2.0], [3.0, None]]), "float64", (-1,), [[1.0, 2.0], [3.0, np.nan]]),
        (pa.array([[1.0, 2.0]], pa.list_(pa.float32())), "float32", (2,), [[1.0, 2.0]]),
        (pa.array([[1, 2], [3, 4]]), "uint8", (2,), [[1, 2], [3, 4]]),
        (pa.array([[[1], [2]], [[3], [4]]]), "int64", (-1, 1), [[[1], [2]], [[3], [4]]]),
        (pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).slice(1), "float64", (2,), [[3.0, 4.0], [5.0, 6.0]]),
        (pa.array([1.0, 2.0]), "float64", (1,), [[1.0], [2.0]]),
    ],
    ids=["null", "float32", "uint8", "nested", "slice", "one value"],
)
def test_rows_as_arrays(column: pa.Array, dtype: str, shape: tuple[int, ...], expected: list[Any]) -> None:
    """Arrays of one length become a tensor with a row for each."""
    found = to_tensor(column, dtype, shape, BERLIN)

    np.testing.assert_array_equal(np.array(expected, dtype), found, strict=True)


@pytest.mark.parametrize(
    ("values", "dtype", "shape", "shown"),
    [
        ([[1.0, 2.0], [3.0]], "float64", (-1,), "an array has 1 values where the model takes 2"),
        ([[1.0, 2.0], [3.0, 4.0]], "float64", (3,), "an array has 2 values where the model takes 3"),
        ([[[1.0], [1.0, 2.0]]], "float64", (2, 1), "an array has 2 values where the model takes 1"),
        ([1e6], "float16", (), "1000000.0 is out of the range of float16"),
    ],
    ids=["ragged", "narrow", "nested", "range"],
)
def test_rows_that_do_not_fit(
    values: list[Any], dtype: str, shape: tuple[int, ...], shown: str, golden: Callable[[str, str], None]
) -> None:
    """What a tensor cannot hold is an error that says what."""
    column = pa.array(values)
    model = StandIn(lambda rows: np.ones(len(rows)))
    with pytest.raises(InputInvalidError) as raised:
        scorer(model, (None,), tensor=dtype, shape=shape)(column)

    if shape == (3,):
        golden("errors/predict_input_invalid.txt", str(raised.value))
    assert raised.value.parameters["got"] == shown


def test_lenient_with_a_row_that_does_not_fit() -> None:
    """A lenient scorer gives NULL for a row that a tensor cannot hold."""
    model = StandIn(lambda rows: rows[:, 0])
    score = scorer(model, (None,), tensor="float64", shape=(2,), lenient=True)

    assert score(pa.array([[1.0, 2.0], [3.0], [5.0, 6.0]])).to_pylist() == [1.0, None, 5.0]


@pytest.mark.parametrize(
    ("column", "scalars", "expected"),
    [
        (pa.array([[1, None], [1], None, []]), True, [False, True, False, True]),
        (pa.array([[1, None], [1], None, []]), False, [True, True, False, True]),
        (pa.array([[1, None], [1], None, []]).slice(1), True, [True, False, True]),
        (pa.array([[[1], None], [[None]], [[1]]]), True, [False, False, True]),
        (pa.array([[[1], None], [[None]], [[1]]]), False, [False, True, True]),
        (pa.array([1, None]), False, [True, True]),
    ],
)
def test_complete(column: pa.Array, scalars: bool, expected: list[bool]) -> None:
    """A row is complete without a NULL array in it, and without a NULL at all where that counts."""
    assert complete(column, scalars=scalars).to_pylist() == expected
