"""What runs inside a Python worker: a packed model, the way of a batch to it, and of its predictions back."""

import io
import mmap
import pickle
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

from lakepredict import _worker
from lakepredict._arrow import to_arrow, to_matrix, to_numpy
from lakepredict._worker import PackedModel, Scorer

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

    def predict(self, data: Any) -> Any:
        self.seen.append(data)
        return self.answer(data)


@dataclass
class Shipped:
    """Stands in for a broadcast."""

    value: Any


def scorer(
    model: Any, names: tuple[str | None, ...] = ("x",), result: pa.DataType | None = None, tensor: str | None = None
) -> Scorer:
    """A scorer that gives doubles, in a session in Berlin, unless the test wants other ones."""
    return Scorer(Shipped(model), names, tensor, result or pa.float64(), BERLIN)


def identity() -> StandIn:
    """A model that predicts its only input."""
    return StandIn(lambda data: data.iloc[:, 0])


def converted(predictions: Any, kind: pa.DataType, rows: int = 2, zone: str = BERLIN) -> list[Any]:
    """What SQL gets of a model's predictions for two rows."""
    array = to_arrow(predictions, kind, rows, zone, LABEL)
    assert array.type == kind
    return array.to_pylist()


def refused(predictions: Any, kind: pa.DataType, rows: int = 2) -> str:
    """What is said about predictions that cannot be the result, without the name of the error."""
    with pytest.raises(ValueError, match=r"^\[PREDICT_RESULT_INVALID\] the model 'sales' version 3 gave ") as caught:
        to_arrow(predictions, kind, rows, BERLIN, LABEL)
    return str(caught.value).removeprefix(f"[PREDICT_RESULT_INVALID] {LABEL} ")


def instants(*texts: str) -> pa.Array:
    """Instants in UTC, as Spark sends them."""
    return pa.array(np.array(texts, "datetime64[us]")).cast(INSTANT)


def wall_clock(*texts: str) -> np.ndarray:
    """Times without a zone."""
    return np.array(texts, "datetime64[us]")


