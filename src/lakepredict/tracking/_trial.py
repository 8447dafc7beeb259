"""A model tried before it is logged, by the code that will call it in Python workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from lakepredict._arrow_types import arrow_type
from lakepredict._signature import Input, UnsupportedTypeError, read_signature
from lakepredict._worker.batch import Feature
from lakepredict._worker.native import NativeModel
from lakepredict._worker.scorer import Scorer
from lakepredict.errors import InputFormError, ModelFormatError, ScoringError

_TRIED = 5
"""On how many of the given rows a model is tried."""


def try_on(model: Any, rows: Any, schema: Schema) -> None:
    """Check that a model gives one value a row where a Python worker calls it.

    Args:
        model: a fitted model.
        rows: a data frame, a column or a matrix, of which the first few rows are used.
        schema: the inputs that the model is to have.

    Raises:
        ModelFormatError: it fails, or gives something else.
    """
    rows = rows[:_TRIED]
    if not hasattr(model, "predict"):
        raise ModelFormatError(
            "The model cannot be tried.",
            expected="a fitted model with predict",
            got=type(model).__name__,
            hint="give a signature in place of the data: then the model is not tried.",
        )
    inputs = _inputs_of(schema)
    scorer = _scorer(model, inputs)
    try:
        result = np.asarray(scorer.answer(*_columns(rows, inputs)))
    except InputFormError as exc:
        parts = {name: exc.parameters[name] for name in ("expected", "got", "hint")}
        raise ModelFormatError("The model cannot take these inputs from PREDICT.", **parts) from exc
    except ScoringError as exc:
        reason = exc.parameters.get("reason") or exc.parameters["got"]
        raise ModelFormatError(
            "The model fails on its own inputs as PREDICT gives them.",
            expected="a prediction for each row, with integers as double",
            got=reason.strip().splitlines()[0],
            hint="if the model needs integers, name their columns in never_null; give the columns that it learnt from.",
        ) from exc
    if result.shape not in {(len(rows),), (len(rows), 1)}:
        raise ModelFormatError(
            "The model does not give one value a row.",
            expected=f"a result of shape {(len(rows),)}",
            got=f"{result.shape}",
            hint="log it with a signature of several outputs by hand: PREDICT gives a STRUCT then.",
        )


def _inputs_of(schema: Schema) -> tuple[Input, ...]:
    try:
        return read_signature(ModelSignature(schema, Schema([ColSpec(DataType.double)]))).inputs
    except UnsupportedTypeError as exc:
        raise ModelFormatError(
            "PREDICT cannot give the model its inputs.",
            expected="types that SQL has",
            got=str(exc),
            hint="fit the model on numbers, texts, booleans or dates.",
        ) from exc


def _scorer(model: Any, inputs: Sequence[Input]) -> Scorer:
    features = tuple(Feature(each.name, each.dtype, each.shape, each.required, each.label) for each in inputs)
    try:
        loaded = _Loaded(NativeModel.of(model, [feature.name for feature in features]))
    except Exception as exc:  # boosters that were not fitted raise what their library chooses
        raise ModelFormatError(
            "The model cannot be tried.",
            expected="a fitted model",
            got=f"{type(model).__name__}: {exc}",
            hint="fit the model first.",
        ) from exc
    # No time zone is known here; times without one stay what they are.
    return Scorer(loaded, features, pa.float64(), timezone="UTC", native=True)


def _columns(rows: Any, inputs: Sequence[Input]) -> list[pa.Array]:
    """Return rows as Spark sends them to a Python worker, a column for each input."""
    arrow_types = [arrow_type(each.type) for each in inputs]
    if not isinstance(rows, np.ndarray):
        frame = rows.to_frame() if isinstance(rows, pd.Series) else rows
        return [_column(frame.iloc[:, place], wanted) for place, wanted in enumerate(arrow_types)]
    if len(inputs) > 1 or rows.shape[1:] == (1,):
        return [pa.array(rows[:, place].tolist(), wanted) for place, wanted in enumerate(arrow_types)]
    return [pa.array(rows.tolist(), arrow_types[0])]


def _column(values: pd.Series[Any], wanted: pa.DataType) -> pa.Array:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    if pa.types.is_timestamp(wanted):
        return pa.Array.from_pandas(pd.to_datetime(values, utc=True).dt.as_unit("us"), type=wanted)
    plain = values.astype("float64") if pa.types.is_floating(wanted) else values.astype(object)
    return pa.Array.from_pandas(plain, type=wanted)


@dataclass
class _Loaded:
    """A model that was not logged, in the place of one that was sent to a Python worker."""

    model: NativeModel
    label: str = "the model"
    notes: dict[Any, Any] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        return self

    def load(self, names: tuple[str | None, ...] | None = None) -> NativeModel:
        return self.model
