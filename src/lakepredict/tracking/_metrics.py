"""What metrics mean: whether more or less of one is better, by its name, and the errors of a forecast; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import pandas as pd

from lakepredict.errors import MetricModeError

Mode = Literal["min", "max"]
"""``min`` where less is better, ``max`` where more is."""

_NAMES: dict[Mode, str] = {
    "min": "rmse mae wape mape smape wmape mase rmsse mse rmsle msle medae rmspe logloss mlogloss loss crossentropy"
    " brier brierloss pinball pinballloss quantileloss crps perplexity hingeloss hammingloss zerooneloss huberloss"
    " error merror errorrate maxerror rootmeansquarederror meanabsoluteerror meansquarederror"
    " meanabsolutepercentageerror medianabsoluteerror rootmeansquaredlogerror meansquaredlogerror"
    " weightedabsolutepercentageerror symmetricmeanabsolutepercentageerror meanabsolutescalederror"
    " meanpoissondeviance meangammadeviance meantweediedeviance falsepositiverate falsenegativerate daviesbouldin"
    " aic bic",
    "max": "r2 accuracy balancedaccuracy f1 fbeta auc rocauc aucroc prauc aucpr auprc auroc areaunderroc areaunderpr"
    " precision recall precisionrecallauc averageprecision meanaverageprecision sensitivity specificity"
    " truepositiverate truenegativerate matthewscorrcoef mcc cohenkappa kappa jaccard ndcg mrr hitrate"
    " silhouette calinskiharabasz adjustedrand normalizedmutualinfo explainedvariance",
}
"""Metrics whose direction is certain, by their names without capitals and marks; the usual ones first."""

_MODES = {name: mode for mode, names in _NAMES.items() for name in names.split()}

_WORD = re.compile(r"[A-Z0-9]+(?![a-z])|[A-Z]?[a-z0-9]+")
"""The words of a name: ``val_areaUnderROC`` has val, area, Under and ROC."""

_PLACES = "train training val valid validation test testing eval evaluation holdout dev cv oof at by label score"
_WAYS = "mean avg average best final macro micro weighted"
_ASIDE = (frozenset(_PLACES.split()), frozenset(f"{_PLACES} {_WAYS}".split()))
"""Words that say where, and where or how, a metric was taken: it is the metric without them."""


def is_duration(metric: str) -> bool:
    """Whether a metric says how long something took, and not how good a model is."""
    return metric.endswith("_seconds")


def mode_of(metric: str) -> Mode:
    """Whether less (``"min"``) or more (``"max"``) of a metric is better, where its name leaves no doubt.

    Words like ``val``, ``test`` or ``mean`` in a name, and numbers, are not looked at: ``validation_0-rmse`` is
    an RMSE. scikit-learn's ``neg_...`` turns a metric round.

    Raises:
        MetricModeError: the name is none of the well-known ones.

    Example:
        >>> mode_of("val_rmse"), mode_of("areaUnderROC"), mode_of("neg_log_loss")
        ('min', 'max', 'max')
    """
    mode = known_mode(metric)
    if mode is None:
        raise MetricModeError(
            f"Whether more or less of the metric `{metric}` is better is not known.",
            expected="a metric of a well-known name (rmse, mae, wape, log_loss, r2, accuracy, f1, auc, ...), or a mode",
            got=f"`{metric}` and no mode",
            hint='give mode="min" where less is better, mode="max" where more is.',
        )
    return mode


def known_mode(metric: str) -> Mode | None:
    """Whether less or more of a metric is better, or None where its name does not say."""
    words = _words(metric)
    if words[:1] == ["neg"]:
        return "max" if _MODES.get(_core(words[1:])) == "min" else None
    return _MODES.get(_core(words))


def _words(metric: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(metric)]


def _core(words: list[str]) -> str:
    """A name as the tables have it: the whole of it, or else what is left without the words that say where or how."""
    names = ["".join(words)]
    for aside in _ASIDE:
        names.append("".join(word for word in words if word not in aside and not word.isdigit()))
    return next((name for name in names if name in _MODES), "")


def checked_mode(metric: str, mode: str | None) -> Mode:
    """The mode that is given, else the one that the metric's name says.

    Raises:
        MetricModeError: neither is known.
    """
    if mode is None:
        return mode_of(metric)
    if mode not in ("min", "max"):
        raise MetricModeError(
            f"The mode for the metric `{metric}` is not usable.",
            expected='"min" or "max"',
            got=repr(mode),
            hint='give mode="min" where less is better, mode="max" where more is.',
        )
    return "min" if mode == "min" else "max"


def usual_metric(runs: Mapping[str, int]) -> str | None:
    """The metric to compare by where none is given: of those whose direction is known, the one that most runs have.

    Among equals, the one that is first in the tables above goes before; metrics of training data never count.

    Args:
        runs: a metric's name -> how many runs have it.
    """
    order = list(_MODES)
    known = [
        (-count, order.index(_core(words)), metric)
        for metric, count in runs.items()
        if _core(words := _words(metric)) in _MODES and not {"train", "training"} & set(words)
    ]
    return min(known)[2] if known else None


def forecast_errors(actual: pd.Series[float], forecast: pd.Series[float]) -> dict[str, float]:
    """RMSE and MAE in the unit of the data, and WAPE, the sum of absolute errors over the sum of actuals."""
    error = forecast - actual
    return {
        "rmse": float((error**2).mean() ** 0.5),
        "mae": float(error.abs().mean()),
        "wape": float(error.abs().sum() / actual.abs().sum()),
    }
