"""What MLflow's ``log_model`` calls need so that PREDICT can use the model: a scalar signature, a format that loads."""

from __future__ import annotations

import warnings
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
from lakepredict.tracking import _missing_value
from lakepredict.tracking._trial import try_on

Inputs = pd.DataFrame | pd.Series | np.ndarray[Any, Any] | Sequence[str] | Sequence[dict[str, Any]] | ModelSignature


def for_predict(
    model: Any,
    inputs: Inputs,
    *,
    name: str | None = None,
    never_null: Sequence[str] = (),
) -> dict[str, Any]:
    """Return arguments for ``mlflow.<flavor>.log_model(model, ...)`` that let PREDICT use the model.

    **The signature** has the columns of ``inputs`` in their order, and one output, ``prediction``: the labels' type
    for a classifier, else DOUBLE. Integer columns become double, since a table's column may have a NULL and an
    integer input then gives none but a NULL prediction; name those that never have one in ``never_null`` to keep
    their type. (A double column is not taken as int64 by MLflow's own ``pyfunc``: there it is to be float64.) The
    model is tried on the first rows as PREDICT will give them: categories of pandas are columns of their values, and a
    model that reads one text a row gets its column.

    **The format**, for models of scikit-learn and those like them: MLflow's default, skops, where the model comes
    back whole from it, with each of its types that skops does not know declared as trusted. MLflow alone loads none
    of the forests and boosted trees. A model that skops cannot hold, or with code of ``__main__`` (a notebook), is
    kept as ``cloudpickle``, which takes such code along. XGBoost and CatBoost have formats of their own; that of
    XGBoost does not hold ``missing=``, of which a ``UserWarning`` says what to do.

    Args:
        model: a fitted model with ``predict``: of scikit-learn, XGBoost, LightGBM, CatBoost or another library.
        inputs: the training data, or some rows of it, without the label: a pandas data frame; a column or a list of
            texts; a list of dicts, for a ``DictVectorizer``; or a NumPy matrix, whose columns PREDICT takes by
            position. Or a whole signature, which is kept as it is; then the model is not tried.
        name: the name under which the model is logged; None where ``log_model`` is given one beside these arguments.
        never_null: integer columns that are never NULL.

    Returns:
        The argument ``signature``, and for the format ``serialization_format`` and ``skops_trusted_types`` where the
        library's ``log_model`` takes them; ``name``, if it is given here. Others may be added.

    Raises:
        ModelFormatError: a column is of a type that MLflow has not, the model fails on the rows, or it gives more
            than one value a row.

    Example:
        >>> mlflow.sklearn.log_model(model, name="churn", **tracking.for_predict(model, X_train))  # doctest: +SKIP
    """
    lost = _missing_value.of_model(model)
    if lost is not None:
        warnings.warn(lost, stacklevel=2)
    named = {} if name is None else {"name": name}
    if isinstance(inputs, ModelSignature):
        return {**named, "signature": inputs, **_format(model)}
    rows = _as_rows(inputs)
    schema = _matrix_schema(rows) if isinstance(rows, np.ndarray) else _frame_schema(rows, never_null)
    try_on(model, rows, schema)
    return {**named, "signature": ModelSignature(schema, _output(model)), **_format(model)}


def _as_rows(inputs: Any) -> Any:
    """Return training data of any form as a data frame, a column or a matrix."""
    if isinstance(inputs, (pd.DataFrame, pd.Series, np.ndarray)):
        return inputs
    if isinstance(inputs, list) and inputs:
        if all(isinstance(row, str) for row in inputs):
            return pd.Series(inputs)
        if all(isinstance(row, dict) for row in inputs):
            return pd.DataFrame(inputs)
    raise ModelFormatError(
        "The inputs are not of a form that a signature can be made of.",
        expected="a pandas data frame, a column or a list of texts, a list of dicts, a NumPy matrix, or a signature",
        got=type(inputs).__name__,
        hint="for a Spark data frame: for_predict(model, lakepredict.tracking.signature_of(frame)).",
    )


def _matrix_schema(matrix: np.ndarray[Any, Any]) -> Schema:
    dtype = np.dtype("float64") if matrix.dtype.kind in "iu" else matrix.dtype
    return Schema([TensorSpec(dtype, (-1, *matrix.shape[1:]))])


def _frame_schema(rows: pd.DataFrame | pd.Series[Any], never_null: Sequence[str]) -> Schema:
    if isinstance(rows, pd.Series) and rows.name is None:
        return Schema([ColSpec(_type(rows, never_null=False))])
    frame = rows.to_frame() if isinstance(rows, pd.Series) else rows
    unknown = sorted(set(never_null) - set(map(str, frame.columns)))
    if unknown:
        raise ModelFormatError(
            "never_null names columns that the inputs do not have.",
            expected=f"columns of {', '.join(map(str, frame.columns))}",
            got=", ".join(unknown),
            hint="check the names.",
        )
    return Schema(
        [ColSpec(_type(frame[column], never_null=column in never_null), str(column)) for column in frame.columns]
    )


def _type(column: pd.Series[Any], *, never_null: bool) -> DataType:
    """The MLflow type of a column; of a categorical one, that of its categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _type(column.cat.categories.to_series(), never_null=never_null)
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