# --- the packed model --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mmap.mmap]:
    """The archive of a model that predicts 2x + 1 and refuses NaN, mapped into memory."""
    folder = tmp_path_factory.mktemp("packed")
    inputs = pd.DataFrame({"x": [0.0, 1.0]})
    model = LinearRegression().fit(inputs, [1.0, 3.0])
    signature = infer_signature(inputs, np.array([1.0, 3.0]))
    mlflow.sklearn.save_model(model, folder / "model", signature=signature, pip_requirements=[])
    with tarfile.open(folder / "model.tar", "w") as tar:
        tar.add(folder / "model", arcname=".")
    with (folder / "model.tar").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that the application's workers share."""
    monkeypatch.setattr(_worker, "_scratch_directory", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that models are loaded from."""
    found: list[str] = []
    load = _worker._load

    def noted(path: str) -> Any:
        found.append(path)
        return load(path)

    monkeypatch.setattr(_worker, "_load", noted)
    return found


@pytest.fixture
def packed(archive: mmap.mmap) -> PackedModel:
    """The packed model on the driver."""
    return PackedModel(archive, "d1235", LABEL)


def shipped(packed: PackedModel) -> PackedModel:
    """The packed model as a worker gets it."""
    return pickle.loads(pickle.dumps(packed, protocol=5))


def test_packed_model(packed, scratch, loads):
    """A packed model survives its journey to a worker and loads once, when it predicts for the first time."""
    arrived = shipped(packed)
    loads_before = list(loads)
    found = [arrived.predict(pd.DataFrame({"x": [x]}))[0] for x in (1.0, 2.0, 3.0)]
    expected = pytest.approx([3.0, 5.0, 7.0])

    assert expected == found
    assert not loads_before
    assert [str(scratch / "lakepredict-d1235")] == loads
    assert packed.digest == arrived.digest
    assert packed.label == arrived.label


def test_packed_model_is_not_copied(packed, archive):
    """Pickling leaves the archive where it is, for a pickler that takes buffers out of band."""
    buffers: list[pickle.PickleBuffer] = []
    text = pickle.dumps(packed, protocol=5, buffer_callback=buffers.append)

    assert len(text) < 1000
    assert [len(archive)] == [buffer.raw().nbytes for buffer in buffers]


def test_unpacked_once(packed, scratch, loads):
    """Workers of one application share the unpacked files, so the second one needs no archive."""
    data = pd.DataFrame({"x": [1.0]})
    shipped(packed).predict(data)
    expected = pytest.approx([3.0])

    assert expected == PackedModel(b"", packed.digest, LABEL).predict(data)
    assert [str(scratch / "lakepredict-d1235")] * 2 == loads
    assert [scratch / "lakepredict-d1235"] == list(scratch.iterdir())


def test_unpacked_by_two_at_once(packed, scratch, monkeypatch):
    """A worker that unpacks while another one finishes takes the other's files and removes its own."""
    unpacked = PackedModel._unpacked
    make = _worker.tempfile.mkdtemp

    def make_late(**options: Any) -> str:
        monkeypatch.setattr(_worker.tempfile, "mkdtemp", make)
        unpacked(shipped(packed))
        return make(**options)

    monkeypatch.setattr(_worker.tempfile, "mkdtemp", make_late)
    expected = pytest.approx([3.0])

    assert expected == shipped(packed).predict(pd.DataFrame({"x": [1.0]}))
    assert [scratch / "lakepredict-d1235"] == list(scratch.iterdir())


def test_two_models(packed, archive, scratch, loads):
    """Models of other content have directories of their own."""
    data = pd.DataFrame({"x": [1.0]})
    packed.predict(data)
    PackedModel(archive, "other", LABEL).predict(data)

    assert {"lakepredict-d1235", "lakepredict-other"} == {path.name for path in scratch.iterdir()}


def test_no_schema_enforcement(packed, scratch):
    """MLflow, which would refuse a boolean here, does not check a batch against the signature again."""
    expected = pytest.approx([3.0])

    assert expected == packed.predict(pd.DataFrame({"x": [True]}))


def test_archive_that_leaves_its_directory(scratch):
    """An archive cannot write beside its directory."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))

    with pytest.raises(_worker.ModelLoadError, match="OutsideDestinationError"):
        PackedModel(written.getvalue(), "d1235", LABEL).predict(None)

    assert not (scratch / "outside").exists()


# --- a batch on its way to the model -----------------------------------------------------------------------


def zeros() -> StandIn:
    """A model that predicts 0."""
    return StandIn(lambda data: np.zeros(len(data)))


def test_frame():
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


def test_frame_without_names():
    """A model of columns without names gets them numbered from 0."""
    model = zeros()
    scorer(model, (None, None))(pa.array([1]), pa.array(["x"]))
    expected = [0, 1]

    assert expected == list(model.seen[0].columns)


@pytest.mark.parametrize(
    ("dtype", "columns", "expected"),
    [
        ("float64", [pa.array([1.0, 2.0]), pa.array([3.0, None])], [[1.0, 3.0], [2.0, np.nan]]),
        ("float32", [pa.array([1.0, 2.0], pa.float32())], [[1.0], [2.0]]),
        ("int64", [pa.array([2**53 + 1, 2]), pa.array([3, 4])], [[2**53 + 1, 3], [2, 4]]),
        ("uint8", [pa.array([0, 255], pa.int16())], [[0], [255]]),
        ("bool", [pa.array([True, False])], [[True], [False]]),
        ("str", [pa.array(["a", "b"]), pa.array(["c", "d"])], [["a", "c"], ["b", "d"]]),
        ("object", [pa.array(["a", None])], [["a"], [None]]),
        ("float32", [pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32()))], [[1.0, 2.0], [3.0, 4.0]]),
        ("int64", [pa.array([[[1, 2]], [[3, 4]]])], [[[1, 2]], [[3, 4]]]),
    ],
    ids=str,
)
def test_matrix(dtype, columns, expected):
    """A model of a tensor gets one array of the tensor's type, with a row for each row."""
    model = zeros()
    scorer(model, (None,) * len(columns), tensor=dtype)(*columns)
    expected = np.array(expected, dtype)

    np.testing.assert_array_equal(expected, model.seen[0], strict=True)


@pytest.mark.parametrize("value", [300, -1])
def test_matrix_and_values_that_do_not_fit(value):
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
            pa.array([date(1, 1, 1), date(9999, 12, 31), None]),
            np.array(["0001-01-01", "9999-12-31", "NaT"], "datetime64[s]"),
        ),
        (pa.array([datetime(2024, 7, 1, 12), None], pa.timestamp("us")), wall_clock("2024-07-01T12:00", "NaT")),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_scalar_inputs(column, expected):
    """A column of scalars becomes a NumPy array, whose type depends on the column's type alone."""
    found = to_numpy(column, BERLIN)

    np.testing.assert_array_equal(expected, found, strict=True)
    assert expected.dtype == to_numpy(column.slice(0, 1), BERLIN).dtype


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
def test_nested_inputs(values):
    """Lists and structs become Python lists and dicts, one per row, whatever their lengths."""
    found = to_numpy(pa.array(values), BERLIN)

    assert (object, (len(values),)) == (found.dtype, found.shape)
    assert values == list(found)


