"""Runs on Delta tables: signatures from the schemas of Spark data frames, and the table that a run learns from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.data.spark_dataset import from_spark
from mlflow.entities import Run
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from pyspark.sql import DataFrame

from lakepredict import _signature

_MLFLOW_TYPES = {type(spark): ours for ours, spark in _signature.SPARK_TYPES.items()}


def signature_of(features: DataFrame, prediction: DataType = DataType.double) -> ModelSignature:
    """A signature that PREDICT can use: the columns of a data frame in, one scalar out.

    MLflow infers types from values, and warns of integers that might be missing; here they are the table's.

    Args:
        features: a Spark data frame of the model's inputs and nothing else; nothing is computed.
        prediction: the MLflow type of the one output.

    Raises:
        KeyError: a column is not of a scalar type that MLflow has.
    """
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(_MLFLOW_TYPES[type(field.dataType)], field.name) for field in features.schema
    ]
    return ModelSignature(Schema(inputs), Schema([ColSpec(prediction, "prediction")]))


@contextmanager
def run_on_table(experiment: str, name: str, *, table: str, version: int, data: DataFrame) -> Iterator[Run]:
    """An MLflow run of an experiment, with the Delta table that it learns from as dataset input.

    A run whose body raises ends as FAILED.

    Args:
        experiment: the experiment's name; made if it does not exist.
        name: the run's name.
        table: the Delta table's name.
        version: the Delta version of the table that ``data`` was read at.
        data: the rows that are learnt from.
    """
    with mlflow.start_run(experiment_id=_experiment_id(experiment), run_name=name) as run:
        dataset = from_spark(data, table_name=table, version=str(version), name=table)
        mlflow.log_input(dataset, context="training")
        mlflow.set_tags({"lakepredict.table": table, "lakepredict.table_version": str(version)})
        yield run


def _experiment_id(name: str) -> str:
    """The id of an experiment, which is made if it does not exist; the program's active experiment stays as it is."""
    known = mlflow.get_experiment_by_name(name)
    return known.experiment_id if known else mlflow.create_experiment(name)
