"""One Spark session on one lakehouse for the whole run, with a few registered models."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.sql import SparkSession
from rich.console import Console
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression

import lakepredict
from lakepredict.demo import scenario
from lakepredict.lakehouse import Folder, locate


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The lakehouse of the run."""
    return locate(tmp_path_factory.mktemp("run") / "lakehouse")


@pytest.fixture(scope="session")
def spark(folder: Folder) -> Iterator[SparkSession]:
    """The session of the run, made as users make theirs."""
    conf = {
        # The tests run beside other programs.
        "spark.driver.memory": "2g",
        "spark.ui.enabled": "false",
        # Results do not depend on where the tests run.
        "spark.sql.session.timeZone": "America/Los_Angeles",
    }
    session = lakepredict.spark_session("lakepredict-tests", lakehouse=folder.root, master="local[2]", conf=conf)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def sales(spark: SparkSession) -> str:
    """A table of five rows: three columns that models know and one that they do not."""
    rows = [
        (1, 2.0, 10, True),
        (2, 4.0, 20, False),
        (3, 8.0, 30, True),
        (4, 16.0, 40, False),
        (5, 32.0, 50, True),
    ]
    spark.createDataFrame(rows, "id INT, price DOUBLE, visits INT, open BOOLEAN").write.saveAsTable("sales")
    return "sales"


def register_model(
    name: str, factor: float, inputs: dict[str, DataType], output: DataType | None = DataType.double
) -> int:
    """Register ``factor * (first input + 2 * second input + ...)`` as the next version of ``name``."""
    frame = pd.DataFrame(np.random.default_rng(7).normal(size=(20, len(inputs))), columns=list(inputs))
    # Behind a transformed target, PREDICT does not see that the model is linear: it runs in Python workers.
    model = TransformedTargetRegressor(LinearRegression()).fit(frame, frame @ np.arange(1, len(inputs) + 1) * factor)
    schema = Schema([ColSpec(kind, column) for column, kind in inputs.items()])
    signature = ModelSignature(schema, Schema([ColSpec(output)])) if output else None
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model, name="model", signature=signature, registered_model_name=name, pip_requirements=["scikit-learn"]
        )
    return int(info.registered_model_version)


def log_model(log: Callable[..., Any], model: Any, name: str, inputs: Any, outputs: Any, **options: Any) -> None:
    """Register a fitted model by one of MLflow's ``log_model`` functions."""
    with mlflow.start_run():
        log(
            model,
            name="model",
            signature=infer_signature(inputs, outputs),
            registered_model_name=name,
            pip_requirements=["scikit-learn"],
            **options,
        )


@pytest.fixture(scope="session")
def models(spark: SparkSession) -> None:
    """``revenue`` in versions 1 (alias ``stable``) and 2 (alias ``champion``), and ``unsigned``."""
    inputs = {"price": DataType.double, "visits": DataType.double}
    register_model("revenue", 1.0, inputs)
    register_model("revenue", 10.0, inputs)
    register_model("counted", 1.0, {"visits": DataType.long})
    register_model("unsigned", 1.0, inputs, output=None)
    client = MlflowClient()
    client.set_registered_model_alias("revenue", "stable", "1")
    client.set_registered_model_alias("revenue", "champion", "2")


@pytest.fixture(scope="session")
def outcomes(spark: SparkSession, folder: Folder, real_sales: Path) -> list[tuple[scenario.Outcome, str]]:
    """The scenario run twice on one lakehouse: on the real file, then on generated data."""
    told = []
    for data in (real_sales, None):
        console = Console(file=io.StringIO(), width=160)
        outcome = scenario.run(spark, folder, data, console)
        told.append((outcome, console.file.getvalue()))  # type: ignore[attr-defined]
    return told
