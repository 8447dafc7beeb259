"""Forecasters that answer one row a call, asked for each row of a batch by itself; runs in Python workers.

MLflow's wrappers of pmdarima and of statsmodels' time series take a data frame of one row, which says what to forecast:
``n_periods``, or ``start`` and ``end``. They give a prediction for each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def answers_one_row(model: Any) -> bool:
    """Return whether a ``mlflow.pyfunc.PyFuncModel`` takes one row a call."""
    if model.loader_module == "mlflow.pmdarima":
        return True
    if model.loader_module != "mlflow.statsmodels":
        return False
    from statsmodels.tsa.base.tsa_model import TimeSeriesModel

    return isinstance(getattr(model.get_raw_model(), "model", None), TimeSeriesModel)


def has_arrays(signature: Any) -> bool:
    """Return whether a signature has an output that is an array for each row, which has room for several steps."""
    outputs = signature.outputs if signature is not None else None
    return outputs is not None and any(_is_array(spec) for spec in outputs)


def _is_array(spec: Any) -> bool:
    from mlflow.types.schema import Array, TensorSpec

    if isinstance(spec, TensorSpec):
        return len(spec.shape) > 1
    return isinstance(spec.type, Array)


def asked_row_by_row(ask: Callable[[Any], Any], rows: Any, *, as_arrays: bool) -> dict[str, list[Any]]:
    """Return the answers for the rows of a data frame, as columns.

    Args:
        ask: takes a data frame of one row, gives a series or a data frame with a prediction for each step.
        rows: the data frame.
        as_arrays: whether the steps of a row are an array, instead of one value.

    Raises:
        ValueError: a row is answered with more or fewer steps than one, where it should be one.
    """
    columns: dict[str, list[Any]] = {}
    for place in range(len(rows)):
        answer = ask(rows.iloc[[place]].reset_index(drop=True))
        steps = answer if hasattr(answer, "columns") else {"prediction": answer}
        for name in steps:
            values = list(steps[name])
            if not as_arrays and len(values) != 1:
                raise ValueError(
                    f"it gives {len(values)} predictions for one row; ask for one step a row (end = start, or"
                    " n_periods = 1), or log it with a signature whose output is an Array"
                )
            columns.setdefault(str(name), []).append(values if as_arrays else values[0])
    return columns
