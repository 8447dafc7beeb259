"""What runs inside a Python worker: unpack a model once, score batches with it.

Everything a worker imports costs every worker process time and memory, so this module needs pyarrow alone;
pandas, MLflow and the model's own library are imported when the first batch is scored.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakepredict._arrow import to_arrow, to_matrix, to_numpy, to_tensor

if TYPE_CHECKING:
    import pandas as pd

Predict = Callable[[Any], Any]


class ModelLoadError(RuntimeError):
    """The model cannot be loaded in this process."""


class PackedModel:
    """A model directory as one archive, which loads at most once per Python worker process.

    Life-cycle: made on the driver from a memory-mapped archive, so that pickling it copies nothing into the
    driver's heap; travels as a Spark broadcast; a worker keeps the unpickled object, and with it the loaded
    model, across tasks until Spark drops the broadcast.
    """

    def __init__(self, archive: Any, digest: str, label: str) -> None:
        self._archive = archive
        self._predict: Predict | None = None
        self.digest = digest
        self.label = label

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedModel, (pickle.PickleBuffer(self._archive), self.digest, self.label)

    def predict(self, data: Any) -> Any:
        """Score one batch; the first call of a process loads the model.

        Raises:
            ModelLoadError: it cannot be loaded.
        """
        if self._predict is None:
            try:
                self._predict = _load(self._unpacked())
            except Exception as exc:
                raise ModelLoadError(
                    f"[PREDICT_MODEL_UNLOADABLE] {self.label} cannot be loaded in a Python worker:"
                    f" {type(exc).__name__}: {exc}"
                ) from exc
            self._archive = None
        return self._predict(data)

    def _unpacked(self) -> str:
        """The model's directory on this machine; worker processes of one application share it."""
        root = _scratch_directory()
        path = os.path.join(root, f"lakepredict-{self.digest}")
        if os.path.isdir(path):
            return path
        staging = tempfile.mkdtemp(dir=root, prefix="lakepredict-unpacking-")
        with tarfile.open(fileobj=io.BytesIO(self._archive), mode="r:") as archive:
            archive.extractall(staging, filter="data")
        try:
            os.rename(staging, path)
        except OSError:
            if not os.path.isdir(path):
                raise
            shutil.rmtree(staging)
        return path


def _scratch_directory() -> str:
    """A directory that Spark removes when the application ends."""
    from pyspark import SparkFiles

    return SparkFiles.getRootDirectory()


def _load(path: str) -> Predict:
    """Load with MLflow, without its per-batch schema enforcement: the plan has cast every argument already."""
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(path)
    model.metadata.signature = None
    predict: Predict = model.predict
    return predict


class Shipped(Protocol):
    """What carries a packed model to the workers: a ``pyspark.Broadcast``."""

    @property
    def value(self) -> PackedModel: ...


@dataclass(frozen=True)
class Scorer:
    """A scalar Arrow UDF: one array per input of the model in, one array of predictions out.

    Attributes:
        model: the broadcast model.
        names: the inputs' names, in the order of the arrays; None in each place for a tensor.
        tensor: the NumPy type of the one array that the model takes, or None if it takes a data frame.
        result: the Arrow type of the predictions.
        timezone: the session's time zone; models see and give timestamps as its wall-clock time.
        vector: whether the model's array has one value per row instead of a row of values.
        width: how many values the model takes in a row that comes as one array; None for any number.
        lenient: whether a row that the model fails on gets NULL instead of failing the query.
    """

    model: Shipped
    names: tuple[str | None, ...]
    tensor: str | None
    result: pa.DataType
    timezone: str
    vector: bool = False
    width: int | None = None
    lenient: bool = False

    def __call__(self, *columns: pa.Array) -> pa.Array:
        """Score a batch.

        A row with a NULL in an input that cannot be missing (integer, boolean) gets a NULL prediction and
        never reaches the model. Other NULLs reach it as missing values; where the model refuses those, their
        rows get NULL and the others are scored.
        """
        usable = _all_valid([each for each in columns if not _may_be_missing(each.type)], len(columns[0]))
        try:
            return self._score(columns, usable)
        except ModelLoadError:
            raise
        except Exception:
            complete = _all_present(columns)
            if complete.equals(usable) and not self.lenient:
                raise
        return self._score_in_parts(columns, complete) if self.lenient else self._score(columns, complete)

    def _score_in_parts(self, columns: Sequence[pa.Array], scored: pa.BooleanArray) -> pa.Array:
        """Halve the batch until the rows that the model fails on stand alone."""
        try:
            return self._score(columns, scored)
        except ModelLoadError:
            raise
        except Exception:
            if len(scored) == 1:
                return pa.nulls(1, self.result)
        half = len(scored) // 2
        first = self._score_in_parts([each.slice(0, half) for each in columns], scored.slice(0, half))
        second = self._score_in_parts([each.slice(half) for each in columns], scored.slice(half))
        return pa.concat_arrays([first, second])

    def _score(self, columns: Sequence[pa.Array], scored: pa.BooleanArray) -> pa.Array:
        count = pc.sum(scored).as_py() or 0
        if count == 0:
            return pa.nulls(len(scored), self.result)
        if count < len(scored):
            columns = [each.filter(scored) for each in columns]
        data = self._matrix(columns) if self.tensor else self._frame(columns)
        label = self.model.value.label
        try:
            predictions = self.model.value.predict(data)
        except ModelLoadError:
            raise
        except Exception as exc:
            raise RuntimeError(
                f"[PREDICT_MODEL_FAILED] {label} failed on a batch of {count} rows: {type(exc).__name__}: {exc}"
            ) from exc
        found = to_arrow(predictions, self.result, count, self.timezone, label)
        return found if count == len(scored) else _spread(found, scored)

    def _frame(self, columns: Sequence[pa.Array]) -> pd.DataFrame:
        import pandas as pd

        names = [position if name is None else name for position, name in enumerate(self.names)]
        series = {name: to_numpy(each, self.timezone) for name, each in zip(names, columns, strict=True)}
        return pd.DataFrame(series, copy=False)

    def _matrix(self, columns: Sequence[pa.Array]) -> Any:
        import numpy as np

        if len(columns) == 1 and pa.types.is_list(columns[0].type):
            return to_matrix(columns[0], str(self.tensor), self.width)
        arrays = [to_tensor(each, str(self.tensor), self.timezone) for each in columns]
        return arrays[0] if self.vector else np.column_stack(arrays)


def _may_be_missing(kind: pa.DataType) -> bool:
    return not (pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _all_valid(columns: Sequence[pa.Array], length: int) -> pa.BooleanArray:
    mask = pa.repeat(pa.scalar(True), length)
    for each in columns:
        if each.null_count:
            mask = pc.and_(mask, each.is_valid())
    return mask


def _all_present(columns: Sequence[pa.Array]) -> pa.BooleanArray:
    """Rows with neither NULL nor NaN."""
    mask = _all_valid(columns, len(columns[0]))
    for each in columns:
        if pa.types.is_floating(each.type):
            mask = pc.and_(mask, pc.invert(pc.fill_null(pc.is_nan(each), True)))
    return mask


def _spread(found: pa.Array, scored: pa.BooleanArray) -> pa.Array:
    """Put predictions back to the rows they belong to, NULL elsewhere."""
    places = pc.subtract(pc.cumulative_sum(scored.cast(pa.int64())), 1)
    return found.take(pc.if_else(scored, places, pa.scalar(None, pa.int64())))
