"""Registries that are catalogs, as Unity Catalog is: they have files of their own, and perhaps no aliases."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, ModelVersionSearch, RegisteredModel, RegisteredModelSearch
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
from mlflow.store.artifact.utils.models import is_using_databricks_registry
from mlflow.utils import uri as mlflow_uri

_UNSUPPORTED = "'get_model_version_by_alias' is unsupported"
"""What MLflow says of the old registry of a Databricks workspace; of others it says nothing but that it has no way."""


class NoAliasesError(Exception):
    """A registry has no aliases, or MLflow has no way to ask it for them."""


def keeps_files(registry: str, address: str) -> bool:
    """Return whether a registry keeps the files of its models: Unity Catalog, or the registry of Databricks.

    Args:
        registry: the registry's URI.
        address: MLflow's ``models:/name/version``.
    """
    asks: tuple[bool, ...] = (
        mlflow_uri.is_oss_unity_catalog_uri(registry),  # type: ignore[no-untyped-call]
        mlflow_uri.is_databricks_unity_catalog_uri(registry),  # type: ignore[no-untyped-call]
        is_using_databricks_registry(address, registry),
    )
    return any(asks)


def download(address: str, directory: str, file: str) -> Path:
    """Copy the files of a version, or one of them, as MLflow chooses: with what the catalog lends it for a while."""
    # The repository around this one would add a file of its own to the model's.
    repository = ModelsArtifactRepository(address).repo
    return Path(repository.download_artifacts(file, directory))  # type: ignore[no-untyped-call]


def by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion:
    """Return the version that an alias names.

    Raises:
        NoAliasesError: the registry has none at all.
        MlflowException: there is no such model or alias, or no answer.
    """
    try:
        return client.get_model_version_by_alias(name, alias)
    except NotImplementedError as exc:
        raise NoAliasesError from exc
    except MlflowException as exc:
        if _UNSUPPORTED not in str(exc):
            raise
        raise NoAliasesError from exc


def whole_model(model: RegisteredModel) -> RegisteredModel:
    """Return a registered model with tags and aliases, which a search of a catalog does not give."""
    return MlflowClient().get_registered_model(model.name) if isinstance(model, RegisteredModelSearch) else model


def whole_version(version: ModelVersion) -> ModelVersion:
    """Return a version with its tags, which a search of a catalog does not give."""
    if isinstance(version, ModelVersionSearch):
        return MlflowClient().get_model_version(version.name, str(version.version))
    return version
