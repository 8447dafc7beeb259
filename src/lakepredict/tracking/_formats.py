"""What MLflow's ``log_model`` calls need so that PREDICT can use the model: a scalar signature, a format that loads."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from pandas.api import types as kinds

from lakepredict.errors import ModelFormatError

_TRIED = 5
"""On how many of the given rows a model is tried."""


def for_predict(
    model: Any,
    inputs: pd.DataFrame | np.ndarray[Any, Any] | ModelSignature,
    *,
    name: str = "model",
    never_null: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments for ``mlflow.<flavor>.log_model(model, **for_predict(model, X))`` that let PREDICT use the model.

    **The signature** has the columns of ``inputs`` in their order, and one output, ``prediction``: the labels' type
    for a classifier, else DOUBLE. Integer columns become double, since a table's column may have a NULL and an
    integer input then gives none but a NULL prediction; name those that never have one in ``never_null`` to keep
    their type. (A double column is not taken as int64 by MLflow's own ``pyfunc``: there it is to be float64.) The
    model is tried on the first rows as PREDICT will give them.

    **The format**, for models of scikit-learn and those like them: MLflow's default, skops, where the model comes
    back whole from it, with each of its types that skops does not know declared as trusted. MLflow alone loads none
    of the forests and boosted trees. A model that skops cannot hold, or with code of ``__main__`` (a notebook), is
    kept as ``cloudpickle``, which takes such code along. XGBoost and CatBoost have formats of their own.

    Args:
        model: a fitted model with ``predict``: of scikit-learn, XGBoost, LightGBM, CatBoost or another library.
        inputs: the training data, or some rows of it, without the label: a pandas data frame, or a NumPy matrix,
            whose columns PREDICT takes by position. Or a whole signature, which is kept as it is; then the model
            is not tried.
        name: the name under which the model is logged.
        never_null: integer columns that are never NULL.

    Returns:
        The arguments ``name`` and ``signature``, and for the format ``serialization_format`` and
        ``skops_trusted_types`` where the library's ``log_model`` takes them. Others may be added.

    Raises:
        ModelFormatError: a column is of a type that MLflow has not, the model fails on the rows, or it gives more
            than one value a row.

    Example:
        >>> mlflow.sklearn.log_model(model, **tracking.for_predict(model, X_train))  # doctest: +SKIP
    """
    if isinstance(inputs, ModelSignature):
        return {"name": name, "signature": inputs, **_format(model)}
    schema = _matrix_schema(inputs) if isinstance(inputs, np.ndarray) else _frame_schema(inputs, never_null)
    _try(model, _as_given(inputs[:_TRIED], schema))
    return {"name": name, "signature": ModelSignature(schema, _output(model)), **_format(model)}


def _matrix_schema(matrix: np.ndarray[Any, Any]) -> Schema:
    dtype = np.dtype("float64") if matrix.dtype.kind in "iu" else matrix.dtype
    return Schema([TensorSpec(dtype, (-1, *matrix.shape[1:]))])


def _frame_schema(frame: pd.DataFrame, never_null: Sequence[str]) -> Schema:
    if not isinstance(frame, pd.DataFrame):
        raise ModelFormatError(
            "The inputs are not of a form that a signature can be made of.",
            expected="a pandas data frame, a NumPy matrix, or a signature",
            got=type(frame).__name__,
            hint="for a Spark data frame: for_predict(model, lakepredict.tracking.signature_of(frame)).",
        )
    unknown = sorted(set(never_null) - set(map(str, frame.columns)))
    if unknown:
        raise ModelFormatError(
            "never_null names columns that the inputs do not have.",
            expected=f"columns of {', '.join(map(str, frame.columns))}",
            got=", ".join(unknown),
            hint="check the names.",
        )
    return Schema([ColSpec(_type(frame[column], column in never_null), str(column)) for column in frame.columns])