def test_map_inputs():
    """Maps become Python dicts, as MLflow's models take them."""
    column = pa.array([[("a", 1), ("b", 2)], None], pa.map_(pa.string(), pa.int64()))
    expected = [{"a": 1, "b": 2}, None]

    assert expected == list(to_numpy(column, BERLIN))


# --- missing values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64()], ids=str)
def test_null_in_a_column_of_integers(kind):
    """A NULL integer gives NULL, and its row never reaches the model."""
    model = identity()
    found = scorer(model, result=kind)(pa.array([None, 1, None, 2, None], kind))
    expected, seen = [None, 1, None, 2, None], [1, 2]

    assert expected == found.to_pylist()
    assert seen == list(model.seen[0]["x"])


def test_integers_next_to_a_null():
    """An integer next to a NULL stays exact."""
    model = identity()
    found = scorer(model, result=pa.int64())(pa.array([2**53 + 1, None, -(2**63)]))
    expected = [2**53 + 1, None, -(2**63)]

    assert expected == found.to_pylist()
    assert np.dtype("int64") == model.seen[0]["x"].dtype


def test_null_in_a_column_of_booleans():
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
        (pa.array([date(2024, 7, 1), None]), [pd.Timestamp(2024, 7, 1), pd.NaT]),
        (instants("2024-07-01T10:00", "NaT"), [pd.Timestamp(2024, 7, 1, 12), pd.NaT]),
        (pa.array([[1.0], None]), [[1.0], None]),
        (pa.array([Decimal(1), None]), [Decimal(1), None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_other_nulls_reach_the_model(column, seen):
    """A NULL of another type reaches the model as a missing value, and the model decides."""
    model = StandIn(lambda data: data["x"].isna().astype(float))
    found = scorer(model)(column)
    expected = [0.0, 1.0]

    assert expected == found.to_pylist()
    pd.testing.assert_series_equal(pd.Series(seen, name="x", dtype=object), model.seen[0]["x"].astype(object))


def complete(data: pd.DataFrame) -> Any:
    """The first input, by a model that refuses missing values."""
    if data.isna().to_numpy().any():
        raise ValueError("Input contains NaN.")
    return data.iloc[:, 0]


def test_model_that_refuses_missing_values():
    """Where the model refuses missing values, their rows give NULL and the others are scored."""
    model = StandIn(complete)
    columns = [
        pa.array([1.0, None, 3.0, float("nan"), 5.0, 6.0]),
        pa.array(["a", "b", None, "d", "e", "f"]),
        pa.array([1, 2, 3, 4, None, 6]),
    ]
    found = scorer(model, ("x", "y", "z"))(*columns)
    expected, rows_seen = [1.0, None, None, None, None, 6.0], [5, 2]

    assert expected == found.to_pylist()
    assert rows_seen == [len(data) for data in model.seen]


def test_real_model_that_refuses_missing_values(packed, scratch):
    """A linear model of scikit-learn refuses NaN, so a NULL gives NULL and the other rows are scored."""
    found = scorer(shipped(packed))(pa.array([1.0, None, float("nan"), 4.0])).to_pylist()
    expected = [pytest.approx(3.0), None, None, pytest.approx(9.0)]

    assert expected == found


def test_nothing_but_null():
    """A batch whose rows all have a NULL that the model cannot take does not reach the model."""
    model = identity()
    expected = [None, None]

    assert expected == scorer(model)(pa.array([None, None], pa.int32())).to_pylist()
    assert not model.seen


def test_nothing_but_missing_values():
    """A batch whose rows all have a missing value that the model refuses gives NULL."""
    expected = [None, None]

    assert expected == scorer(StandIn(complete))(pa.array([None, float("nan")], pa.float64())).to_pylist()


@pytest.mark.parametrize("kind", [pa.float64(), pa.string(), pa.list_(pa.int64()), PAIR, INSTANT], ids=str)
def test_type_of_results_without_a_usable_row(kind):
    """NULL has the result type, in a batch without a usable row and in one without a row."""
    for length in (2, 0):
        found = scorer(identity(), result=kind)(pa.nulls(length, pa.int32()))

        assert (kind, length, length) == (found.type, len(found), found.null_count)


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.int64()), PAIR, INSTANT], ids=str)
def test_results_of_other_types_next_to_a_null(kind):
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


