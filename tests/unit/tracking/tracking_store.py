"""An MLflow store for tests, and an experiment whose runs are as a test needs them."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

ENVIRONMENT = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "LAKEPREDICT_LAKEHOUSE")
"""Variables that would point the tests to another store than their own."""


class mlflow_at:  # noqa: N801
    """Point MLflow to a store, and back to what it pointed to."""

    def __init__(self, uri: str | None) -> None:
        self.uri = uri

    def __enter__(self) -> None:
        self.before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        self.patch = pytest.MonkeyPatch()
        for name in ENVIRONMENT:
            self.patch.delenv(name, raising=False)
        mlflow.set_tracking_uri(self.uri)

    def __exit__(self, *exc: object) -> None:
        self.patch.undo()
        mlflow.set_tracking_uri(self.before)


class Experiment:
    """An experiment, and runs that are as a test needs them, each a second after the one before."""

    def __init__(self, name: str, artifacts: Path) -> None:
        self.name = name
        self.client = MlflowClient()
        self.id = self.client.create_experiment(name, artifact_location=str(artifacts))
        self._clock = 1_700_000_000_000

    def run(
        self,
        name: str,
        metrics: dict[str, float] | None = None,
        params: dict[str, str] | None = None,
        *,
        parent: str | None = None,
        status: str | None = "FINISHED",
    ) -> str:
        """A run of 1.5 seconds; of no status, one that still runs."""
        self._clock += 1000
        tags = {"mlflow.parentRunId": parent} if parent else {}
        run = self.client.create_run(self.id, start_time=self._clock, run_name=name, tags=tags)
        for metric, value in (metrics or {}).items():
            self.client.log_metric(run.info.run_id, metric, value)
        for param, value in (params or {}).items():
            self.client.log_param(run.info.run_id, param, value)
        self.end(run.info.run_id, status)
        return str(run.info.run_id)

    def end(self, run_id: str, status: str | None = "FINISHED") -> None:
        """End a run 1.5 seconds after it began."""
        started = self.client.get_run(run_id).info.start_time
        if status:
            self.client.set_terminated(run_id, status, end_time=started + 1500)
