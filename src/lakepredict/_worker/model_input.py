"""A batch as a model takes it: a matrix, a data frame or what stands for one, a tensor, tensors by their names.

Runs in Python workers; pandas is imported when a model takes a data frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakepredict._worker.batch import Absent, Batch, Feature
from lakepredict._worker.categories import Categories, UnknownCategoryError
from lakepredict._worker.form import Form, FormError
from lakepredict._worker.inputs import to_matrix, to_numpy, to_tensor
from lakepredict.errors import InputFormError, InputInvalidError

if TYPE_CHECKING:
    import pandas as pd

    from lakepredict._worker.native import NativeModel
    from lakepredict._worker.packed_model import MlflowModel

Columns = list[tuple[Feature, pa.Array]]


@dataclass(frozen=True)
class ModelInput:
    """Turns batches into what a model takes.

    Attributes:
        features: what the arrays of a batch are, in their order.
        absent: the optional inputs that a batch does not have.
        timezone: the session's; models see timestamps as its wall-clock time.
        nullable: whether integers and booleans may be missing, as in pandas' nullable types.
        label: how messages name the model.
    """

    features: tuple[Feature, ...]
    absent: tuple[Absent, ...]
    timezone: str
    nullable: bool
    label: str

    @property
    def names(self) -> tuple[str | None, ...]:
        """The names of all inputs in the order of the signature, with those that are absent."""
        nothing = Batch([pa.nulls(0)] * len(self.features))
        return tuple(feature.name for feature, _ in self._completed(nothing, self.absent_names))

    @property
    def absent_names(self) -> frozenset[str]:
        """The names of the inputs that a batch does not have."""
        return frozenset(str(column.feature.name) for column in self.absent)

    def of(self, batch: Batch, model: MlflowModel | NativeModel, needed: Set[str]) -> Any:
        """Return a batch as the model takes it; what it gets is its own to change.

        Args:
            batch: an array for each feature.
            model: says in which form it takes the batch.
            needed: the absent inputs that it gets as columns of missing values.

        Raises:
            InputFormError: the model takes the inputs in no form.
            InputInvalidError: a value does not fit.
        """
        columns = list(self._completed(batch, needed))
        form = self._form(columns, model)
        if self.features[0].dtype is not None:
            return self._tensors(columns, form)
        if form.takes == "matrix":
            return to_matrix([values for _, values in columns])
        return form.arranged(self._frame(columns, form))

    def shown(self, feature: Feature) -> str:
        """Return how messages name an input."""
        return str(self.features.index(feature) + 1) if feature.name is None else feature.name

    def _completed(self, batch: Batch, needed: Set[str]) -> Iterator[tuple[Feature, pa.Array]]:
        """Yield the columns of a batch and those that it needs beside them, in the order of the signature."""
        given = iter(zip(self.features, batch.columns, strict=True))
        absent = {column.place: column for column in self.absent}
        for place in range(len(self.features) + len(absent)):
            column = absent.get(place)
            if column is None:
                yield next(given)
            elif column.feature.name in needed:
                yield column.feature, pa.nulls(len(batch), column.type)

    def _form(self, columns: Columns, model: MlflowModel | NativeModel) -> Form:
        names = [feature.name for feature, _ in columns]
        try:
            return model.form(names, [values.type for _, values in columns])
        except FormError as exc:
            raise InputFormError(model=self.label, expected=exc.expected, got=exc.got, hint=exc.hint) from exc

    def _tensors(self, columns: Columns, form: Form) -> Any:
        tensors = [self._tensor(feature, values) for feature, values in columns]
        if self.features[0].name is not None:
            return {feature.name: tensor for feature, tensor in zip(self.features, tensors, strict=True)}
        if len(tensors) == 1:
            return tensors[0].reshape(-1) if form.takes == "column" else tensors[0]
        import numpy as np

        return np.column_stack(tensors)

    def _frame(self, columns: Columns, form: Form) -> pd.DataFrame:
        import pandas as pd

        series = {}
        for place, (feature, values) in enumerate(columns):
            series[feature.column(place)] = self._column(feature, values, form.categories.get(place))
        return pd.DataFrame(series, copy=False)

    def _column(self, feature: Feature, values: pa.Array, categories: Categories | None) -> Any:
        try:
            if categories is not None:
                return categories.column(values)
            column = to_numpy(values, self.timezone, nullable=self.nullable)
        except UnknownCategoryError as exc:
            raise self._invalid(feature, f"a category that the model was trained with: {categories}", exc) from exc
        except (ValueError, OverflowError) as exc:
            raise self._invalid(feature, "times that the model's library can hold", exc) from exc
        # Arrow's own memory is read-only, and belongs to all calls of the query that have the column.
        return column if _is_writable(column) else column.copy()

    def _tensor(self, feature: Feature, values: pa.Array) -> Any:
        try:
            return to_tensor(values, str(feature.dtype), feature.shape, self.timezone)
        except ValueError as exc:
            shape = f" in the shape {feature.shape}" if feature.shape else ""
            raise self._invalid(feature, f"values of {feature.dtype}{shape}", exc) from exc

    def _invalid(self, feature: Feature, expected: str, reason: Exception) -> InputInvalidError:
        return InputInvalidError(model=self.label, input=self.shown(feature), expected=expected, got=str(reason))


def _is_writable(values: Any) -> bool:
    """Return whether a column is one that its owner may change: any but a read-only NumPy array."""
    import numpy as np

    return not isinstance(values, np.ndarray) or bool(values.flags.writeable)
