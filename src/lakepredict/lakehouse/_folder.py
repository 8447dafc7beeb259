"""Where a lakehouse keeps what: Delta tables, MLflow's store and its artifacts, all in one folder."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from lakepredict._place import Folder, locate
from lakepredict.errors import SessionError

__all__ = ["Folder", "create", "locate", "use_mlflow"]

_ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""What MLflow's own server sets: where experiments that are made without a location keep their artifacts."""

_given_uri: str | None = None


def create(folder: Folder) -> None:
    """Make a local lakehouse folder, if it does not exist; on other file systems Spark does.

    Raises:
        SessionError: it cannot be made.
    """
    if not folder.local:
        return
    try:
        Path(folder.tables).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SessionError(
            f"The lakehouse folder {folder.root} cannot be made.",
            expected="a folder, or a place where one may be made",
            got=f"{type(exc).__name__}: {exc.strerror}",
            hint="give another folder with --lakehouse or spark_session(lakehouse=...).",
        ) from exc


def use_mlflow(folder: Folder) -> None:
    """Point MLflow at the lakehouse's own store, unless it was pointed elsewhere by other than this function.

    Raises:
        SessionError: the lakehouse is on another file system, where SQLite cannot live, and no URI is set.
    """
    global _given_uri
    is_set: bool = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
    if is_set and mlflow.get_tracking_uri() != _given_uri:
        return
    if not folder.local:
        raise SessionError(
            "MLflow's SQLite store cannot live on another file system than this machine's.",
            expected="MLFLOW_TRACKING_URI, for a lakehouse with a URI",
            got=f"lakehouse {folder.root} and no MLFLOW_TRACKING_URI",
            hint="start mlflow server and set MLFLOW_TRACKING_URI to its address.",
        )
    mlflow.set_tracking_uri(folder.mlflow_uri)
    # MLflow reads the variable when it opens the store; a process that keeps it is taken for a tracking server,
    # which reads no models from HDFS or a cloud.
    os.environ[_ARTIFACT_ROOT] = folder.artifacts
    MlflowClient().search_experiments(max_results=1)
    del os.environ[_ARTIFACT_ROOT]
    _given_uri = folder.mlflow_uri
