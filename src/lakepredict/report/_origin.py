"""What MLflow knows about the model behind a forecast."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lakepredict.report._facts import Origin

_METRICS = ("wape", "rmse", "mae")


def with_run(origin: Origin) -> Origin:
    """The origin with name, time and metrics of its run, if MLflow has the run; else as it is."""
    if not origin.run_id:
        return origin
    try:
        run = MlflowClient().get_run(origin.run_id)
    except MlflowException:
        return origin
    metrics = {name: run.data.metrics[name] for name in _METRICS if name in run.data.metrics}
    return replace(
        origin,
        run_name=run.info.run_name,
        trained_at=datetime.fromtimestamp(run.info.start_time / 1000, timezone.utc),
        holdout=run.data.params.get("holdout_weeks"),
        metrics={name: value for name, value in metrics.items() if value == value},
    )
