"""What a fitted pipeline of Spark ML takes and gives, as a signature for PREDICT, and which features matter to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array, SparkMLVector
from pyspark.ml import PipelineModel
from pyspark.ml.feature import (
    Bucketizer,
    Interaction,
    MaxAbsScalerModel,
    MinMaxScalerModel,
    Normalizer,
    OneHotEncoderModel,
    RobustScalerModel,
    StandardScalerModel,
    VectorAssembler,
)
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.stat import Summarizer
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict import _jvm, _signature
from lakepredict._sql import quoted
from lakepredict._tries import unlogged
from lakepredict.errors import ModelFormatError
from lakepredict.tracking._stages import MADE, READ, columns, flat, last_output, sources
from lakepredict.tracking._tables import mlflow_type

_AS_NUMBERS = (VectorAssembler, OneHotEncoderModel, Bucketizer, Interaction)
"""Stages to which a whole number and the double of it are the same; to a StringIndexer 1 is '1' and 1.0 is '1.0'."""

_SCALERS = (MaxAbsScalerModel, MinMaxScalerModel, Normalizer, RobustScalerModel, StandardScalerModel)
"""Stages that give each element of a vector its place, but not its name."""

_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)

_TRIED = 20
"""On how many rows a model is tried."""

_SHOWN = 5
"""How many of them are the input example."""

_LISTED = 1_000
"""How many features a table of importances has at most."""


@dataclass(frozen=True)
class Interface:
    """What PREDICT needs to know of a fitted pipeline.

    Attributes:
        inputs: the columns that ``transform`` needs, in the data's order.
        output: the column of its result, or None where it has none.
        signature: both with their types; None where there is none that ``transform`` would take.
        example: a few rows of the inputs, or None where the data has no rows.
        problem: why PREDICT cannot use the pipeline, or None where it can.
    """

    inputs: list[str]
    output: str | None
    signature: ModelSignature | None
    example: pd.DataFrame | None
    problem: str | None = None


def interface_of(model: PipelineModel, data: DataFrame) -> Interface:
    """Find out which columns of the data a pipeline needs and what it gives, and try that on some rows."""
    stages = list(flat(model))
    output = last_output(stages)
    if output is None or output not in model.transform(data.limit(0)).columns:
        return Interface(_needed(model, stages, data, None), None, None, None, "no stage makes a prediction")
    inputs = _needed(model, stages, data, output)
    fields = [data.schema[name] for name in inputs]
    kinds = {field.name: _type_for_stages(field, stages) for field in fields}
    made = model.transform(data.limit(0)).schema[output]
    try:
        specs: list[ColSpec | TensorSpec] = [ColSpec(_spec_type(each, kinds[each.name]), each.name) for each in fields]
        result = ColSpec(_spec_type(made, made.dataType), output)
    except ModelFormatError as exc:
        return Interface(inputs, output, None, None, str(exc))
    signature = ModelSignature(Schema(specs), Schema([result]))
    chosen = data.select(*map(_column, inputs))
    rows = data.sparkSession.createDataFrame(chosen.limit(_TRIED).collect(), chosen.schema)
    beyond = _more_than_a_row(model, chosen.schema, output, data.sparkSession)
    # What joins gives its rows in any order, so there is nothing to compare one by one.
    problem = None if beyond else _difference(model, rows, signature, output)
    if problem is not None:
        return Interface(inputs, output, None, None, problem)
    dropping = [f"{name} with handleInvalid='skip' drops rows" for name in _dropping(stages, inputs)]
    unfit = ", ".join(dropping) or beyond
    return Interface(inputs, output, signature, _example(rows, signature), unfit)


def _more_than_a_row(model: PipelineModel, schema: T.StructType, output: str, spark: SparkSession) -> str | None:
    """What keeps the pipeline from being part of a query, as a join with its factors does for ALS."""
    empty = spark.createDataFrame([], schema)
    step = _jvm.obstacle(model.transform(empty).select(_column(output)), empty)
    return None if step is None else f"a step does more than compute a row's prediction from that row: {step}"


def _column(name: str) -> Column:
    return F.col(quoted(name))


def _needed(model: PipelineModel, stages: Sequence[Any], data: DataFrame, output: str | None) -> list[str]:
    """The columns of the data without which ``transform`` does not come to its result.

    They are read off the stages and tried; where that does not do, each column is left out in turn.
    """
    empty = data.limit(0)
    found = sources(stages, {output} if output else {name for each in stages for name in columns(each, READ)})
    if found is not None and found <= set(data.columns):
        inputs = [name for name in data.columns if name in found]
        if _works(model, empty.select(*map(_column, inputs)), output):
            return inputs
    return [
        name
        for name in data.columns
        if not _works(model, empty.select(*(_column(each) for each in data.columns if each != name)), output)
    ]


@unlogged()
def _works(model: PipelineModel, empty: DataFrame, output: str | None) -> bool:
    try:
        transformed = model.transform(empty)
    except Exception:  # each kind of stage refuses what it is given in its own way
        return False
    return output is None or output in transformed.columns


def _dropping(stages: Sequence[Any], inputs: Sequence[str]) -> Iterator[str]:
    """The stages that leave rows out; a StringIndexer whose input is not there, such as the label's, does nothing."""
    there = set(inputs)
    for each in stages:
        if there.issuperset(columns(each, READ)):
            there |= set(columns(each, MADE))
            if each.hasParam("handleInvalid") and each.getOrDefault("handleInvalid") == "skip":
                yield type(each).__name__


