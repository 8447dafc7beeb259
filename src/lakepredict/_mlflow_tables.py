"""MLflow's experiments, runs and registered models as tables of SQL; read on the driver, while a query is analysed.

No executor asks MLflow for anything: a table function becomes a table of the rows that were read. MLflow's times are
milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from lakepredict import _catalogs, _registry
from lakepredict._call import CallArgument
from lakepredict._sql import sql_type
from lakepredict._table_arguments import constants
from lakepredict.errors import (
    ModelUnreadableError,
    SignatureMissingError,
    SignatureUnsupportedError,
    TrackedNotFoundError,
    TrackingError,
)
from lakepredict.tracking import _compare, _lookup

Row = Mapping[str, Any]

_TEXT, _WHOLE, _NUMBER = pa.string(), pa.int64(), pa.float64()
_TIME = pa.timestamp("us", "UTC")
_TEXTS = pa.map_(pa.string(), pa.string())
_INPUTS = pa.list_(pa.struct([("name", pa.string()), ("type", pa.string()), ("required", pa.bool_())]))


@dataclass(frozen=True)
class Table:
    """A table function.

    Attributes:
        arguments: the names of its arguments, each a constant STRING.
        schema: its columns.
        rows: reads them, given the arguments.
    """

    arguments: tuple[str, ...]
    schema: pa.Schema
    rows: Callable[..., Iterable[Row]]

    def read(self, name: str, given: Sequence[CallArgument]) -> pa.Table:
        """The rows, as they are now.

        Args:
            name: of the function.
            given: the arguments of a call of it.

        Raises:
            ArgumentNotConstantError, ArgumentInvalidError: the arguments are not what it takes.
            TrackedNotFoundError: MLflow has not what is asked for.
        """
        values = constants(name, self.arguments, given)
        try:
            return pa.Table.from_pylist([dict(each) for each in self.rows(**values)], self.schema)
        except TrackingError as exc:
            raise TrackedNotFoundError(**exc.parts) from exc


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _experiments() -> Iterator[Row]:
    for each in _lookup.experiments():
        yield {
            "experiment_id": each.experiment_id,
            "name": each.name,
            "artifact_location": each.artifact_location,
            "creation_time": _time(each.creation_time),
            "last_update_time": _time(each.last_update_time),
            "tags": list(each.tags.items()),
        }


def _runs(experiment: str) -> Iterator[Row]:
    found = _lookup.find_experiment(experiment)
    for run in _lookup.runs_of([found]):
        yield {"experiment_id": found.experiment_id, "experiment": found.name, **_run(run)}


def _run(run: Run) -> Row:
    info, tags = run.info, run.data.tags
    return {
        "run_id": info.run_id,
        "run_name": info.run_name,
        "status": info.status,
        "start_time": _time(info.start_time),
        "end_time": _time(info.end_time),
        "seconds": _compare.seconds_of(run),
        "parent_run_id": _compare.parent_of(run),
        "user": tags.get("mlflow.user") or info.user_id or None,
        "params": list(run.data.params.items()),
        "metrics": [(name, float(value)) for name, value in run.data.metrics.items()],
        "tags": list(tags.items()),
    }


def _metrics(run_id: str) -> Iterator[Row]:
    run = _lookup.find_run(run_id)
    client = MlflowClient()
    for name in sorted(run.data.metrics):
        for each in client.get_metric_history(run.info.run_id, name):
            yield {
                "run_id": run.info.run_id,
                "metric": name,
                "value": float(each.value),
                "step": each.step,
                "time": _time(each.timestamp),
            }


def _models() -> Iterator[Row]:
    for each in _lookup.registered_models():
        yield {
            "name": each.name,
            "description": each.description or None,
            "creation_time": _time(each.creation_timestamp),
            "last_update_time": _time(each.last_updated_timestamp),
            "aliases": sorted((alias, int(version)) for alias, version in _aliases(each).items()),
            "tags": list(each.tags.items()),
        }


def _aliases(model: RegisteredModel) -> Mapping[str, str]:
    """Alias -> version, which the search for models does not give with every store."""
    return dict(model.aliases or MlflowClient().get_registered_model(model.name).aliases)


def _versions(name: str) -> Iterator[Row]:
    model = _lookup.find_registered_model(name)
    aliases = _aliases(model)
    for version in map(_catalogs.whole_version, reversed(_registry.model_versions(model.name))):
        yield {
            "name": version.name,
            "version": int(version.version),
            "aliases": _lookup.aliases_of(version, aliases),
            "status": version.status,
            "creation_time": _time(version.creation_timestamp),
            "last_update_time": _time(version.last_updated_timestamp),
            "run_id": version.run_id or None,
            "source": version.source,
            "description": version.description or None,
            "tags": list(version.tags.items()),
            **_signature(version),
        }


def _signature(version: ModelVersion) -> Row:
    """The inputs and the result as PREDICT has them; nothing where it cannot use the version."""
    reference = _registry.ModelReference(version.name, int(version.version))
    try:
        model = _registry.describe(reference, version)
    except (SignatureMissingError, SignatureUnsupportedError, ModelUnreadableError):
        return {"inputs": None, "prediction": None}
    return {"inputs": _lookup.inputs_of(model), "prediction": sql_type(model.signature.result)}


TABLES = {
    "mlflow_experiments": Table(
        (),
        pa.schema(
            [
                ("experiment_id", _TEXT),
                ("name", _TEXT),
                ("artifact_location", _TEXT),
                ("creation_time", _TIME),
                ("last_update_time", _TIME),
                ("tags", _TEXTS),
            ]
        ),
        _experiments,
    ),
    "mlflow_runs": Table(
        ("experiment",),
        pa.schema(
            [
                ("run_id", _TEXT),
                ("run_name", _TEXT),
                ("status", _TEXT),
                ("start_time", _TIME),
                ("end_time", _TIME),
                ("seconds", _NUMBER),
                ("params", _TEXTS),
                ("metrics", pa.map_(pa.string(), pa.float64())),
                ("tags", _TEXTS),
                ("parent_run_id", _TEXT),
                ("user", _TEXT),
                ("experiment_id", _TEXT),
                ("experiment", _TEXT),
            ]
        ),
        _runs,
    ),
    "mlflow_metrics": Table(
        ("run_id",),
        pa.schema([("run_id", _TEXT), ("metric", _TEXT), ("value", _NUMBER), ("step", _WHOLE), ("time", _TIME)]),
        _metrics,
    ),
    "mlflow_models": Table(
        (),
        pa.schema(
            [
                ("name", _TEXT),
                ("description", _TEXT),
                ("creation_time", _TIME),
                ("last_update_time", _TIME),
                ("aliases", pa.map_(pa.string(), pa.int64())),
                ("tags", _TEXTS),
            ]
        ),
        _models,
    ),
    "mlflow_model_versions": Table(
        ("name",),
        pa.schema(
            [
                ("name", _TEXT),
                ("version", _WHOLE),
                ("aliases", pa.list_(pa.string())),
                ("status", _TEXT),
                ("creation_time", _TIME),
                ("last_update_time", _TIME),
                ("run_id", _TEXT),
                ("source", _TEXT),
                ("description", _TEXT),
                ("tags", _TEXTS),
                ("inputs", _INPUTS),
                ("prediction", _TEXT),
            ]
        ),
        _versions,
    ),
}
"""Name -> table function."""