def test_model_that_fails():
    """An error of the model is raised with the model's name, the number of rows, and the cause."""
    model = StandIn(broken)
    expected = f"[PREDICT_MODEL_FAILED] {LABEL} failed on a batch of 2 rows: KeyError: 'no such feature'"

    with pytest.raises(RuntimeError) as caught:
        scorer(model)(pa.array([1.0, 2.0]))

    assert expected == str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)
    assert len(model.seen) == 1


def test_model_that_fails_without_missing_values_too():
    """An error that missing values do not explain is raised."""
    expected = f"[PREDICT_MODEL_FAILED] {LABEL} failed on a batch of 1 rows: KeyError: 'no such feature'"

    with pytest.raises(RuntimeError) as caught:
        scorer(StandIn(broken))(pa.array([1.0, None]))

    assert expected == str(caught.value)


def test_model_that_cannot_be_loaded(scratch):
    """A model that cannot be loaded is an error, also where each row of a batch has a missing value."""
    with pytest.raises(Exception, match="sales"):
        scorer(PackedModel(b"no archive", "d1235", LABEL))(pa.array([None, None], pa.float64()))


# --- predictions on their way back -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predictions", "kind", "expected"),
    [
        (np.array([1.5, 2.5]), pa.float64(), [1.5, 2.5]),
        (np.array([[1.5], [2.5]]), pa.float64(), [1.5, 2.5]),
        (pd.Series([1.5, 2.5], index=[7, 3]), pa.float64(), [1.5, 2.5]),
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
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else type(value).__name__,
)
def test_one_output(predictions, kind, expected):
    """Whatever form a model gives its one output in, SQL gets values of the result type."""
    assert expected == converted(predictions, kind)


def test_nan_stays_nan():
    """NaN is a prediction like any other, where the result is floating point."""
    for predictions in (np.array([np.nan, 1.0]), pd.Series([np.nan, 1.0]), [float("nan"), 1.0]):
        found = converted(predictions, pa.float64())

        assert np.isnan(found[0])


@pytest.mark.parametrize(
    ("predictions", "kind", "shown"),
    [
        (np.array([1, 2**40]), pa.int32(), "1099511627776"),
        ([1, 2**40], pa.int32(), "1099511627776"),
        (pd.Series([1, 2**40]), pa.int32(), "1099511627776"),
        (pd.DataFrame({"y": [1.0, 2.0**40]}), pa.int32(), "1099511627776"),
        (np.array([1, 300]), pa.int8(), "300"),
        (np.array([1.0, 2.5]), pa.int64(), "2.5"),
        (np.array([1.0, np.nan]), pa.int64(), "nan"),
        (np.array([True, np.nan], object), pa.bool_(), "nan"),
        (np.array([1, 2]), pa.string(), "int64"),
        ([1, "a"], pa.float64(), "'a'"),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), pa.float64(), "[1.0, 2.0]"),
        ([1.0, 2.0], pa.list_(pa.float64()), "1.0"),
        (wall_clock("2024-01-01", "2024-01-01"), pa.float64(), ""),
    ],
    ids=str,
)
def test_values_that_do_not_fit(predictions, kind, shown):
    """A value that does not fit the result type is an error that shows both."""
    message = refused(predictions, kind)

    assert message.startswith(f"gave a value that does not fit its result type {kind}: ")
    assert shown in message


@pytest.mark.parametrize("predictions", [np.array([1.0, np.nan]), np.array([1.0, 0.5]), np.array([1, 2])], ids=str)
def test_numbers_that_are_no_booleans(predictions):
    """A number other than 0 and 1, and NaN, is no boolean."""
    refused(predictions, pa.bool_())


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
    ],
    ids=["Int64", "boolean", "string"],
)
def test_nullable_series(predictions, kind, expected):
    """A missing value of pandas' nullable types is NULL."""
    assert expected == converted(predictions, kind)


