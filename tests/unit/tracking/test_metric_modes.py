"""Which way a metric is better, by its name."""

from __future__ import annotations

import pytest

from lakepredict.errors import MetricModeError
from lakepredict.tracking import mode_of
from lakepredict.tracking._metrics import usual_metric

LESS = """
    rmse RMSE mae wape mape mse log_loss logLoss loss val_loss val_rmse rmse_test validation_0-rmse mean_test_rmse
    training_mean_squared_error mean_squared_error eval/mae mean_absolute_error max_error brier_score hammingLoss
    falsePositiveRateByLabel
"""
MORE = """
    r2 r2_score accuracy balanced_accuracy f1 f1_score val_f1 f1_macro auc roc_auc areaUnderROC areaUnderPR test_auc
    precision recall weightedPrecision ndcg_at_10 ndcg@10 silhouette accuracy_score neg_mean_squared_error
    neg_log_loss mean_average_precision
"""
UNKNOWN = """
    score bias forecast_error revenue rm rmse_ratio std_test_rmse threshold neg_r2 neg_something params mean
    sales_accuracy_gap
"""


@pytest.mark.parametrize("metric", LESS.split())
def test_less_is_better(metric: str) -> None:
    """Of errors and losses, wherever they were taken, less is better."""
    assert mode_of(metric) == "min"


@pytest.mark.parametrize("metric", MORE.split())
def test_more_is_better(metric: str) -> None:
    """Of scores, and of what scikit-learn negates, more is better."""
    assert mode_of(metric) == "max"


@pytest.mark.parametrize("metric", UNKNOWN.split())
def test_unknown_names_are_not_guessed(metric: str) -> None:
    """A name that only resembles a metric is refused, and the error asks for the mode."""
    with pytest.raises(MetricModeError, match=r'give mode="min"'):
        mode_of(metric)


def test_usual_metric_is_what_most_runs_have() -> None:
    """Where no metric is named, the known one that most runs have is taken, of equals the more usual."""
    assert usual_metric({"mae": 2, "rmse": 3, "revenue": 9}) == "rmse"
    assert usual_metric({"mae": 3, "val_rmse": 3}) == "val_rmse"


def test_metrics_of_training_data_are_not_usual() -> None:
    """Runs are not compared by how well they know their training data."""
    assert usual_metric({"training_rmse": 5, "mae": 1}) == "mae"
    assert usual_metric({"training_rmse": 5}) is None
