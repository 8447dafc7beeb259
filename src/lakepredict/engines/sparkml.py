"""The native engine for Spark ML: the pipeline becomes part of the query, with no Python worker.

The pipeline's ``transform`` is applied once, on the driver, to an empty data frame of the model's inputs. What
comes out is a chain of projections, which ``_jvm`` splices into the query with the call's arguments in place
of the empty frame's columns: the same expressions, so the same numbers and the same speed as ``transform``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mlflow.models import Model
from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.classification import ProbabilisticClassificationModel
from pyspark.ml.feature import ImputerModel, IndexToString
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.tuning import CrossValidatorModel, TrainValidationSplitModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict import _jvm
from lakepredict._casts import is_safe
from lakepredict._registry import first_line
from lakepredict._sql import quoted, sql_type
from lakepredict._worker.packed_model import OwnModules
from lakepredict.engines._files import fetched
from lakepredict.engines._nulls import refuse_nulls
from lakepredict.engines.base import Request
from lakepredict.errors import ModelUnreadableError, ModelUnsupportedError, ProbabilitiesMissingError


def supports(flavors: Iterable[str]) -> bool:
    """Whether the model was logged with ``mlflow.spark``."""
    return "spark" in flavors


def build(spark: SparkSession, request: Request) -> DataFrame:
    """The model's output for an empty data frame of its inputs, as one column.

    A NULL in an input whose first stage refuses missing values (and NaN, as VectorAssembler does) gives a NULL
    prediction; a stage with ``handleInvalid='keep'`` and an Imputer get them as they are. Where
    ``request.on_null`` is ``error``, a NULL in a required input fails the query; where it is ``pass``, the stages get
    what there is.

    Raises:
        ModelUnsupportedError: the pipeline does more than project (drops rows, joins, aggregates), does not
            give the outputs of the signature, or is to take inference parameters.
        ProbabilitiesMissingError: class probabilities are asked for, and it gives none.
        ModelUnreadableError: the model's files cannot be read.
    """
    if request.params:
        raise _unsupported(request, "a model of another flavor", "inference parameters, which Spark ML does not have")
    with _loaded(spark, request) as pipeline:
        return _scored(spark, request, pipeline)


@contextmanager
def _loaded(spark: SparkSession, request: Request) -> Iterator[Transformer]:
    """The pipeline, and its files for as long as the context lasts.

    Spark ML reads its files by jobs, on executors, some of them only when ``transform`` is called. So they are put
    where the session's tables are, which is a place that executors see.
    """
    warehouse = str(spark.conf.get("spark.sql.warehouse.dir"))
    with fetched(request.reference, request.model) as files:
        flavor = Model.load(files).flavors["spark"]
        with OwnModules(files).in_place(), _jvm.staged(spark, files / flavor["model_data"], warehouse) as uri:
            if flavor.get("code"):
                sys.path.insert(0, str(files / flavor["code"]))
            yield _load(request, uri)


def _load(request: Request, uri: str) -> Transformer:
    try:
        return PipelineModel.load(uri)
    except Exception as exc:  # each kind of stage fails in its own way on files that are damaged
        reason = first_line(exc)
        raise ModelUnreadableError(call=str(request.reference), source=request.model.uri, reason=reason) from exc


def _scored(spark: SparkSession, request: Request, pipeline: Transformer) -> DataFrame:
    inputs = _inputs(spark, request)
    transformed = pipeline.transform(_with_vectors(inputs))
    outputs = (
        _probabilities(request, pipeline, transformed) if request.probabilities else _outputs(request, transformed)
    )
    if request.on_null == "null":
        kept = tolerant(pipeline)
        outputs = _unless_missing(inputs, [name for name in inputs.columns if name not in kept], outputs)
    elif request.on_null == "error":
        outputs = refuse_nulls(request, [F.col(quoted(name)) for name in inputs.columns], outputs)
    scored: DataFrame = transformed.select(outputs.alias("prediction"))
    step = _jvm.obstacle(scored)
    if step is not None:
        wanted = "a pipeline that computes each row's prediction from that row alone"
        raise _unsupported(request, wanted, f"a step that does more: {step}")
    return scored


def _unsupported(request: Request, expected: str, got: str) -> ModelUnsupportedError:
    hint = f"score with the model itself: mlflow.spark.load_model('{request.model.uri}').transform(df)."
    return ModelUnsupportedError(call=str(request.reference), expected=expected, got=got, hint=hint)


def _inputs(spark: SparkSession, request: Request) -> DataFrame:
    fields = [T.StructField(str(each.name), each.type) for each in request.inputs]
    return spark.createDataFrame([], T.StructType(fields))


def _with_vectors(inputs: DataFrame) -> DataFrame:
    """Spark ML takes vectors where MLflow's signature has arrays of double."""
    vector_like = T.ArrayType(T.DoubleType())
    columns = [
        array_to_vector(F.col(quoted(field.name))).alias(field.name) if field.dataType == vector_like else field.name
        for field in inputs.schema
    ]
    return inputs.select(*columns)


def _outputs(request: Request, transformed: DataFrame) -> Column:
    """The column, or the struct of columns, that the signature promises."""
    result = request.model.signature.result
    if not isinstance(result, T.StructType):
        return _output(request, transformed, "prediction", result)
    fields = [_output(request, transformed, each.name, each.dataType).alias(each.name) for each in result.fields]
    return F.struct(*fields)


def _output(request: Request, transformed: DataFrame, name: str, wanted: T.DataType) -> Column:
    promised = f"a model that gives {name} {sql_type(wanted)}, as its signature says"
    if name not in transformed.columns:
        raise _unsupported(request, promised, ", ".join(transformed.columns))
    given = transformed.schema[name].dataType
    column = F.col(quoted(name))
    if isinstance(given, VectorUDT):
        given, column = T.ArrayType(T.DoubleType()), vector_to_array(column)
    if not is_safe(given, wanted):
        raise _unsupported(request, promised, f"{name} {sql_type(given)}")
    return column.cast(wanted)


def _probabilities(request: Request, pipeline: Transformer, transformed: DataFrame) -> Column:
    """A map from label to probability; the labels are texts where an IndexToString turns predictions into texts."""
    stages = list(_stages(pipeline))
    classifiers = [each for each in stages if isinstance(each, ProbabilisticClassificationModel)]
    if not classifiers or classifiers[-1].getProbabilityCol() not in transformed.columns:
        names = ", ".join(type(each).__name__ for each in stages)
        raise ProbabilitiesMissingError(call=str(request.reference), got=f"a Spark ML pipeline of {names}")
    classifier = classifiers[-1]
    predicted = classifier.getPredictionCol()
    texts = [each for each in stages if isinstance(each, IndexToString) and each.getInputCol() == predicted]
    labels = [F.lit(float(each)) for each in range(classifier.numClasses)]
    if texts:
        named = texts[-1].getLabels() if texts[-1].isDefined("labels") else []
        metadata = transformed.schema[predicted].metadata.get("ml_attr", {})
        labels = [F.lit(each) for each in named or metadata["vals"]]
    values = vector_to_array(F.col(quoted(classifier.getProbabilityCol())))
    return F.map_from_arrays(F.array(*labels), values)


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
    if isinstance(model, (CrossValidatorModel, TrainValidationSplitModel)):
        yield from _stages(model.bestModel)
    elif isinstance(model, PipelineModel):
        for stage in model.stages:
            yield from _stages(stage)
    else:
        yield model


def _input_columns(stage: Transformer) -> Iterator[str]:
    for name in ("inputCol", "inputCols", "featuresCol"):
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            yield from [value] if isinstance(value, str) else value
