"""What the commands tell, as plain values: what ``--json`` prints, and what the tables are made of.

The keys are documented in docs/cli.md. They stay; new ones may be added. A number that JSON does not have (NaN,
infinite) is null.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import list_artifacts
from mlflow.entities import Experiment, FileInfo, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lakepredict import _catalogs, _registry, _signature
from lakepredict._sql import literal, quoted, sql_type
from lakepredict.errors import PredictError
from lakepredict.tracking import _compare, _lookup, _metrics, _missing_value, _register

Facts = dict[str, Any]

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)

_ARTIFACTS = 1000
"""How many artifacts of a run are listed at most."""


def runs(experiment: str, metric: str | None, limit: int, *, mode: str | None, where: str, children: bool) -> Facts:
    """The runs of an experiment, best first; those that cannot be compared come last, the newest first.

    Raises:
        ExperimentNotFoundError, MetricNotFoundError, MetricModeError: as ``lakepredict.tracking.compare``, but
            only where a metric is given.
    """
    if metric is not None:
        ranking = _compare.rank(experiment, metric, mode=mode, where=where, children=children)
    else:
        found = _lookup.find_experiment(experiment)
        ranking = _ranked_by_default(found, _lookup.runs_of([found], where), mode, children)
    shown = [*enumerate(ranking.ranked, 1), *((None, each) for each in reversed(ranking.others))]
    return {
        "experiment": {"id": ranking.experiment.experiment_id, "name": ranking.experiment.name},
        "metric": ranking.metric or None,
        "mode": ranking.mode if ranking.metric else None,
        "differing_params": _compare.differing_params(ranking.ranked or ranking.others),
        "total": len(shown),
        "runs": [{"rank": position, **_run_summary(each)} for position, each in shown[:limit]],
    }


def _ranked_by_default(found: Experiment, every: list[Run], mode: str | None, children: bool) -> _compare.Ranking:
    """A ranking by the experiment's primary metric, else by a well-known one; else by the metric "", with no run."""
    counts = Counter(name for each in every for name in each.data.metrics if _compare.is_comparable(each, name))
    metric = _compare.primary_metric(found)
    if metric not in counts:
        metric = _metrics.usual_metric(counts)
    if metric is None:
        return _compare.ranked_runs(found, every, "", "min", children=children)
    way = _metrics.checked_mode(metric, mode or _compare.primary_mode(found, metric))
    return _compare.ranked_runs(found, every, metric, way, children=children)


def _run_summary(found: Run) -> Facts:
    return {
        "run_id": found.info.run_id,
        "name": found.info.run_name,
        "parent_run_id": _compare.parent_of(found),
        "status": found.info.status,
        "started": _time(found.info.start_time),
        "seconds": _compare.seconds_of(found),
        "metrics": {name: _number(value) for name, value in sorted(found.data.metrics.items())},
        "params": dict(sorted(found.data.params.items())),
    }


def run(identifier: str) -> Facts:
    """One run, with what it learnt from and what it left.

    Raises:
        RunNotFoundError: there is none of this id.
    """
    client = MlflowClient()
    found = _lookup.find_run(identifier)
    experiment = client.get_experiment(found.info.experiment_id)
    models = _register.models_of(found)
    return {
        **_run_summary(found),
        "experiment": {"id": experiment.experiment_id, "name": experiment.name},
        "user": found.info.user_id or found.data.tags.get("mlflow.user"),
        "tags": {name: value for name, value in sorted(found.data.tags.items()) if not name.startswith("mlflow.")},
        "datasets": _datasets(found),
        "models": [{"name": name, "uri": uri} for name, uri in sorted(models.items())],
        "registered": _registered_from(found),
        "artifact_uri": found.info.artifact_uri,
        "artifacts": _artifacts(found, models),
    }


def _datasets(found: Run) -> list[Facts]:
    """The datasets that were logged as inputs of a run, with table and version of those that are Delta tables."""
    datasets = []
    for each in found.inputs.dataset_inputs if found.inputs else []:
        source = _as_dict(each.dataset.source)
        datasets.append(
            {
                "name": each.dataset.name,
                "context": next((tag.value for tag in each.tags if tag.key == "mlflow.data.context"), None),
                "source_type": each.dataset.source_type,
                "table": source.get("delta_table_name"),
                "version": _whole(source.get("delta_table_version")),
                "digest": each.dataset.digest,
            }
        )
    return datasets


def _whole(version: object) -> int | None:
    """A table's version, which MLflow keeps as text."""
    return int(str(version)) if str(version).isdigit() else None


