"""What runs inside a Python worker: score batches with a model.

Everything a worker imports costs every worker process time and memory, so this module needs pyarrow alone;
pandas, MLflow and the model's own library are imported when the first batch is scored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakepredict._settings import OnNull
from lakepredict._worker.batch import Absent, Batch, Feature, scattered
from lakepredict._worker.inputs import complete, gapless, to_matrix
from lakepredict._worker.missing import Notes, score_around_missing
from lakepredict._worker.model_input import ModelInput
from lakepredict._worker.packed_model import PackedModel
from lakepredict._worker.results import to_arrow, to_probabilities
from lakepredict.errors import (
    InputFormError,
    InputNullError,
    ModelFailedError,
    ModelUnloadableError,
)

if TYPE_CHECKING:
    from lakepredict._worker.compiled import PackedTrees
    from lakepredict._worker.native import NativeModel
    from lakepredict._worker.packed_model import MlflowModel


class Shipped(Protocol):
    """What carries a packed model to the workers: a ``pyspark.Broadcast``."""

    @property
    def value(self) -> PackedModel: ...


class ShippedTrees(Protocol):
    """What carries compiled trees: a ``pyspark.Broadcast``."""

    @property
    def value(self) -> PackedTrees: ...


@dataclass(frozen=True)
class Scorer:
    """A scalar Arrow UDF: one array per input of the model in, one array of predictions out.

    Attributes:
        model: the broadcast model.
        features: what the arrays are, in their order.
        result: the Arrow type of the predictions.
        timezone: the session's time zone; models see and give timestamps as its wall-clock time.
        on_null: what becomes of a row with a NULL in an input.
        lenient: whether a row that the model fails on gets NULL instead of failing the query.
        params: inference parameters, or None for the signature's defaults.
        shapes: for each output that is a tensor, the size of each dimension of a row.
        output: the name of the single output, or None.
        labels: class labels as keys of ``result``, to give their probabilities instead of predictions.
        native: whether the model is called without MLflow.
        trees: the broadcast trees of the model, if they were compiled.
        absent: the optional inputs that the call does not provide.
    """

    model: Shipped
    features: tuple[Feature, ...]
    result: pa.DataType
    timezone: str
    on_null: OnNull = "null"
    output: str | None = None
    lenient: bool = False
    params: dict[str, Any] | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    labels: pa.Array | None = field(default=None, compare=False)
    native: bool = False
    trees: ShippedTrees | None = None
    absent: tuple[Absent, ...] = ()

    def __call__(self, *columns: pa.Array, when: pa.BooleanArray | None = None) -> pa.Array:
        """Score a batch.

        With ``when``, which is what CASE and its kin come to, only the rows where it is true are scored. The others
        are as if they were not there: nothing checks them, and their predictions are NULL.

        Where ``on_null`` is ``null``, a row with a NULL in an input that cannot be missing (integer, boolean)
        gets a NULL prediction and never reaches the model. Other NULLs reach it as missing values; where the
        model refuses those, their rows get NULL and the others are scored. Which rows are in a batch makes no
        difference to any of them.

        Raises:
            ScoringError: one of its kinds.
        """
        score = self._score_in_parts if self.lenient else self._score
        batch = Batch(list(columns))
        if when is None or when.true_count == len(batch):
            return score(batch)
        if not when.true_count:
            return pa.nulls(len(batch), self.result)  # not even the model's files are fetched
        rows = pc.indices_nonzero(when)
        return scattered(score(batch.take(rows)), rows, len(batch))

    def answer(self, *columns: pa.Array) -> Any:
        """Return what the model itself gives for a batch in which no row is left out.

        Raises:
            ScoringError: one of its kinds.
        """
        return self._ask(Batch(list(columns)))

    def _score_in_parts(self, batch: Batch) -> pa.Array:
        """Halve the batch until the rows that the model fails on stand alone."""
        try:
            return self._score(batch)
        except (ModelUnloadableError, InputFormError, MemoryError):
            raise
        except Exception:
            if len(batch) == 1:
                return pa.nulls(1, self.result)
        half = len(batch) // 2
        parts = (batch.slice(0, half), batch.slice(half, len(batch) - half))
        return pa.concat_arrays([self._score_in_parts(each) for each in parts])

    def _score(self, batch: Batch) -> pa.Array:
        usable = self._usable(batch)
        rows = None if usable.true_count == len(batch) else pc.indices_nonzero(usable)
        shown = batch if rows is None else batch.take(rows)
        if self.on_null != "null":
            found = self._predict(shown)
        else:
            found = score_around_missing(shown, self.features, self._predict, self._notes())
        return found if rows is None else scattered(found, rows, len(batch))

    def _notes(self) -> Notes:
        key = (self.features, self.labels is None, repr(self.params))
        notes: Notes = self.model.value.notes.setdefault(key, Notes())
        return notes

    def _usable(self, batch: Batch) -> pa.BooleanArray:
        """The rows that can be shown to the model."""
        mask = pa.repeat(pa.scalar(True), len(batch))
        for feature, column in zip(self.features, batch.columns, strict=True):
            if column.null_count == 0 and not pa.types.is_nested(column.type):
                continue
            strict = self.on_null == "error" and feature.required
            present = self._present(feature, column, strict=strict)
            gaps = len(batch) - present.true_count
            if gaps and not self.lenient:
                if strict:
                    raise InputNullError.where_none_may_be(self.model.value.label, self._input.shown(feature), gaps)
                if self.on_null == "pass":
                    raise InputNullError(
                        model=self.model.value.label,
                        input=self._input.shown(feature),
                        expected=f"a value in each row, since a tensor of {feature.dtype} has no missing value",
                        rows=str(gaps),
                    )
            mask = pc.and_(mask, present)
        return mask

    def _present(self, feature: Feature, column: pa.Array, *, strict: bool) -> pa.BooleanArray:
        """The rows without a NULL that the model cannot be shown; without any, where ``strict``."""
        missing = feature.may_be_missing(column.type) and not strict
        if feature.dtype is not None:
            return complete(column, scalars=not missing)
        if self.on_null == "pass":
            return pa.repeat(pa.scalar(True), len(column))
        return gapless(column) if missing else pc.and_(gapless(column), column.is_valid())

    def _predict(self, batch: Batch) -> pa.Array:
        """The predictions for rows that are all shown to the model.

        Raises:
            ModelFailedError: the model failed.
        """
        if not len(batch):
            return pa.nulls(0, self.result)
        found = None
        if self.trees is not None:
            found = self.trees.value.score(to_matrix(batch.columns), probabilities=self.labels is not None)
        return self._to_arrow(self._ask(batch) if found is None else found, len(batch))

    def _ask(self, batch: Batch) -> Any:
        """Return what the model itself gives.

        An optional input that the call does not provide is left out of what the model gets, unless it needs the
        column: because it was fitted on it, or because it fails and names it. Then it is a column of missing values.

        Raises:
            ModelFailedError: the model failed.
        """
        model = self.model.value.load(self._input.names if self.native else None)
        noted: set[str] = self.model.value.notes.setdefault(("needed", self.absent), set())
        needed = noted.union(model.lacks(self._input.absent_names))
        while True:
            try:
                answer = self._call(model, self._input.of(batch, model, needed), len(batch))
            except ModelFailedError as exc:
                named = {name for name in self._input.absent_names if f"'{name}'" in exc.parameters["reason"]}
                if named <= needed:
                    raise
                needed |= named
            else:
                noted |= needed
                return answer

    def _call(self, model: MlflowModel | NativeModel, data: Any, rows: int) -> Any:
        try:
            return model.predict(data, self.params) if self.labels is None else model.probabilities(data)
        except MemoryError:
            raise
        except (Exception, SystemExit) as exc:  # a model that calls sys.exit is not to end the worker
            reason = f"{type(exc).__name__}: {exc}"
            raise ModelFailedError(model=self.model.value.label, rows=str(rows), reason=reason) from exc

    @cached_property
    def _input(self) -> ModelInput:
        nullable = self.on_null == "pass"
        return ModelInput(self.features, self.absent, self.timezone, nullable, self.model.value.label)

    def _to_arrow(self, found: Any, rows: int) -> pa.Array:
        label = self.model.value.label
        if self.labels is not None:
            return to_probabilities(found, self.labels, self.result, rows, label)
        return to_arrow(found, self.result, rows, self.timezone, label, self.shapes, self.output)
