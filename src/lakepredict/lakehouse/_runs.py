"""The record of a scoring job: a run of MLflow, and a row of a Delta table."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from mlflow import MlflowClient
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunStatus, RunTag
from pyspark.sql import DataFrame, SparkSession

from lakepredict._jvm import TableVersion, pinned
from lakepredict.tracking._tables import TableDataset, experiment_id

_JOB, _HOST, _PROCESS = "lakepredict.job", "lakepredict.host", "lakepredict.process"

SCHEMA = """
    scoring_run_id STRING, job STRING, status STRING, model_name STRING, model_version BIGINT, run_id STRING,
    input STRING, input_version BIGINT, output STRING, output_version BIGINT, mode STRING, rows_in BIGINT,
    rows_scored BIGINT, null_predictions BIGINT, seconds DOUBLE, started_at TIMESTAMP, finished_at TIMESTAMP
"""


class ScoringRun:
    """A run of MLflow for as long as a job runs; the program's active run stays as it is."""

    def __init__(self, experiment: str, title: str, job: str) -> None:
        self._client = MlflowClient()
        number = experiment_id(experiment)
        self._end_those_that_died(number, job)
        tags = {"mlflow.runName": title, _JOB: job, _HOST: socket.gethostname(), _PROCESS: str(os.getpid())}
        self.run_id: str = self._client.create_run(number, tags=tags).info.run_id

    def _end_those_that_died(self, experiment: str, job: str) -> None:
        """Mark runs as killed whose process is no more: it had no time to."""
        for run in self._client.search_runs([experiment], "attributes.status = 'RUNNING'"):
            tags = run.data.tags
            if tags.get(_JOB) == job and tags.get(_HOST) == socket.gethostname() and not _lives(tags.get(_PROCESS)):
                self._client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))

    def reads(self, rows: DataFrame, tables: Sequence[TableVersion]) -> None:
        """Log the tables that are read, each with its version."""
        self._log_tables(rows, [(each.name, each.identifier, each.version) for each in tables], "scoring")

    def wrote(self, rows: DataFrame, table: str, version: int) -> None:
        """Log the table that was written, with its version."""
        # With the table's own id, MLflow does not ask a Databricks catalog for one.
        identifiers = [each.identifier for each in pinned(rows)[1]]
        self._log_tables(rows, [(table, each, version) for each in identifiers], "forecast")
        self._client.set_tag(self.run_id, "lakepredict.output", f"{table} v{version}")

    def _log_tables(self, rows: DataFrame, tables: Sequence[tuple[str, str, int]], context: str) -> None:
        inputs = []
        for name, identifier, version in tables:
            shown: Any = str(version)
            source = DeltaDatasetSource(delta_table_name=name, delta_table_version=shown, delta_table_id=identifier)
            dataset = TableDataset(rows, source, name=name, digest=f"{name[:24]}-v{version}"[-36:])
            with warnings.catch_warnings():
                # MLflow's hint about integers that may be missing is for models, not for tables.
                warnings.filterwarnings("ignore", "Hint: Inferred schema", UserWarning)
                entity = dataset._to_mlflow_entity()
            inputs.append(DatasetInput(entity, [InputTag("mlflow.data.context", context)]))
        if inputs:
            self._client.log_inputs(self.run_id, inputs)

    def finish(self, params: dict[str, object], metrics: dict[str, float], status: str) -> None:
        """Log parameters and metrics, and end the run."""
        now = int(datetime.now(timezone.utc).timestamp() * 1000)
        self._client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag("lakepredict.status", status)],
        )
        self._client.set_terminated(self.run_id)

    def fail(self, exc: BaseException) -> None:
        """End the run as failed, or as killed by a person, with the error."""
        self._client.set_tag(self.run_id, "lakepredict.error", f"{type(exc).__name__}: {exc}"[:5000])
        status = RunStatus.FAILED if isinstance(exc, Exception) else RunStatus.KILLED
        self._client.set_terminated(self.run_id, RunStatus.to_string(status))


def _lives(process: str | None) -> bool:
    if process is None or not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def keep(spark: SparkSession, table: str, row: dict[str, object]) -> None:
    """Add the row of a run to the table of runs, which is made if there is none."""
    spark.createDataFrame([row], SCHEMA).write.format("delta").mode("append").saveAsTable(table)
