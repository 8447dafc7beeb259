"""The value that stands for a missing one, ``missing=``, which XGBoost's file of a model does not keep.

A model that was trained with ``missing=0.0`` and logged by ``mlflow.xgboost`` comes back with NaN, and takes 0.0 for a
number. Nothing in the file tells. What can be seen is the model before it is logged, and what its run says of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_OF_ESTIMATOR = re.compile(r"\bmissing=([^\s,)]+)")
"""How an estimator's text shows the value; a search of scikit-learn logs such a text."""

WAY_OUT = "mlflow.sklearn.log_model(model, serialization_format='cloudpickle', ...) keeps it"
"""What to do."""


def of_model(model: Any) -> str | None:
    """Return a warning about a model of XGBoost that its own file would not hold, or None.

    A ``Booster`` does not know the value: it belongs to the matrices that it is given.
    """
    value = getattr(model, "missing", None)
    library = type(model).__module__.partition(".")[0]
    if library != "xgboost" or value is None or not _is_lost(str(value)):
        return None
    return (
        f"mlflow.xgboost.log_model does not keep missing={value!r} of this model: PREDICT, like MLflow, would take such"
        f" a value for a number. {WAY_OUT}."
    )


def of_run(flavors: Iterable[str], params: Mapping[str, str]) -> str | None:
    """Return a warning about a logged model that its run says was trained with such a value, or None.

    Args:
        flavors: MLflow's names of the forms that the model was logged in.
        params: the parameters of its run. ``mlflow.xgboost.autolog`` does not log the value; calls of
            ``mlflow.log_params(model.get_params())`` do.
    """
    if "xgboost" not in flavors:
        return None
    values = [value for name, value in params.items() if re.split(r"__|[./]", name)[-1] == "missing"]
    for text in params.values():
        values += _OF_ESTIMATOR.findall(text)
    lost = next((value for value in values if _is_lost(value)), None)
    if lost is None:
        return None
    return (
        f"its run says that it was trained with missing={lost}, which mlflow.xgboost does not keep: PREDICT, like"
        f" MLflow, takes such a value for a number. {WAY_OUT}."
    )


def unknown(flavors: Iterable[str]) -> str | None:
    """Return what cannot be seen of a logged model, or None where nothing is lost."""
    if "xgboost" not in flavors:
        return None
    return (
        "a model that was trained with another missing= than NaN does not keep it when mlflow.xgboost logs it:"
        f" {WAY_OUT}."
    )


def _is_lost(value: str) -> bool:
    try:
        return not math.isnan(float(value))
    except ValueError:
        return value not in ("None", "")
