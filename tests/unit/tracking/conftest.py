"""A real MLflow store on SQLite for each module, with no JVM."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tracking_store import mlflow_at


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which take seconds to make, and nothing in them."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    with mlflow_at(f"sqlite:///{path}"):
        MlflowClient().search_experiments()
    return path


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Path]:
    """A lakehouse folder with an empty store, to which MLflow points while the module's tests run."""
    folder = tmp_path_factory.mktemp("tracking") / "lakehouse"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    with mlflow_at(f"sqlite:///{folder}/mlflow.db"):
        yield folder
