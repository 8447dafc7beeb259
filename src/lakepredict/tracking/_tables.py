"""Delta tables in MLflow's terms: signatures from the schemas of Spark data frames, and tables as datasets of runs."""

from __future__ import annotations

from hashlib import md5
from typing import Any

import mlflow
from delta import DeltaTable
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.dataset_source import DatasetSource
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.spark_dataset import SparkDataset
from mlflow.models import ModelSignature
from mlflow.tracking.context.registry import resolve_tags
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakepredict import _signature
from lakepredict._sql import sql_type
from lakepredict.errors import FitError, ModelFormatError

_MLFLOW_TYPES: dict[type[T.DataType], DataType] = {
    **{type(spark): ours for ours, spark in _signature.SPARK_TYPES.items()},
    T.ByteType: DataType.integer,
    T.ShortType: DataType.integer,
    T.DecimalType: DataType.double,
    T.DateType: DataType.datetime,
    T.TimestampNTZType: DataType.datetime,
}
"""Spark type -> the MLflow type that PREDICT casts a column of it to."""


def signature_of(features: DataFrame, prediction: DataType = DataType.double) -> ModelSignature:
    """A signature that PREDICT can use: the columns of a data frame in, one scalar out.

    MLflow infers types from values, and warns of integers that might be missing; here they are the table's.

    Args:
        features: a Spark data frame of the model's inputs and nothing else; nothing is computed.
        prediction: the MLflow type of the one output.

    Raises:
        ModelFormatError: a column is of a type that MLflow does not have.
    """
    inputs: list[ColSpec | TensorSpec] = [ColSpec(mlflow_type(field), field.name) for field in features.schema]
    return ModelSignature(Schema(inputs), Schema([ColSpec(prediction, "prediction")]))


def mlflow_type(field: T.StructField) -> DataType | Array:
    """The MLflow type of a column: of scalars, and of arrays of them.

    Raises:
        ModelFormatError: there is none.
    """
    kind, levels = field.dataType, 0
    while isinstance(kind, T.ArrayType):
        kind, levels = kind.elementType, levels + 1
    if type(kind) not in _MLFLOW_TYPES:
        raise ModelFormatError(
            f"The column `{field.name}` has no type that a signature can have.",
            expected="numbers, booleans, text, bytes, dates, times, or arrays of them",
            got=sql_type(field.dataType),
            hint="convert the column, or leave it out of the model's inputs.",
        )
    found: DataType | Array = _MLFLOW_TYPES[type(kind)]
    for _ in range(levels):
        found = Array(found)
    return found


class TableDataset(SparkDataset):
    """A data frame as dataset of a run.

    MLflow's profile counts the rows by a job in Python workers, which goes on when its five seconds are over; this
    has none.
    """

    @property
    def profile(self) -> None:
        return None


def schema_digest(data: DataFrame) -> str:
    """Eight characters that are the same for data with the same columns and types, in the same order."""
    return md5(data.schema.simpleString().encode(), usedforsecurity=False).hexdigest()[:8]


def source_of(spark: SparkSession | None, table: str | None, version: int | str | None) -> DatasetSource:
    """Where data comes from: a version of a Delta table, the newest where none is given; or else this program.

    Raises:
        FitError: the table is not a Delta table, or there is none of this name.
    """
    if table is None or spark is None:
        return CodeDatasetSource(tags=resolve_tags())
    try:
        delta = DeltaTable.forName(spark, table)
        known = delta.detail().select("id").collect()[0]["id"]
        newest = version if version is not None else delta.history(1).select("version").collect()[0]["version"]
    except AnalysisException as exc:
        raise FitError(
            f"There is no Delta table `{table}` to learn from.",
            expected="the name of a Delta table",
            got=str(exc).splitlines()[0],
            hint="give the table that the data was read from; leave `table` out where it was read from none.",
        ) from exc
    # With the table's own id, MLflow does not ask a Databricks catalog for one.
    # As text, for MLflow leaves out the version 0 as a number.
    shown: Any = str(newest)
    return DeltaDatasetSource(delta_table_name=table, delta_table_version=shown, delta_table_id=known)


def experiment_id(name: str) -> str:
    """The id of an experiment, which is made if it does not exist; the program's active experiment stays as it is."""
    known = mlflow.get_experiment_by_name(name)
    return known.experiment_id if known else mlflow.create_experiment(name)
