"""Class labels and probabilities of classifiers, from the native model under MLflow's wrapper.

Runs in Python workers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any


class NoProbabilitiesError(Exception):
    """The model gives no probabilities; the message says what it is."""


@dataclass(frozen=True)
class Classifier:
    """What a classifier knows and does.

    Attributes:
        labels: the class labels, a one-dimensional NumPy array of their own type.
        probabilities: takes what the model takes, gives one row of probabilities for each row, in the order of
            ``labels``.
    """

    labels: Any
    probabilities: Callable[[Any], Any]


def classifier(model: Any) -> Classifier:
    """The classifier in a ``mlflow.pyfunc.PyFuncModel``.

    Raises:
        NoProbabilitiesError: it is none.
    """
    flavor = str(model.loader_module).removeprefix("mlflow.")
    try:
        native = model.get_raw_model()
    except NotImplementedError:
        what = "a custom model" if flavor.startswith("pyfunc") else f"a model of the flavor {flavor}"
        raise NoProbabilitiesError(f"{what}, which has no classifier of its own") from None
    return classifier_of(native, flavor)


def classifier_of(native: Any, flavor: str) -> Classifier:
    """The classifier that a library's own model is.

    Any model with ``predict_proba`` and ``classes_`` (scikit-learn's interface, which XGBoost, LightGBM and
    CatBoost share) is one, and so are the boosters of XGBoost and LightGBM with a classification objective.

    Raises:
        NoProbabilitiesError: it is none.
    """
    if hasattr(native, "predict_proba") and hasattr(native, "classes_"):
        return Classifier(label_array(native.classes_), native.predict_proba)
    read = _NATIVE.get(f"{type(native).__module__}.{type(native).__name__}")
    if read is not None:
        return read(native)
    raise NoProbabilitiesError(f"a {type(native).__name__} (flavor {flavor}), {_what(native)}")


def _what(native: Any) -> str:
    kind = getattr(native, "_estimator_type", None)
    if kind is None and hasattr(native, "__sklearn_tags__"):
        kind = native.__sklearn_tags__().estimator_type
    return f"a {kind}" if kind == "regressor" else "which has no predict_proba"


def label_array(classes: Any) -> Any:
    """Class labels as a NumPy array of one type.

    Raises:
        NoProbabilitiesError: there are several outputs, or labels of several types.
    """
    import numpy as np

    if isinstance(classes, list) and any(isinstance(each, np.ndarray) for each in classes):
        raise NoProbabilitiesError("a classifier of several outputs")
    labels = np.asarray(classes)
    if labels.dtype == object:
        kinds = {type(each).__name__ for each in labels}
        if len(kinds) > 1:
            raise NoProbabilitiesError(f"a classifier whose labels are of several types: {', '.join(sorted(kinds))}")
        labels = np.array(labels.tolist())
    return labels


def _xgboost(booster: Any) -> Classifier:
    """XGBoost's own booster, whose labels are 0 to n - 1.

    The names of its objectives are those of XGBoost's parameter ``objective``.
    """
    import numpy as np
    import xgboost

    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    classes = max(int(learner["learner_model_param"]["num_class"]), 2)

    def probabilities(data: Any) -> Any:
        matrix = xgboost.DMatrix(data, enable_categorical=hasattr(data, "columns"))
        found = booster.predict(matrix, output_margin=objective == "multi:softmax")
        if objective == "multi:softprob":
            return found
        if objective == "multi:softmax":
            powers = np.exp(found - found.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)
        positive = 1 / (1 + np.exp(-found)) if objective == "binary:logitraw" else found
        return np.column_stack([1 - positive, positive])

    if objective not in ("binary:logistic", "binary:logitraw", "multi:softprob", "multi:softmax"):
        raise NoProbabilitiesError(f"an XGBoost booster of the objective {objective}")
    return Classifier(np.arange(classes), probabilities)


def _lightgbm(booster: Any) -> Classifier:
    """LightGBM's own booster, whose labels are 0 to n - 1.

    The names of its objectives are those of LightGBM's parameter ``objective``.
    """
    import numpy as np

    objective = str(booster.dump_model(num_iteration=1).get("objective", "none"))
    name = objective.partition(" ")[0]

    def probabilities(data: Any) -> Any:
        found = booster.predict(data)
        return np.column_stack([1 - found, found]) if found.ndim == 1 else found

    if name not in ("binary", "multiclass"):
        raise NoProbabilitiesError(f"a LightGBM booster of the objective {name}")
    return Classifier(np.arange(2 if name == "binary" else booster.num_model_per_iteration()), probabilities)


def _catboost(model: Any) -> Classifier:
    """CatBoost's own model of no declared kind; the names are those of its parameter ``loss_function``."""
    loss = str(model.get_all_params().get("loss_function"))
    if loss not in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"):
        raise NoProbabilitiesError(f"a CatBoost model of the loss function {loss}")
    return Classifier(label_array(model.classes_), partial(model.predict, prediction_type="Probability"))


_NATIVE: dict[str, Callable[[Any], Classifier]] = {
    "xgboost.core.Booster": _xgboost,
    "lightgbm.basic.Booster": _lightgbm,
    "catboost.core.CatBoost": _catboost,
}
