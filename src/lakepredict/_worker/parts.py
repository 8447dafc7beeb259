"""The fitted models in a model: steps of pipelines, members of ensembles, boosters; runs in Python workers."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

_OF_TARGET = {"transformer", "transformer_"}
"""Where scikit-learn keeps what it does to the target."""

_BOOSTERS = {"xgboost.core.Booster": "xgboost", "lightgbm.basic.Booster": "lightgbm"}
"""The classes that hold the trees of two libraries; a model that is not fitted has none."""


def parts(model: Any) -> Iterator[Any]:
    """Yield a model and the models, transformers and boosters in it, each once."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, (list, tuple)):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
        elif type(part).__name__ == "ndarray":
            waiting += part.reshape(-1).tolist() if part.dtype == object else []
        elif booster_library(part) is not None:
            yield part
        elif (hasattr(part, "get_params") or hasattr(part, "estimator")) and not isinstance(part, type):
            # What a calibrated classifier has for each fold is no estimator, but holds one.
            yield part
            members = getattr(part, "__dict__", {})
            waiting += [value for name, value in members.items() if name not in _OF_TARGET]


def booster_library(part: Any) -> str | None:
    """Return which library an object is a booster of, or None."""
    return _BOOSTERS.get(f"{type(part).__module__}.{type(part).__name__}")


def _fitted_names(model: Any) -> list[str] | None:
    """Return the names of the columns that a model was fitted on, or None if it has not kept them."""
    booster = getattr(model, "booster_", model)
    if booster_library(booster) == "lightgbm":
        names = booster.feature_name()
        return None if names == [f"Column_{place}" for place in range(len(names))] else list(names)
    # Of scikit-learn and its kin, of XGBoost's own boosters, of CatBoost.
    for attribute in ("feature_names_in_", "feature_names", "feature_names_"):
        kept = getattr(model, attribute, None)
        if kept is not None:
            return [str(name) for name in kept]
    return None


def lacking(model: Any, absent: Set[str]) -> set[str]:
    """Return which absent columns a library's own model was fitted on: all of them, where it has kept no names."""
    fitted = _fitted_names(model)
    return set(absent) if fitted is None else set(absent) & set(fitted)