def _type_for_stages(field: T.StructField, stages: Sequence[Any]) -> T.DataType:
    """The type that a column may have for PREDICT: double for a whole number that may be missing, if no stage minds."""
    known = sources(stages, set()) is not None
    readers = [each for each in stages if field.name in columns(each, READ)]
    numeric = known and bool(readers) and all(isinstance(each, _AS_NUMBERS) for each in readers)
    missing = isinstance(field.dataType, _WHOLE) and field.nullable
    return T.DoubleType() if numeric and missing else field.dataType


def _spec_type(field: T.StructField, kind: T.DataType) -> DataType | Array:
    if isinstance(kind, VectorUDT):
        return SparkMLVector()  # type: ignore[no-untyped-call]
    return mlflow_type(T.StructField(field.name, kind))


@unlogged()
def _difference(model: PipelineModel, rows: DataFrame, signature: ModelSignature, output: str) -> str | None:
    """What ``transform`` gives otherwise on inputs of the signature's types, or None where it gives the same."""
    try:
        expected = model.transform(rows).select(_column(output)).collect()
    except Exception:  # rows that the fit left out, for example; there is nothing to compare with
        return None
    try:
        found = model.transform(_cast(rows, signature)).select(_column(output)).collect()
    except Exception as exc:  # each kind of stage refuses what it is given in its own way
        return f"transform fails on inputs of the signature's types: {str(exc).strip().splitlines()[0]}"
    pairs = list(zip(found, expected, strict=False))
    different = [(left[0], right[0]) for left, right in pairs if not _same(left[0], right[0])]
    if not different and len(found) == len(expected):
        return None
    left, right = different[0] if different else (f"{len(found)} rows", f"{len(expected)}")
    return f"transform gives {left} instead of {right} on inputs of the signature's types"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return bool(left == right)


def _cast(rows: DataFrame, signature: ModelSignature) -> DataFrame:
    """Rows as PREDICT gives them to a pipeline."""
    chosen = [
        _column(each.name)
        if isinstance(each.type, SparkMLVector)
        else _column(each.name).cast(_signature.spark_type(each.type)).alias(each.name)
        for each in signature.inputs
    ]
    return rows.select(*chosen)


def _example(rows: DataFrame, signature: ModelSignature) -> pd.DataFrame | None:
    given = _cast(rows.limit(_SHOWN), signature)
    vectors = {field.name for field in given.schema if isinstance(field.dataType, VectorUDT)}
    shown = [vector_to_array(_column(each)).alias(each) if each in vectors else _column(each) for each in given.columns]
    example: pd.DataFrame = given.select(*shown).toPandas()
    return None if example.empty else example


def importances_of(predictor: Any, stages: Sequence[Any], transformed: DataFrame) -> pd.DataFrame | None:
    """How much a fitted predictor makes of each feature, most first, or None where it does not say.

    For trees this is their ``feature`` and ``importance``; for linear models ``feature``, ``coefficient`` and
    ``scaled``, the coefficient times the feature's standard deviation in the training data: how far a usual difference
    in the feature moves the result. Of several classes each has its own, under ``class``.

    Args:
        predictor: the fitted stage.
        stages: the stages that it is one of.
        transformed: the training data with the features column; coefficients take a pass over it.
    """
    weights = _weights(predictor)
    if not weights:
        return None
    column = columns(predictor, ["featuresCol"])[0]
    size = len(next(iter(weights.values())))
    names = feature_names(transformed, stages, column, size)
    if hasattr(predictor, "featureImportances"):
        table = pd.DataFrame({"feature": names, "importance": weights[""]})
        return _most(table, "importance")
    summary = Summarizer.metrics("std").summary(F.col(quoted(column)))
    spread = transformed.select(summary.alias("found")).collect()[0]["found"]["std"].toArray()
    tables = [
        pd.DataFrame({"class": label, "feature": names, "coefficient": each, "scaled": each * spread})
        for label, each in weights.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    return _most(table if len(weights) > 1 else table.drop(columns="class"), "scaled")


def _most(table: pd.DataFrame, column: str) -> pd.DataFrame:
    order = table[column].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].head(_LISTED).reset_index(drop=True)


def _weights(predictor: Any) -> dict[str, Any]:
    """A predictor's weights of features by class; the class is empty where there is but one set of them."""
    if hasattr(predictor, "featureImportances"):
        return {"": predictor.featureImportances.toArray()}
    if hasattr(predictor, "coefficientMatrix"):
        matrix = predictor.coefficientMatrix.toArray()
        return {"": matrix[0]} if len(matrix) == 1 else {str(position): each for position, each in enumerate(matrix)}
    if hasattr(predictor, "coefficients"):
        return {"": predictor.coefficients.toArray()}
    return {}


def feature_names(transformed: DataFrame, stages: Sequence[Any], column: str, size: int) -> list[str]:
    """What the elements of a features column are called, by the column's metadata.

    Scalers forget the names of what they scale: then they are those of their input. Where none are known, they are
    ``features[0]`` and so on.
    """
    attributes = transformed.schema[column].metadata.get("ml_attr", {}).get("attrs", {})
    known = {each["idx"]: each["name"] for group in attributes.values() for each in group if "name" in each}
    if known:
        return [known.get(position, f"{column}[{position}]") for position in range(size)]
    maker = next((each for each in stages if column in columns(each, ["outputCol"])), None)
    if isinstance(maker, _SCALERS):
        return feature_names(transformed, stages, maker.getInputCol(), size)
    return [f"{column}[{position}]" for position in range(size)]
