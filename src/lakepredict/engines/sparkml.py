"""The native engine for Spark ML: the pipeline becomes part of the query, with no Python worker.

The pipeline's ``transform`` is applied once, on the driver, to an empty data frame of the model's inputs. What
comes out is a chain of projections, which ``_jvm`` splices into the query with the call's arguments in place
of the empty frame's columns: the same expressions, so the same numbers and the same speed as ``transform``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator

import mlflow.spark
from pyspark import SparkFiles
from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.feature import ImputerModel
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict import _jvm
from lakepredict._binding import Binding
from lakepredict._casts import is_safe
from lakepredict._registry import ModelReference
from lakepredict._sql import quoted, sql_type
from lakepredict.engines._files import fetch
from lakepredict.errors import ModelUnsupportedError

_HINT = "score with the model itself: mlflow.spark.load_model('{uri}').transform(df)."


def supports(flavors: Iterable[str]) -> bool:
    """Whether the model was logged with ``mlflow.spark``."""
    return "spark" in flavors


def build(spark: SparkSession, reference: ModelReference, binding: Binding) -> DataFrame:
    """The model's output for an empty data frame of its inputs, as one column.

    A NULL in an input whose first stage refuses missing values (and NaN, as VectorAssembler does) gives a NULL
    prediction; a stage with ``handleInvalid='keep'`` and an Imputer get them as they are.

    Raises:
        ModelUnsupportedError: the pipeline does more than project (drops rows, joins, aggregates), or does not
            give the outputs of the signature.
        ModelUnreadableError: the model's files cannot be read.
    """
    model = binding.model
    scratch = tempfile.mkdtemp(dir=SparkFiles.getRootDirectory(), prefix="lakepredict-")
    pipeline: Transformer = mlflow.spark.load_model(str(fetch(reference, model, scratch)))
    inputs = _inputs(spark, binding)
    transformed = pipeline.transform(_with_vectors(inputs))
    outputs = _outputs(reference, binding, transformed)
    guarded = [name for name in (str(each.input.name) for each in binding.inputs) if name not in tolerant(pipeline)]
    scored: DataFrame = transformed.select(_unless_missing(inputs, guarded, outputs).alias("prediction"))
    step = _jvm.obstacle(scored)
    if step is not None:
        raise ModelUnsupportedError(
            call=str(reference),
            expected="a pipeline that computes each row's prediction from that row alone",
            got=f"a step that does more: {step}",
            hint=_HINT.format(uri=model.uri),
        )
    return scored


def _inputs(spark: SparkSession, binding: Binding) -> DataFrame:
    fields = [T.StructField(str(each.input.name), each.input.type) for each in binding.inputs]
    return spark.createDataFrame([], T.StructType(fields))


def _with_vectors(inputs: DataFrame) -> DataFrame:
    """Spark ML takes vectors where MLflow's signature has arrays of double."""
    vector_like = T.ArrayType(T.DoubleType())
    columns = [
        array_to_vector(F.col(quoted(field.name))).alias(field.name) if field.dataType == vector_like else field.name
        for field in inputs.schema
    ]
    return inputs.select(*columns)


def _outputs(reference: ModelReference, binding: Binding, transformed: DataFrame) -> Column:
    """The column, or the struct of columns, that the signature promises."""
    result = binding.model.signature.result
    if not isinstance(result, T.StructType):
        return _output(reference, binding, transformed, "prediction", result)
    fields = [
        _output(reference, binding, transformed, field.name, field.dataType).alias(field.name)
        for field in result.fields
    ]
    return F.struct(*fields)


def _output(
    reference: ModelReference, binding: Binding, transformed: DataFrame, name: str, wanted: T.DataType
) -> Column:
    if name not in transformed.columns:
        raise _output_error(reference, binding, f"{name} {sql_type(wanted)}", ", ".join(transformed.columns))
    given = transformed.schema[name].dataType
    column = F.col(quoted(name))
    if isinstance(given, VectorUDT):
        given, column = T.ArrayType(T.DoubleType()), vector_to_array(column)
    if not is_safe(given, wanted):
        raise _output_error(reference, binding, f"{name} {sql_type(wanted)}", f"{name} {sql_type(given)}")
    return column.cast(wanted)


def _output_error(reference: ModelReference, binding: Binding, expected: str, got: str) -> ModelUnsupportedError:
    return ModelUnsupportedError(
        call=str(reference),
        expected=f"a model that gives {expected}, as its signature says",
        got=got,
        hint=_HINT.format(uri=binding.model.uri),
    )


def _unless_missing(inputs: DataFrame, guarded: list[str], outputs: Column) -> Column:
    missing = F.lit(False)
    for name in guarded:
        column = F.col(quoted(name))
        missing = missing | column.isNull()
        if isinstance(inputs.schema[name].dataType, (T.FloatType, T.DoubleType)):
            missing = missing | F.isnan(column)
    return F.when(~missing, outputs) if guarded else outputs


def tolerant(pipeline: Transformer) -> set[str]:
    """The columns that reach the pipeline's first stage for them with their missing values."""
    found: set[str] = set()
    seen: set[str] = set()
    for stage in _stages(pipeline):
        columns = set(_input_columns(stage))
        if _takes_missing(stage):
            found |= columns - seen
        seen |= columns
    return found


def _takes_missing(stage: Transformer) -> bool:
    if isinstance(stage, ImputerModel):
        return True
    return stage.hasParam("handleInvalid") and stage.getOrDefault("handleInvalid") == "keep"


def _stages(model: Transformer) -> Iterator[Transformer]:
    if not isinstance(model, PipelineModel):
        yield model
        return
    for stage in model.stages:
        yield from _stages(stage)


def _input_columns(stage: Transformer) -> Iterator[str]:
    for name in ("inputCol", "inputCols", "featuresCol"):
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            yield from [value] if isinstance(value, str) else value
