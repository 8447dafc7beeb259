"""Models of runs as versions of registered models, and aliases that move from version to version."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import RegisteredModel
from mlflow.models import get_model_info
from mlflow.models.model import ModelInfo

from lakepredict import _registry, _signature
from lakepredict._names import likest_first, listed
from lakepredict._progress_bar import without_progress_bar
from lakepredict.errors import AliasInvalidError, RunModelError
from lakepredict.tracking import _missing_value
from lakepredict.tracking._lookup import described, find_registered_model, find_run

_ALIAS = re.compile(r"(?!(?:latest|v?[0-9]+)$)[\w-]{1,255}", re.IGNORECASE)
"""What MLflow takes as an alias and PREDICT does not take for a version number."""


def register(
    run: Run | str,
    name: str,
    *,
    alias: str | None = None,
    model: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> int:
    """Register the model of a run as the next version of ``name``, and give it the alias.

    The model is looked at first: what PREDICT cannot use is not registered. (``mlflow.register_model`` takes any.)
    The run may still run; of a run that failed, a model that was logged whole is registered all the same.
    A ``UserWarning`` says of a model of XGBoost what its file has lost, where the run's parameters tell.

    Args:
        run: a run, or its id.
        name: the registered model's name; it is made if it does not exist.
        alias: an alias that is to name the new version; where another version has it, it moves.
        model: the name that the model was logged under; None takes the only one that the run has.
        tags: tags of the new version.

    Returns:
        The new version's number.

    Raises:
        RunNotFoundError: there is no such run.
        RunModelError: the run has no model, several and ``model`` says not which, or one without a signature that
            PREDICT can use.
        AliasInvalidError: the alias cannot be one; nothing is registered then.
        AliasUnsupportedError: the registry has no aliases; nothing is registered then.

    Example:
        >>> tracking.register(tracking.best_run("weekly_sales", "wape"), "sales_forecast", alias="champion")
        ... # doctest: +SKIP
    """
    if alias is not None:
        _check_alias(alias)
        _registry.require_aliases(name, alias, "register")
    # A run that was at hand while its model was logged does not know of the model.
    found = find_run(run if isinstance(run, str) else run.info.run_id)
    uri = _model_uri(found, model)
    info = _usable_info(found, uri)
    lost = _missing_value.of_run(info.flavors, found.data.params)
    if lost is not None:
        warnings.warn(f"The model of the run {described(found)}: {lost}", stacklevel=2)
    version = mlflow.register_model(uri, name, tags=dict(tags or {}))
    if alias is not None:
        _warn_of_namesakes(alias, MlflowClient().get_registered_model(name))
        MlflowClient().set_registered_model_alias(name, alias, str(version.version))
    return int(version.version)


def promote(name: str, version: int | str, alias: str) -> int | None:
    """Let an alias name a version from now on: each query analysed after this uses it.

    The version is looked at first: an alias does not move to what PREDICT cannot use. A move takes one call of the
    registry, so every query sees the version before or the one after.

    Args:
        name: the registered model's name.
        version: a number, another alias (``"challenger"``), or ``"latest"``.
        alias: the alias, for example ``"champion"``.

    Returns:
        The version that the alias named before, with which ``promote`` undoes this; None if it named none.

    Raises:
        RegisteredModelNotFoundError: there is no such registered model.
        AliasInvalidError: the alias cannot be one.
        PredictError: the version or alias does not exist, or PREDICT cannot use it; see ``lakepredict.errors``.

    Example:
        >>> before = tracking.promote("sales_forecast", 3, "champion")  # doctest: +SKIP
    """
    _check_alias(alias)
    _registry.require_aliases(name, alias, "promote")
    model = find_registered_model(name)
    resolved = _registry.resolve(_registry.ModelReference.parse(name, version, "promote"))
    _warn_of_namesakes(alias, model)
    MlflowClient().set_registered_model_alias(name, alias, str(resolved.version))
    before = model.aliases.get(alias)
    return None if before is None else int(before)


def _warn_of_namesakes(alias: str, model: RegisteredModel) -> None:
    """Warn of aliases that differ from a new one in capitals alone: queries do not take one for another."""
    if alias in model.aliases:
        return
    namesakes = [known for known in sorted(model.aliases) if known != alias and known.lower() == alias.lower()]
    for known in namesakes:
        warnings.warn(
            f"The model {model.name} has the alias '{known}' (version {model.aliases[known]}) already, and '{alias}' is"
            f" another one: queries that say '{known}' go on using version {model.aliases[known]}. To move it:"
            f" lakepredict.tracking.promote({model.name!r}, ..., {known!r}).",
            stacklevel=3,
        )


def models_of(run: Run) -> dict[str, str]:
    """The models that a run logged: name -> MLflow's address; of several under one name, the last."""
    # What MLflow 2 logged is listed in a tag alone.
    history = json.loads(run.data.tags.get("mlflow.log-model.history", "[]"))
    models = {each["artifact_path"]: f"runs:/{run.info.run_id}/{each['artifact_path']}" for each in history}
    client = MlflowClient()
    logged = [client.get_logged_model(each.model_id) for each in run.outputs.model_outputs] if run.outputs else []
    for each in sorted(logged, key=lambda model: int(model.creation_timestamp)):
        if each.status == "READY":
            models[each.name] = each.model_uri
    return models


def _model_uri(run: Run, model: str | None) -> str:
    models = models_of(run)
    if model in models:
        return models[model]
    if model is None and len(models) == 1:
        return next(iter(models.values()))
    raise RunModelError(
        f"It is not clear which model of the run {described(run)} to register."
        if model is None and models
        else f"The run {described(run)} has no model{'' if model is None else f' `{model}`'}.",
        expected=listed(likest_first(model or "", models), "a model logged by one of MLflow's log_model calls"),
        got=f"model={model!r}" if models else "a run without models",
        hint=f"give the name of one, for example model={max(models)!r}."
        if models
        else "log the model in the run: mlflow.sklearn.log_model(model, **lakepredict.tracking.for_predict(model, X)).",
    )


def _usable_info(run: Run, uri: str) -> ModelInfo:
    """Return what MLflow knows of a model, which has a signature that PREDICT can use."""
    with without_progress_bar():
        info = get_model_info(uri)
    signature = info.signature
    if signature is None or not signature.inputs or not signature.outputs:
        missing = "signature" if signature is None else "outputs in its signature" if signature.inputs else "inputs"
        raise RunModelError(
            f"PREDICT cannot use the model of the run {described(run)}.",
            expected="a signature with inputs and outputs",
            got=f"no {missing}",
            hint="log it with one, as by mlflow.sklearn.log_model(model, **lakepredict.tracking.for_predict(model, X)),"
            f" or add one with mlflow.models.set_signature({uri!r}, signature).",
        )
    try:
        _signature.read_signature(signature)
    except _signature.UnsupportedTypeError as exc:
        raise RunModelError(
            f"PREDICT cannot use the model of the run {described(run)}.",
            expected=f"a signature of anything but {_signature.UNSUPPORTED}",
            got=str(exc),
            hint="log the model with a signature of other types.",
        ) from exc
    return info


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        raise AliasInvalidError(
            f"{alias!r} cannot be an alias.",
            expected="letters, digits, _ and -; not 'latest', nor a number, nor v and a number, which name versions",
            got=repr(alias),
            hint="use a word that says what the version is for, such as 'champion'.",
        )
