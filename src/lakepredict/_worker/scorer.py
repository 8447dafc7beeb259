"""What runs inside a Python worker: score batches with a model.

Everything a worker imports costs every worker process time and memory, so this module needs pyarrow alone;
pandas, MLflow and the model's own library are imported when the first batch is scored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakepredict._settings import OnNull
from lakepredict._worker.batch import Batch, Feature, scattered
from lakepredict._worker.categories import Categories, UnknownCategoryError
from lakepredict._worker.form import Form, FormError
from lakepredict._worker.inputs import (
    complete,
    gapless,
    to_matrix,
    to_numpy,
    to_tensor,
)
from lakepredict._worker.missing import Notes, score_around_missing
from lakepredict._worker.packed_model import PackedModel
from lakepredict._worker.results import to_arrow, to_probabilities
from lakepredict.errors import (
    InputFormError,
    InputInvalidError,
    InputNullError,
    ModelFailedError,
    ModelUnloadableError,
)

if TYPE_CHECKING:
    import pandas as pd

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

    def __call__(self, *columns: pa.Array) -> pa.Array:
        """Score a batch.

        Where ``on_null`` is ``null``, a row with a NULL in an input that cannot be missing (integer, boolean)
        gets a NULL prediction and never reaches the model. Other NULLs reach it as missing values; where the
        model refuses those, their rows get NULL and the others are scored. Which rows are in a batch makes no
        difference to any of them.

        Raises:
            ScoringError: one of its kinds.
        """
        score = self._score_in_parts if self.lenient else self._score
        return score(Batch(list(columns)))

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
                    raise InputNullError.where_none_may_be(self.model.value.label, self._shown(feature), gaps)
                if self.on_null == "pass":
                    raise InputNullError(
                        model=self.model.value.label,
                        input=self._shown(feature),
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

    def _shown(self, feature: Feature) -> str:
        return str(self.features.index(feature) + 1) if feature.name is None else feature.name

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
        """What the model itself gives."""
        model = self.model.value.load(tuple(each.name for each in self.features) if self.native else None)
        data = self._data(batch, model)
        try:
            return model.predict(data, self.params) if self.labels is None else model.probabilities(data)
        except MemoryError:
            raise
        except Exception as exc:
            raise ModelFailedError(
                model=self.model.value.label, rows=str(len(batch)), reason=f"{type(exc).__name__}: {exc}"
            ) from exc

    def _to_arrow(self, found: Any, rows: int) -> pa.Array:
        label = self.model.value.label
        if self.labels is not None:
            return to_probabilities(found, self.labels, self.result, rows, label)
        return to_arrow(found, self.result, rows, self.timezone, label, self.shapes, self.output)

    def _data(self, batch: Batch, model: MlflowModel | NativeModel) -> Any:
        """Return what the model takes: a matrix, a data frame or what stands for one, a tensor, tensors by name."""
        form = self._form(batch, model)
        if self.features[0].dtype is not None:
            return self._tensors(batch, form)
        if form.takes == "matrix":
            return to_matrix(batch.columns)
        return form.arranged(self._frame(batch, form))

    def _form(self, batch: Batch, model: MlflowModel | NativeModel) -> Form:
        names = [feature.name for feature in self.features]
        try:
            return model.form(names, [column.type for column in batch.columns])
        except FormError as exc:
            raise InputFormError(
                model=self.model.value.label, expected=exc.expected, got=exc.got, hint=exc.hint
            ) from exc

    def _tensors(self, batch: Batch, form: Form) -> Any:
        tensors = [self._tensor(*each) for each in zip(self.features, batch.columns, strict=True)]
        if self.features[0].name is not None:
            return {feature.name: tensor for feature, tensor in zip(self.features, tensors, strict=True)}
        if len(tensors) == 1:
            return tensors[0].reshape(-1) if form.takes == "column" else tensors[0]
        import numpy as np

        return np.column_stack(tensors)

    def _frame(self, batch: Batch, form: Form) -> pd.DataFrame:
        import pandas as pd

        columns = {}
        for place, (feature, values) in enumerate(zip(self.features, batch.columns, strict=True)):
            columns[feature.column(place)] = self._column(feature, values, form.categories.get(place))
        return pd.DataFrame(columns, copy=False)

    def _column(self, feature: Feature, values: pa.Array, categories: Categories | None) -> Any:
        """Return one column of a data frame, which the model may change.

        Raises:
            InputInvalidError: a value is no category of the model, or a time is out of the range of pandas' own type.
        """
        try:
            if categories is not None:
                return categories.column(values)
            column = to_numpy(values, self.timezone, nullable=self.on_null == "pass")
        except UnknownCategoryError as exc:
            raise self._invalid(feature, f"a category that the model was trained with: {categories}", exc) from exc
        except (ValueError, OverflowError) as exc:
            raise self._invalid(feature, "times that the model's library can hold", exc) from exc
        # Arrow's own memory is read-only, and belongs to all calls of the query that have the column.
        return column if _is_writable(column) else column.copy()

    def _tensor(self, feature: Feature, column: pa.Array) -> Any:
        try:
            return to_tensor(column, str(feature.dtype), feature.shape, self.timezone)
        except ValueError as exc:
            shape = f" in the shape {feature.shape}" if feature.shape else ""
            raise self._invalid(feature, f"values of {feature.dtype}{shape}", exc) from exc

    def _invalid(self, feature: Feature, expected: str, reason: Exception) -> InputInvalidError:
        label = self.model.value.label
        return InputInvalidError(model=label, input=self._shown(feature), expected=expected, got=str(reason))


def _is_writable(values: Any) -> bool:
    """Return whether a column is one that its owner may change: any but a read-only NumPy array."""
    import numpy as np

    return not isinstance(values, np.ndarray) or bool(values.flags.writeable)
