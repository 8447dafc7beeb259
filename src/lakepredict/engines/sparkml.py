"""The native engine for Spark ML: the pipeline becomes part of the query, with no Python worker.

The pipeline's ``transform`` is applied once, on the driver, to an empty data frame of the model's inputs. What
comes out is a chain of projections, which ``_jvm`` splices into the query with the call's arguments in place
of the empty frame's columns: the same expressions, so the same numbers and the same speed as ``transform``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from mlflow.models import Model
from mlflow.types.schema import SparkMLVector
from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.classification import ProbabilisticClassificationModel
from pyspark.ml.clustering import DistributedLDAModel
from pyspark.ml.feature import IndexToString, SQLTransformer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.tuning import CrossValidatorModel, TrainValidationSplitModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict import _jvm
from lakepredict._casts import is_safe
from lakepredict._jvm import java_message
from lakepredict._names import cut
from lakepredict._registry import first_line
from lakepredict._sql import in_pairs, quoted, sql_type
from lakepredict._unreadable import hint_for_code
from lakepredict._worker.packed_model import OwnModules
from lakepredict.engines._files import fetched
from lakepredict.engines._nulls import refuse_nulls
from lakepredict.engines.base import Request
from lakepredict.errors import ModelUnreadableError, ModelUnsupportedError, ProbabilitiesMissingError

_ARRAY = T.ArrayType(T.DoubleType())
"""What a vector is in SQL."""


def supports(flavors: Iterable[str]) -> bool:
    """Whether the model was logged with ``mlflow.spark``."""
    return "spark" in flavors


def build(spark: SparkSession, request: Request) -> DataFrame:
    """The model's output for an empty data frame of its inputs, as one column, and the conditions on it.

    A row with a missing value (NULL, or NaN in a floating-point input) that the pipeline refuses gets NULL; what it
    gives otherwise, with ``handleInvalid='keep'`` or an Imputer for example, is the prediction. Where
    ``request.on_null`` is ``error``, a NULL in a required input fails the query; where it is ``pass``, the stages get
    what there is.

    Raises:
        ModelUnsupportedError: the pipeline does more than project (drops rows, joins, aggregates), does not
            take the inputs or give the outputs of the signature, or is to take inference parameters.
        ProbabilitiesMissingError: class probabilities are asked for, and it gives none.
        ModelUnreadableError: the model's files cannot be read.
    """
    if request.params:
        raise _unsupported(request, "a model of another flavor", "inference parameters, which Spark ML does not have")
    with _loaded(spark, request) as (pipeline, vectors):
        if any(isinstance(stage, DistributedLDAModel) for stage in _stages(pipeline)):
            changing = (
                "a DistributedLDAModel, whose numbers change each time it is loaded; those of its toLocal() do not"
            )
            raise _unsupported(request, "a pipeline that gives the same numbers each time", changing)
        inputs, transformed = _transformed(spark, request, pipeline, vectors)
        outputs = (
            _probabilities(request, pipeline, transformed)
            if request.probabilities
            else _outputs(request, pipeline, transformed)
        )
        scored: DataFrame = transformed.select(outputs.alias("prediction"))
        step = _jvm.obstacle(scored, inputs)
        if step is not None:
            wanted = "a pipeline that computes each row's prediction from that row alone"
            raise _unsupported(request, wanted, _obstacle(pipeline, step))
        return _jvm.collapsed(scored, _guards(request, inputs, pipeline))


@contextmanager
def _loaded(spark: SparkSession, request: Request) -> Iterator[tuple[Transformer, set[str]]]:
    """The pipeline, its files for as long as the context lasts, and the inputs that its signature calls vectors.

    Spark ML reads its files by jobs, on executors, some of them only when ``transform`` is called. So they are put
    where the session's tables are, which is a place that executors see.
    """
    warehouse = str(spark.conf.get("spark.sql.warehouse.dir"))
    with fetched(request.reference, request.model) as files:
        logged = Model.load(files)
        flavor = logged.flavors["spark"]
        vectors = {str(each.name) for each in logged.signature.inputs if isinstance(each.type, SparkMLVector)}
        with OwnModules(files).in_place(), _jvm.staged(spark, files / flavor["model_data"], warehouse) as uri:
            if flavor.get("code"):
                sys.path.insert(0, str(files / flavor["code"]))
            yield _load(request, uri), vectors


def _load(request: Request, uri: str) -> Transformer:
    try:
        return PipelineModel.load(uri)
    except (Exception, SystemExit) as exc:  # each kind of stage fails in its own way on files that are damaged
        hint = hint_for_code(exc, _jvm.full_text(exc))
        reason = java_message(exc) or first_line(exc)
        raise ModelUnreadableError(
            call=str(request.reference), source=request.model.uri, reason=reason, hint=hint
        ) from exc


def _unsupported(request: Request, expected: str, got: str) -> ModelUnsupportedError:
    hint = f"score with the model itself: mlflow.spark.load_model('{request.model.uri}').transform(df)."
    return ModelUnsupportedError(call=str(request.reference), expected=expected, got=got, hint=hint)


def _obstacle(pipeline: Transformer, step: str) -> str:
    dropping = [each for each in _stages(pipeline) if _handle_invalid(each) == "skip"]
    if not dropping:
        return f"a step that does more: {step}"
    names = ", ".join(type(each).__name__ for each in dropping)
    return f"{names} with handleInvalid='skip', which drops rows"


def _handle_invalid(stage: Transformer) -> str | None:
    return str(stage.getOrDefault("handleInvalid")) if stage.hasParam("handleInvalid") else None


def _transformed(
    spark: SparkSession, request: Request, pipeline: Transformer, vectors: set[str]
) -> tuple[DataFrame, DataFrame]:
    """An empty data frame of the inputs, and what the pipeline makes of it.

    An ARRAY<DOUBLE> in the signature may stand for a vector too, which is what most stages take.
    """
    arrays = {str(each.name) for each in request.inputs if each.type == _ARRAY}
    for chosen in [vectors] if arrays <= vectors else [vectors, arrays]:
        inputs = _inputs(spark, request, chosen & arrays)
        try:
            return inputs, pipeline.transform(_given(request, inputs.drop(*map(_whole, chosen & arrays))))
        except Exception as exc:  # each kind of stage refuses its input in its own way
            reason, cause = java_message(exc) or first_line(exc), exc
    taken = cut(f"{each.name} {sql_type(each.type)}" for each in request.inputs)
    raise _unsupported(request, f"a pipeline that takes {taken}, as its signature says", reason) from cause


def _given(request: Request, inputs: DataFrame) -> DataFrame:
    """Return the inputs in the order of the signature; an optional one that the call does not provide is NULL."""
    if not request.absent:
        return inputs
    nothing = {column.name: F.lit(None).cast(column.type) for column in request.absent}
    names = [str(column.name) for column in request.model.signature.inputs]
    return inputs.select(*(nothing[name].alias(name) if name in nothing else F.col(quoted(name)) for name in names))


def _inputs(spark: SparkSession, request: Request, vectors: set[str]) -> DataFrame:
    """An empty data frame of the inputs and, after them, whether each vector is there with all its elements."""
    fields = [
        T.StructField(str(each.name), VectorUDT() if each.name in vectors else each.type) for each in request.inputs
    ]
    fields += [T.StructField(_whole(each.name), T.BooleanType()) for each in fields if each.name in vectors]
    return spark.createDataFrame([], T.StructType(fields))


def _whole(name: str) -> str:
    return f"{name} is whole"


def _outputs(request: Request, pipeline: Transformer, transformed: DataFrame) -> Column:
    """The column, or the struct of columns, that the signature promises."""
    signature = request.model.signature
    result = signature.result
    if isinstance(result, T.StructType) and signature.output not in transformed.columns:
        fields = [_output(request, transformed, each.name, each.dataType).alias(each.name) for each in result.fields]
        return F.struct(*fields)
    candidates = [signature.output, "prediction", _last_output(pipeline)]
    name = next((each for each in candidates if each in transformed.columns), None) or "prediction"
    return _output(request, transformed, name, result)


def _last_output(pipeline: Transformer) -> str | None:
    """The column that the last stage is there for, where that is one."""
    *_, last = _stages(pipeline)
    for param in ("predictionCol", "topicDistributionCol", "outputCol"):
        if last.hasParam(param) and last.isDefined(param):
            return str(last.getOrDefault(param))
    return None


def _output(request: Request, transformed: DataFrame, name: str, wanted: T.DataType) -> Column:
    promised = f"a model that gives {name} {sql_type(wanted)}, as its signature says"
    if name not in transformed.columns:
        raise _unsupported(request, promised, ", ".join(transformed.columns))
    column, given = F.col(quoted(name)), transformed.schema[name].dataType
    if isinstance(given, VectorUDT):
        column, given = vector_to_array(column), _ARRAY
    elif isinstance(given, T.ArrayType) and isinstance(given.elementType, VectorUDT):
        column, given = F.transform(column, lambda each: vector_to_array(each)), T.ArrayType(_ARRAY)
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
    if len(labels) != classifier.numClasses:
        got = f"a Spark ML pipeline with texts for {len(labels)} of {classifier.numClasses} classes"
        raise ProbabilitiesMissingError(call=str(request.reference), got=got)
    values = vector_to_array(F.col(quoted(classifier.getProbabilityCol())))
    return F.map_from_arrays(F.array(*labels), values)


def _guards(request: Request, inputs: DataFrame, pipeline: Transformer) -> DataFrame:
    """Return when the outputs are computed and, if need be, when they are tried, as columns over the inputs."""
    numbered = inputs.toDF(*(f"c{place}" for place in range(len(inputs.columns))))
    if request.on_null == "error":
        return _jvm.merged(numbered.select(refuse_nulls(request, F.lit(True)).alias("computed")))
    if request.on_null == "pass":
        return inputs.select()
    conditions = _conditions(inputs, [str(column.name) for column in request.inputs])
    # What the call does not provide is NULL in each row.
    conditions.update((str(column.name), "false") for column in request.absent)
    refused = _refused(pipeline)
    needed = [condition for name, condition in conditions.items() if name in refused]
    guards = [in_pairs("AND", list(conditions.values()))]
    if len(needed) < len(conditions):
        guards.append(in_pairs("AND", needed or ["true"]))
    return _jvm.merged(numbered.selectExpr(*(f"{sql} AS g{place}" for place, sql in enumerate(guards))))


def _conditions(inputs: DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Return for each input the SQL of whether it is there, over the inputs as ``c0``, ``c1``, ..."""
    places = {name: place for place, name in enumerate(inputs.columns)}
    types = {field.name: field.dataType for field in inputs.schema}
    found = {}
    for name in names:
        column = f"c{places[name]}"
        if isinstance(types[name], VectorUDT):
            found[name] = f"c{places[_whole(name)]}"
        elif isinstance(types[name], (T.FloatType, T.DoubleType)):
            found[name] = f"({column} IS NOT NULL AND NOT isnan({column}))"
        else:
            found[name] = f"{column} IS NOT NULL"
    return found


def _refused(pipeline: Transformer) -> set[str]:
    """The columns whose missing values fail the pipeline for sure: those of a VectorAssembler."""
    found: set[str] = set()
    for stage in _stages(pipeline):
        if isinstance(stage, SQLTransformer):
            break
        if isinstance(stage, VectorAssembler) and _handle_invalid(stage) == "error":
            found |= set(stage.getInputCols())
    return found


def _stages(model: Transformer) -> Iterator[Transformer]:
    if isinstance(model, (CrossValidatorModel, TrainValidationSplitModel)):
        yield from _stages(model.bestModel)
    elif isinstance(model, PipelineModel):
        for stage in model.stages:
            yield from _stages(stage)
    else:
        yield model
