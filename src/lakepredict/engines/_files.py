"""A model version's files on the driver."""

from __future__ import annotations

from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from lakepredict._registry import ModelReference, ResolvedModel, download_uri, first_line
from lakepredict.errors import ModelUnreadableError


def fetch(reference: ModelReference, model: ResolvedModel, directory: str) -> Path:
    """Copy the model's files into ``directory`` and return where they are.

    Raises:
        ModelUnreadableError: they cannot be read from the artifact store.
    """
    try:
        return Path(download_artifacts(artifact_uri=download_uri(model.name, model.version), dst_path=directory))
    except (MlflowException, OSError) as exc:
        raise ModelUnreadableError(call=str(reference), source=model.uri, reason=first_line(exc)) from exc