def _type(column: pd.Series[Any], never_null: bool) -> DataType:
    """The MLflow type of a column; of a categorical one, that of its categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _type(column.cat.categories.to_series(), never_null)
    if kinds.is_bool_dtype(column.dtype):
        return DataType.boolean
    if kinds.is_integer_dtype(column.dtype):
        return DataType.double if not never_null else _INTEGERS.get(str(column.dtype).lower(), DataType.long)
    if kinds.is_float_dtype(column.dtype):
        return DataType.double
    if kinds.is_datetime64_any_dtype(column.dtype):
        return DataType.datetime
    inferred = kinds.infer_dtype(column, skipna=True)
    if inferred not in _OBJECTS:
        raise ModelFormatError(
            f"The column `{column.name}` has no type that a signature can have.",
            expected="numbers, booleans, text, bytes or dates",
            got=f"{column.dtype} of {inferred} values",
            hint="convert the column, or leave it out of the model's inputs.",
        )
    return _OBJECTS[inferred]


_INTEGERS = dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), DataType.integer)
"""pandas type -> MLflow type, of integers that are smaller than a long."""

_OBJECTS = {
    "string": DataType.string,
    "bytes": DataType.binary,
    "boolean": DataType.boolean,
    "integer": DataType.double,
    "floating": DataType.double,
    "decimal": DataType.double,
    "mixed-integer-float": DataType.double,
    "datetime": DataType.datetime,
    "datetime64": DataType.datetime,
    "date": DataType.datetime,
}
"""What pandas finds in a column of Python objects -> MLflow type."""


def _as_given(rows: Any, schema: Schema) -> Any:
    """Rows with the types that PREDICT gives a model of this schema."""
    if isinstance(rows, np.ndarray):
        return rows.astype(schema.numpy_types()[0])
    doubles = [spec.name for spec in schema if spec.type == DataType.double]
    plain = rows.rename(columns=str)
    for column in plain.select_dtypes("category"):
        plain[column] = plain[column].astype(object)
    return plain.assign(**{name: plain[name].astype("float64") for name in doubles})


def _try(model: Any, rows: Any) -> None:
    if _library(model) == "xgboost" and type(model).__name__ == "Booster":
        return  # takes XGBoost's own matrices alone; MLflow makes them
    try:
        result = np.asarray(model.predict(rows))
    except Exception as exc:
        raise ModelFormatError(
            "The model fails on its own inputs as PREDICT gives them.",
            expected="a prediction for each row, with integers as double",
            got=f"{type(exc).__name__}: {str(exc).strip().splitlines()[0] if str(exc).strip() else ''}".rstrip(": "),
            hint="if the model needs integers, name their columns in never_null; give the columns that it learnt from.",
        ) from exc
    if result.shape not in {(len(rows),), (len(rows), 1)}:
        raise ModelFormatError(
            "The model does not give one value a row.",
            expected=f"a result of shape {(len(rows),)}",
            got=f"{result.shape}",
            hint="log it with a signature of several outputs by hand: PREDICT gives a STRUCT then.",
        )


def _output(model: Any) -> Schema:
    labels = getattr(model, "classes_", None)
    kind = DataType.double if labels is None else _LABELS.get(np.asarray(labels).dtype.kind, DataType.string)
    return Schema([ColSpec(kind, "prediction")])


_LABELS = {"b": DataType.boolean, "i": DataType.long, "u": DataType.long, "f": DataType.double}
"""NumPy's kind of a classifier's labels -> MLflow type; other labels are text."""


def _library(model: Any) -> str:
    return type(model).__module__.partition(".")[0]


def _format(model: Any) -> dict[str, Any]:
    """The arguments for the format that ``log_model`` of the model's library takes."""
    like_sklearn = any(base.__module__.startswith("sklearn.") for base in type(model).__mro__)
    if not like_sklearn or _library(model) in ("xgboost", "catboost"):
        return {}
    if "skops_trusted_types" not in signature(mlflow.sklearn.log_model).parameters:
        return {}  # before MLflow 3.9, where cloudpickle was the default
    trusted = _trusted_types(model)
    if trusted is None:
        return {"serialization_format": "cloudpickle"}
    return {"serialization_format": "skops", "skops_trusted_types": trusted}


def _trusted_types(model: Any) -> list[str] | None:
    """The types that skops must be told to trust, or None if the model does not come back from it."""
    import skops.io

    try:
        data = skops.io.dumps(model)
        unknown = list(skops.io.get_untrusted_types(data=data))
        skops.io.loads(data, trusted=unknown)
    except Exception:  # what it cannot hold, or not restore, fails in as many ways as there are types
        return None
    return None if any(each.startswith("__main__.") for each in unknown) else unknown