@pytest.mark.parametrize(
    ("predictions", "shown"),
    [
        (np.zeros(3), "gave 3 predictions for 2 rows."),
        (np.zeros(0), "gave 0 predictions for 2 rows."),
        (np.zeros((1, 2)), "gave 1 predictions for 2 rows."),
        (pd.DataFrame({"y": [1.0]}), "gave 1 predictions for 2 rows."),
        ({"y": [1.0, 2.0, 3.0]}, "gave 3 predictions for 2 rows."),
        (pd.DataFrame({"p": [1, 2], "q": [1, 2]}), "gave 2 columns (p, q) where its signature has one."),
        (pd.DataFrame(index=[0, 1]), "gave 0 columns () where its signature has one."),
    ],
    ids=str,
)
def test_wrong_shape_of_one_output(predictions, shown):
    """A wrong number of rows or columns is an error that has the given and the wanted number."""
    assert shown == refused(predictions, pa.float64())


@pytest.mark.parametrize("rows", [2, 3])
def test_several_outputs_for_one(rows):
    """A dict of two outputs, where the signature has one, is an error that has both numbers."""
    predictions = {"p": np.zeros(rows), "q": np.zeros(rows)}
    expected = "gave 2 columns (p, q) where its signature has one."

    assert expected == refused(predictions, pa.float64(), rows)


@pytest.mark.parametrize("predictions", [None, 1.5, np.array(1.5)], ids=repr)
def test_no_array_at_all(predictions):
    """Something without a length is an error with the model's name."""
    refused(predictions, pa.float64())


# --- several outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "predictions",
    [
        pd.DataFrame({"low": [1.5, 2.5], "label": ["a", None]}),
        pd.DataFrame({"label": ["a", None], "low": [1.5, 2.5]}),
        pd.DataFrame({"label": ["a", None], "more": [0, 0], "low": [1.5, 2.5]}),
        pd.DataFrame({0: [1.5, 2.5], 1: ["a", None]}, index=[3, 4]),
        {"low": [1.5, 2.5], "label": ["a", None]},
        {"label": np.array(["a", None], object), "low": np.array([[1.5], [2.5]])},
        {"first": [1.5, 2.5], "second": ["a", None]},
        np.array([[1.5, "a"], [2.5, None]], object),
    ],
    ids=lambda value: f"{type(value).__name__} {list(value)}" if hasattr(value, "keys") else type(value).__name__,
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
    ("predictions", "shown"),
    [
        (np.zeros((2, 3)), "gave 3 columns (0, 1, 2) where its signature has 2 (low, label)."),
        (np.zeros(2), "gave 1 columns (0) where its signature has 2 (low, label)."),
        (pd.DataFrame({"p": [1, 2]}), "gave 1 columns (p) where its signature has 2 (low, label)."),
        (
            {"low": [1.0, 2.0], "q": [0, 0], "r": [0, 0]},
            "gave 3 columns (low, q, r) where its signature has 2 (low, label).",
        ),
        ({"low": [1.0, 2.0, 3.0], "label": ["a", "b", "c"]}, "gave 3 predictions for 2 rows."),
        ({"low": [1.0, 2.0], "label": ["a"]}, "gave 1 predictions for 2 rows."),
    ],
    ids=str,
)
def test_wrong_shape_of_several_outputs(predictions, shown):
    """A wrong number of rows or columns is an error that has the given and the wanted number."""
    assert shown == refused(predictions, PAIR)


def test_wrong_value_of_one_of_several_outputs():
    """A value that does not fit its field's type is an error that shows both."""
    message = refused({"low": ["a", "b"], "label": ["a", "b"]}, PAIR)

    assert message.startswith("gave a value that does not fit its result type double: ")


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

    np.testing.assert_array_equal(wall_clock(clock), given, strict=True)
    assert instants(instant) == taken


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "-08:00"])
@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "1582-10-10T12:00"])
def test_first_and_last_timestamps(zone, instant):
    """Timestamps of the years 1 and 9999 reach a model as they are, and come back the same."""
    column = instants(instant, "2024-01-01")
    model = identity()
    found = Scorer(Shipped(model), ("x",), None, INSTANT, zone)(column)
    hours = abs(model.seen[0]["x"].to_numpy() - wall_clock(instant, "2024-01-01")) / np.timedelta64(1, "h")

    assert column == found
    assert hours.max() < 15


def test_first_timestamp_in_berlin():
    """Before there were time zones, a wall clock showed its town's own time."""
    expected = wall_clock("0001-01-01T00:53:28")

    np.testing.assert_array_equal(expected, to_numpy(instants("0001-01-01"), BERLIN))