def _as_dict(text: str) -> Facts:
    """A source as MLflow keeps it, which is JSON for those that it knows."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _registered_from(found: Run) -> list[Facts]:
    versions = _registry.versions_of_run(found.info.run_id)
    return [
        {"name": each.name, "version": int(each.version)}
        for each in sorted(versions, key=lambda each: (each.name, int(each.version)))
    ]


def _artifacts(found: Run, models: Collection[str]) -> list[Facts]:
    """The files of a run, without those of its models, which it mostly keeps elsewhere."""
    files: list[Facts] = []
    folders: list[str | None] = [None]
    while folders and len(files) < _ARTIFACTS:
        for each in _list_artifacts(found, folders.pop(0)):
            if each.is_dir and each.path not in models:
                folders.append(each.path)
            elif not each.is_dir:
                files.append({"path": each.path, "bytes": each.file_size})
    return sorted(files[:_ARTIFACTS], key=lambda each: str(each["path"]))


def _list_artifacts(found: Run, path: str | None) -> list[FileInfo]:
    return list(list_artifacts(run_id=found.info.run_id, artifact_path=path))


def models() -> Facts:
    """The registered models."""
    versions = defaultdict(list)
    for each in _registry.model_versions():
        versions[each.name].append(each)
    return {"models": [_model_summary(each, versions[each.name]) for each in _lookup.registered_models()]}


def _model_summary(found: RegisteredModel, versions: Sequence[ModelVersion]) -> Facts:
    return {
        "name": found.name,
        "description": found.description or None,
        "version_count": len(versions),
        "latest": int(versions[0].version) if versions else None,
        "aliases": {alias: int(version) for alias, version in sorted(found.aliases.items())},
        "updated": _time(found.last_updated_timestamp),
    }


def model(name: str, version: str | None, limit: int) -> Facts:
    """A registered model: its versions, newest first, and how to call one of them.

    Raises:
        RegisteredModelNotFoundError: there is none of this name.
        PredictError: the version or alias that is asked for does not exist.
    """
    found = _lookup.find_registered_model(name)
    versions = _registry.model_versions(name)
    summary = {**_model_summary(found, versions), "tags": dict(sorted(found.tags.items()))}
    sources = [_version_facts(_catalogs.whole_version(each), found.aliases) for each in versions[:limit]]
    if not versions:
        return {**summary, "versions": [], "shown": None}
    reference = _registry.ModelReference.parse(name, version or _usual_version(found.aliases))
    return {**summary, "versions": sources, "shown": _shown(reference, found.aliases)}


def _usual_version(aliases: dict[str, str]) -> str:
    """The version that a statement should name where none is asked for."""
    if "champion" in aliases:
        return "champion"
    return next(iter(aliases)) if len(aliases) == 1 else "latest"


def _version_facts(found: ModelVersion, aliases: dict[str, str]) -> Facts:
    source = _run_of(found)
    return {
        "version": int(found.version),
        "aliases": _lookup.aliases_of(found, aliases),
        "status": found.status,
        "created": _time(found.creation_timestamp),
        "run_id": found.run_id or None,
        "run_name": source.info.run_name if source else None,
        "training": _training(source) if source else None,
        "description": found.description or None,
        "tags": dict(sorted(found.tags.items())),
    }


def _run_of(found: ModelVersion) -> Run | None:
    """The run that logged a version, or None where it is gone or kept by another tracking server."""
    if not found.run_id:
        return None
    try:
        return MlflowClient().get_run(found.run_id)
    except MlflowException:
        return None


def _training(found: Run) -> Facts | None:
    """Table and version of the Delta table that a run learnt from."""
    tables = [each for each in _datasets(found) if each["table"]]
    tables.sort(key=lambda each: each["context"] not in ("training", "train"))
    return {"table": tables[0]["table"], "version": tables[0]["version"]} if tables else None


def _shown(reference: _registry.ModelReference, aliases: dict[str, str]) -> Facts:
    """One version as PREDICT sees it: inputs, result, and a statement; or why PREDICT cannot use it."""
    found = _registry.find(reference)
    facts = {"reference": str(reference.version), **_version_facts(found, aliases)}
    try:
        resolved = _registry.describe(reference, found)
    except PredictError as exc:
        unusable = dict.fromkeys(("flavors", "inputs", "result", "predict"))
        return {**facts, **unusable, "problem": str(exc), "notes": []}
    table = facts["training"]["table"] if facts["training"] else None
    return {
        **facts,
        "flavors": [flavor for flavor in resolved.flavors if flavor != "python_function"],
        "inputs": _lookup.inputs_of(resolved),
        "result": sql_type(resolved.signature.result),
        "predict": _statement(reference, resolved.signature.inputs, table),
        "problem": None,
        "notes": _notes(found, resolved.flavors),
    }


def _notes(found: ModelVersion, flavors: Iterable[str]) -> list[str]:
    """Return what is to be known of a version beside its signature."""
    source = _run_of(found)
    lost = None if source is None else _missing_value.of_run(flavors, source.data.params)
    note = lost or _missing_value.unknown(flavors)
    return [] if note is None else [note]


def _statement(reference: _registry.ModelReference, inputs: Iterable[_signature.Input], table: str | None) -> str:
    """A query that scores the table that the model learnt from, or one to be named."""
    names = [each.name for each in inputs]
    columns = "*" if all(names) else ", ".join(f"x{position}" for position, _ in enumerate(names, 1))
    version = reference.version if isinstance(reference.version, int) else literal(reference.version)
    source = ".".join(_identifier(part) for part in table.split(".")) if table else "your_table"
    return f"SELECT *, PREDICT({literal(reference.name)}, {version}, {columns}) AS prediction\nFROM {source}"


def _identifier(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quoted(name)


def _time(milliseconds: int | None) -> str | None:
    """A time as MLflow keeps it, in UTC as ISO 8601 writes it, to the second."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(value: float) -> float | None:
    return value if _compare.is_number(value) else None
