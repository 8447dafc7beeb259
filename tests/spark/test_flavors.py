"""Flavor conformance: whatever library a model is from, PREDICT gives what the model itself gives."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from sklearn.linear_model import LinearRegression

import flavors
from flavors import MIXED, NUMERIC, Case

MODELS = Path(__file__).with_name("models")

pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer:UserWarning")


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> pd.DataFrame:
    """The rows of the table ``store_sales``, whose columns are more than any model's and in another order."""
    rows = flavors.sales()
    spark.createDataFrame(rows).select(*reversed(rows.columns)).repartition(2).write.saveAsTable("store_sales")
    return rows


@pytest.fixture
def registered() -> Iterator[list[str]]:
    """Names of registered models that are gone after the test."""
    names: list[str] = []
    yield names
    for name in names:
        MlflowClient().delete_registered_model(name)


def conforms(spark: SparkSession, registered: list[str], name: str, case: Case) -> None:
    """Log and register a model, score the table, and compare with what the model itself gives."""
    with mlflow.start_run():
        case.log(name="model", signature=case.signature, registered_model_name=name, pip_requirements=["mlflow"])
    registered.append(name)
    compare(spark, f"PREDICT('{name}', 1, {case.inputs})", case.expected, case.result, case.rtol)


def compare(spark: SparkSession, call: str, expected: Any, result: str, rtol: float) -> None:
    """Score the two partitions of the table and compare row by row."""
    scored = spark.sql(f"SELECT id, {call} AS p FROM store_sales")

    assert scored.schema["p"].dataType.simpleString() == result
    assert scored.rdd.getNumPartitions() == 2
    found = [row.p for row in sorted(scored.collect())]
    values = np.asarray(expected)
    if values.shape[1:] == (1,):
        values = values[:, 0]
    if values.dtype.kind == "f":
        np.testing.assert_allclose(found, values, rtol=rtol)
    else:
        assert found == values.tolist()


@pytest.mark.parametrize("name", flavors.CASES)
def test_predict_gives_what_the_model_gives(
    spark: SparkSession, rows: pd.DataFrame, registered: list[str], name: str
) -> None:
    """A model's predictions in SQL are those of its own library, in the Spark type of its signature."""
    conforms(spark, registered, name, flavors.CASES[name](rows))


@pytest.mark.large_flavors
@pytest.mark.parametrize(
    "name",
    [
        # First, while no worker has PyTorch yet: the model's code brings it.
        "pytorch_with_code",
        "pytorch_tensor",
        "pytorch_exported",
        "pytorch_columns",
        "tensorflow_module",
        "tensorflow_keras",
        "keras_tensor",
        "keras_named_tensors",
    ],
)
def test_large_flavors(spark: SparkSession, rows: pd.DataFrame, registered: list[str], name: str) -> None:
    """A network's predictions in SQL are those of its own library, in the Spark type of its signature."""
    import large_flavors

    conforms(spark, registered, name, large_flavors.CASES[name](rows))


@pytest.mark.parametrize("serialization_format", ["skops", "cloudpickle", "pickle"])
def test_sklearn_file_formats(
    spark: SparkSession, rows: pd.DataFrame, registered: list[str], serialization_format: str
) -> None:
    """Each file format that MLflow has for scikit-learn can be scored."""
    case = flavors.sklearn_serialized(rows, serialization_format)

    conforms(spark, registered, f"sklearn_{serialization_format}", case)


def test_python_model_with_code_of_its_own(
    spark: SparkSession, rows: pd.DataFrame, registered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python model finds the modules that were logged with it, which the workers do not have otherwise."""
    monkeypatch.syspath_prepend(MODELS)
    script = str(MODELS / "tariff.py")
    expected = runpy.run_path(script)["Tariff"]().predict(None, rows)
    log = partial(mlflow.pyfunc.log_model, python_model=script, code_paths=[str(MODELS / "rates.py")])

    conforms(spark, registered, "tariff", Case(log, infer_signature(rows[MIXED], expected), expected, "double"))


@pytest.mark.parametrize("source", ["runs:/{run}/model", "{artifacts}/model"], ids=["run", "directory"])
def test_model_of_mlflow_2_4(
    spark: SparkSession, rows: pd.DataFrame, registered: list[str], tmp_path: Path, source: str
) -> None:
    """A model in the files of MLflow 2.4 is scored, whether its version names the run or their place."""
    model = LinearRegression().fit(rows[NUMERIC], rows["amount"])
    shutil.copytree(MODELS / "mlflow_2_4", tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(model))
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path), "model")
    place = source.format(run=run.info.run_id, artifacts=run.info.artifact_uri)
    client = MlflowClient()
    client.create_registered_model("old_regressor")
    registered.append("old_regressor")
    client.create_model_version("old_regressor", place, run.info.run_id)

    compare(spark, "PREDICT('old_regressor', 1, *)", model.predict(rows[NUMERIC]), "double", 1e-12)
