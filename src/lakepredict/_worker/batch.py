"""A batch of rows on its way into a model, and predictions on their way back to their rows."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Feature:
    """One array of a batch, and what the model takes it as.

    Attributes:
        name: the input's name, or None.
        dtype: the NumPy type of a tensor, or None for a column of a data frame.
        shape: the size of each dimension of a row of a tensor; -1 where it is not fixed.
        required: whether the signature says that the model needs it.
        label: the name of its column in the data frame, where that is a number.
    """

    name: str | None
    dtype: str | None = None
    shape: tuple[int, ...] = ()
    required: bool = True
    label: float | None = None

    def column(self, place: int) -> str | float:
        """Return the name of its column in a data frame, in which it stands at ``place``."""
        if self.label is not None:
            return self.label
        return place if self.name is None else self.name

    def may_be_missing(self, kind: pa.DataType) -> bool:
        """Whether the model's form of it has a missing value: NaN, None or NaT."""
        if self.dtype is None:
            return not (pa.types.is_integer(kind) or pa.types.is_boolean(kind))
        return self.dtype.startswith("float") or self.dtype == "object"


@dataclass(frozen=True)
class Absent:
    """An optional input that a call does not provide.

    Attributes:
        feature: the input.
        place: its place among the model's inputs.
        type: the Arrow type of a column of missing values in its place.
    """

    feature: Feature
    place: int
    type: pa.DataType


def missing_type(arrow_type: pa.DataType) -> pa.DataType:
    """Return the type that a column of missing values has where values have ``arrow_type``.

    pandas has integers beside missing ones as floats, so that is what a model was trained on.
    """
    return pa.float64() if pa.types.is_integer(arrow_type) else arrow_type


@dataclass(frozen=True)
class Batch:
    """Arrays of one length, one for each input of the model."""

    columns: list[pa.Array]

    def __len__(self) -> int:
        return len(self.columns[0])

    def slice(self, offset: int, length: int) -> Batch:
        """Some rows in a row; nothing is copied."""
        return Batch([each.slice(offset, length) for each in self.columns])

    def take(self, rows: pa.Array) -> Batch:
        """The rows at some places."""
        return Batch([each.take(rows) for each in self.columns])


def scattered(found: pa.Array, rows: pa.Array, length: int) -> pa.Array:
    """Predictions for the rows at some places of a batch of ``length`` rows, and NULL for the others."""
    import numpy as np

    places = np.full(length, -1)
    places[rows.to_numpy()] = np.arange(len(found))
    return found.take(pa.array(places, mask=places < 0))
