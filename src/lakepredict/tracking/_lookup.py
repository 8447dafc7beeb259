"""Experiments, runs and registered models by what a person calls them; a wrong name is told what there is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lakepredict import _catalogs
from lakepredict._names import likest_first, listed, suggestion
from lakepredict._registry import NOT_FOUND, ResolvedModel, model_names, pages, says_missing
from lakepredict._sql import sql_type
from lakepredict.errors import (
    ExperimentNotFoundError,
    FilterInvalidError,
    RegisteredModelNotFoundError,
    RunNotFoundError,
)

_LISTED = 10
"""How many runs an error message lists at most."""


def find_experiment(name: str) -> Experiment:
    """The experiment of a name or, if there is none, of an id.

    Raises:
        ExperimentNotFoundError: there is none, or it is deleted; the message lists what there is.
    """
    client = MlflowClient()
    found = client.get_experiment_by_name(name) or (_experiment_of_id(client, name) if name.isdigit() else None)
    if found is None:
        names = [each.name for each in experiments()]
        raise ExperimentNotFoundError(
            f"There is no experiment `{name}`.",
            expected=listed(likest_first(name, names), "the name or id of an experiment, but there is none"),
            got=f"`{name}`",
            hint=suggestion(name, names) or "an experiment is made by its first run.",
        )
    if found.lifecycle_stage != "active":
        raise ExperimentNotFoundError(
            f"The experiment `{name}` is deleted.",
            expected="an experiment that is not deleted",
            got=f"`{found.name}`, deleted",
            hint=f"restore it with MlflowClient().restore_experiment({found.experiment_id!r}).",
        )
    return found


def _experiment_of_id(client: MlflowClient, identifier: str) -> Experiment | None:
    try:
        return client.get_experiment(identifier)
    except MlflowException as exc:
        if exc.error_code in NOT_FOUND:
            return None
        raise


def experiments() -> list[Experiment]:
    """All experiments that are not deleted, the newest first."""
    client = MlflowClient()
    return list(pages(lambda token: client.search_experiments(page_token=token)))


def runs_of(given: Sequence[Experiment], where: str = "") -> list[Run]:
    """All runs of experiments that are not deleted and that a filter of MLflow's lets through, the oldest first.

    Raises:
        FilterInvalidError: MLflow does not understand the filter.
    """
    client = MlflowClient()
    ids = [each.experiment_id for each in given]
    order = ["attributes.start_time ASC"]
    try:
        return list(pages(lambda token: client.search_runs(ids, where, ViewType.ACTIVE_ONLY, 1000, order, token)))
    except MlflowException as exc:
        if not where or exc.error_code not in NOT_FOUND:
            raise
        raise FilterInvalidError(
            "MLflow does not understand the filter of runs.",
            expected="conditions joined by AND, on metrics, params, tags and attributes",
            got=f"{where}: {str(exc).splitlines()[0]}",
            hint="for example: params.model = 'ridge' AND metrics.rmse < 10 AND tags.`a.b` = 'c'.",
        ) from exc


def find_run(identifier: str) -> Run:
    """The run of an id, or of the first characters of one, at least four.

    Raises:
        RunNotFoundError: there is none, it is deleted, or several begin with these characters.
    """
    text = identifier.strip().lower()
    run = _run_of_id(text)
    if run is not None:
        if run.info.lifecycle_stage != "active":
            raise RunNotFoundError(
                f"The run {text} is deleted.",
                expected="a run that is not deleted",
                got=f"{described(run)}, deleted",
                hint=f"restore it with MlflowClient().restore_run({run.info.run_id!r}).",
            )
        return run
    every = experiments()
    begun = _search(every, f"run_id LIKE '{text}%'") if re.fullmatch("[0-9a-f]{4,31}", text) else []
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise RunNotFoundError(
            f"{len(begun)} runs begin with {text}.",
            expected=f"one of {', '.join(map(described, begun[:_LISTED]))}",
            got=text,
            hint="give more characters of the id.",
        )
    raise _run_missing(identifier, every)


def _run_of_id(text: str) -> Run | None:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        return None
    try:
        return MlflowClient().get_run(text)
    except MlflowException as exc:
        if exc.error_code in NOT_FOUND:
            return None
        raise


def _search(given: Sequence[Experiment], condition: str) -> list[Run]:
    return runs_of(given, f"attributes.{condition}") if given else []


def _run_missing(identifier: str, given: Sequence[Experiment]) -> RunNotFoundError:
    namesakes = _search(given, f"run_name = '{identifier}'") if "'" not in identifier else []
    examples = namesakes[-3:] or _newest(given)
    return RunNotFoundError(
        f"There is no run {identifier}.",
        expected=f"a run's id, or the first characters of one, as {', '.join(map(described, examples))}"
        if examples
        else "a run's id, but there is no run",
        got=f"{identifier}, which is a run's name" if namesakes else identifier,
        hint=f"did you mean {namesakes[-1].info.run_id}?"
        if namesakes
        else "lakepredict runs EXPERIMENT lists the runs of an experiment.",
    )


def _newest(given: Sequence[Experiment]) -> list[Run]:
    identifiers = [each.experiment_id for each in given]
    order = ["attributes.start_time DESC"]
    return list(MlflowClient().search_runs(identifiers, max_results=3, order_by=order)) if identifiers else []


def described(run: Run) -> str:
    """A run as messages name it: the beginning of its id, and its name."""
    return f"{run.info.run_id[:8]} ({run.info.run_name})"


def find_registered_model(name: str) -> RegisteredModel:
    """The registered model of a name.

    Raises:
        RegisteredModelNotFoundError: there is none; the message lists what there is.
    """
    client = MlflowClient()
    try:
        return client.get_registered_model(name)
    except MlflowException as exc:
        if not says_missing(exc):
            raise
        names = model_names()
        raise RegisteredModelNotFoundError(
            f"There is no registered model `{name}`.",
            expected=listed(likest_first(name, names), "a registered model, but none is registered"),
            got=f"`{name}`",
            hint=suggestion(name, names) or "lakepredict.tracking.register(run, name) registers the model of a run.",
        ) from exc


def registered_models() -> list[RegisteredModel]:
    """Return all registered models, by name."""
    client = MlflowClient()
    models = pages(lambda token: client.search_registered_models(page_token=token))
    return sorted(map(_catalogs.whole_model, models), key=lambda model: str(model.name))


def aliases_of(version: ModelVersion, aliases: Mapping[str, str]) -> list[str]:
    """The aliases of a version, sorted, of those that its model has; a search for versions does not give them."""
    return sorted(alias for alias, number in aliases.items() if int(number) == int(version.version))


def inputs_of(model: ResolvedModel) -> list[dict[str, Any]]:
    """The inputs of a model as PREDICT takes them, their types as SQL writes them."""
    inputs = model.signature.inputs
    return [{"name": each.name, "type": sql_type(each.type), "required": each.required} for each in inputs]