@pytest.mark.parametrize(
    "predictions",
    [
        [datetime(2024, 7, 1, 12), None],
        pd.Series([pd.Timestamp(2024, 7, 1, 12), pd.NaT]),
        np.array(["2024-07-01T12", "NaT"], "datetime64[s]"),
        np.array(["2024-07-01T12", "NaT"], "datetime64[ns]"),
    ],
    ids=["list", "Series", "seconds", "nanoseconds"],
)
def test_timestamps_in_other_forms(predictions):
    """A model may give timestamps as Python's, pandas' or NumPy's."""
    expected = [datetime(2024, 7, 1, 10, tzinfo=timezone.utc), None]

    assert expected == converted(predictions, INSTANT)


def test_timestamps_without_a_zone():
    """A TIMESTAMP_NTZ is the same to a model and to SQL."""
    column = pa.array([datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), None], pa.timestamp("us"))
    expected = wall_clock("0001-01-01", "9999-12-31T23:59:59.999999", "NaT")

    np.testing.assert_array_equal(expected, to_numpy(column, BERLIN))


def test_timestamp_in_a_struct_of_outputs():
    """One of several outputs is a wall-clock time too."""
    kind = pa.struct([("when", INSTANT), ("value", pa.float64())])
    expected = [{"when": datetime(2024, 7, 1, 10, tzinfo=timezone.utc), "value": 1.0}]
    predictions = pd.DataFrame({"when": [pd.Timestamp(2024, 7, 1, 12)], "value": [1.0]})

    assert expected == converted(predictions, kind, rows=1)


def test_part_of_a_microsecond():
    """A time that Spark cannot hold is an error."""
    message = refused(np.array(["2024-07-01T12:00:00.000000001"] * 2, "datetime64[ns]"), INSTANT)

    assert message.startswith("gave a value that does not fit its result type timestamp[us, tz=UTC]: ")


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
        ("2024-10-27T02:30", ["2024-10-27T00:30"]),
        ("2024-03-31T02:30", ["2024-03-31T01:00", "2024-03-31T01:30"]),
    ],
    ids=["twice", "never"],
)
def test_hour_of_the_clock_change(clock, expected):
    """A wall-clock time that is there twice is the earlier one; one that is never there fails no query."""
    found = to_arrow(wall_clock(clock), INSTANT, 1, BERLIN, LABEL)

    assert found in [instants(each) for each in expected]


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


# --- rows that come as one array ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "dtype", "expected"),
    [
        (pa.array([[1.0, 2.0], [3.0, None]]), "float64", [[1.0, 2.0], [3.0, np.nan]]),
        (pa.array([[1.0, 2.0]], pa.list_(pa.float32())), "float32", [[1.0, 2.0]]),
        (pa.array([[1, 2], [3, 4]]), "uint8", [[1, 2], [3, 4]]),
        (pa.array([[[1], [2]], [[3], [4]]]), "int64", [[[1], [2]], [[3], [4]]]),
    ],
    ids=["null", "float32", "uint8", "nested"],
)
def test_rows_as_arrays(column, dtype, expected):
    """Arrays of one length become a tensor with a row for each."""
    found = to_matrix(column, dtype, None)

    np.testing.assert_array_equal(np.array(expected, dtype), found, strict=True)


def test_slice_of_rows_as_arrays():
    """Rows after the first are the rows after the first."""
    found = to_matrix(pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).slice(1), "float64", 2)

    np.testing.assert_array_equal(np.array([[3.0, 4.0], [5.0, 6.0]]), found)


@pytest.mark.parametrize(
    ("values", "width", "shown"),
    [
        ([[1.0, 2.0], [3.0]], None, "an array has 1 values where the model takes 2"),
        ([[1.0, 2.0], [3.0, 4.0]], 3, "an array has 2 values where the model takes 3"),
        ([[1, None]], None, "an array of integers has a NULL in it"),
    ],
    ids=["ragged", "narrow", "null"],
)
def test_rows_that_do_not_fit(values, width, shown):
    """An array of another length than the model takes is an error that has both."""
    with pytest.raises(ValueError, match=shown):
        to_matrix(pa.array(values), "float64", width)


def test_null_row_and_arrays():
    """A NULL array gives NULL, and the other rows are scored."""
    model = StandIn(lambda rows: rows.sum(axis=1))
    found = scorer(model, (None,), tensor="float64")(pa.array([[1.0, 2.0], None, [3.0, 4.0]]))

    assert found.to_pylist() == [3.0, None, 7.0]
