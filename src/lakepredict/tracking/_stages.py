"""What the stages of a Spark ML pipeline are called, how they are set, and which columns they read and make; pure.

Names of parameters are those of ``mlflow.pyspark.ml.autolog``, so that runs of both can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import RFormula, RFormulaModel, SQLTransformer
from pyspark.ml.param import Param, Params
from pyspark.ml.tuning import CrossValidator, CrossValidatorModel, TrainValidationSplit, TrainValidationSplitModel

READ = ("inputCol", "inputCols", "featuresCol", "userCol", "itemCol", "itemsCol")
"""Parameters that name columns that ``transform`` reads. Labels, weights and folds are read by ``fit`` alone."""

MADE = (
    "outputCol",
    "outputCols",
    "predictionCol",
    "probabilityCol",
    "rawPredictionCol",
    "leafCol",
    "quantilesCol",
    "topicDistributionCol",
)
"""Parameters that name columns that ``transform`` makes."""

_OPAQUE = (SQLTransformer, RFormula, RFormulaModel)
"""Stages whose columns stand in a text of their own."""


def search_in(estimator: Params) -> CrossValidator | TrainValidationSplit | None:
    """The parameter search that an estimator is, or that is a stage of it."""
    if isinstance(estimator, (CrossValidator, TrainValidationSplit)):
        return estimator
    stages = estimator.getStages() if isinstance(estimator, Pipeline) else []
    return next((found for stage in stages if (found := search_in(stage)) is not None), None)


def search_model_in(model: Params) -> CrossValidatorModel | TrainValidationSplitModel | None:
    """The counterpart of :func:`search_in` in a fitted model."""
    if isinstance(model, (CrossValidatorModel, TrainValidationSplitModel)):
        return model
    stages: Sequence[Params] = model.stages if isinstance(model, PipelineModel) else []
    return next((found for stage in stages if (found := search_model_in(stage)) is not None), None)


def flat(stage: Params) -> Iterator[Any]:
    """The stages of a pipeline or a fitted one, one after the other; of a search, those that it tries or found best."""
    if isinstance(stage, (CrossValidator, TrainValidationSplit)):
        yield from flat(stage.getEstimator())
    elif isinstance(stage, (CrossValidatorModel, TrainValidationSplitModel)):
        yield from flat(stage.bestModel)
    elif isinstance(stage, (Pipeline, PipelineModel)):
        for each in stage.getStages() if isinstance(stage, Pipeline) else stage.stages:
            yield from flat(each)
    else:
        yield stage


def names_of(estimator: Params) -> dict[str, str]:
    """What the parts of an estimator are called, by ``uid``: their classes, numbered where several are of one class."""
    parts = list(_parts(estimator))
    total = Counter(type(part).__name__ for part in parts)
    so_far: Counter[str] = Counter()
    names = {}
    for part in parts:
        kind = type(part).__name__
        so_far[kind] += 1
        names[part.uid] = f"{kind}_{so_far[kind]}" if total[kind] > 1 else kind
    return names


def _parts(stage: Params) -> Iterator[Params]:
    """An estimator, its stages, and parameters that are stages themselves: an estimator, an evaluator, a classifier."""
    yield stage
    inside = stage.getStages() if isinstance(stage, Pipeline) else _values(stage).values()
    for each in inside:
        if isinstance(each, Params):
            yield from _parts(each)


def _values(stage: Params) -> dict[str, Any]:
    return {param.name: stage.getOrDefault(param) for param in stage.params if stage.isDefined(param)}


def parameters(stage: Params, names: dict[str, str], *, outermost: bool = True) -> dict[str, Any]:
    """All parameters of an estimator and of what is in it, those that are left at their defaults too.

    Of what a search tries only the name is here.
    """
    prefix = "" if outermost else f"{names[stage.uid]}."
    search = isinstance(stage, (CrossValidator, TrainValidationSplit))
    found: dict[str, Any] = {}
    for name, value in _values(stage).items():
        inside: list[Params] = []
        if search and name == "estimatorParamMaps":
            continue
        if isinstance(stage, Pipeline) and name == "stages":
            inside, value = list(value), [names[each.uid] for each in value]
        elif isinstance(value, Params):
            inside, value = ([] if search and name == "estimator" else [value]), names[value.uid]
        found[prefix + name] = value
        for each in inside:
            found |= parameters(each, names, outermost=False)
    return found


def set_of(tried: dict[Param[Any], Any], names: dict[str, str]) -> dict[str, Any]:
    """A set of parameters of a search, under their names in runs."""
    return {f"{names[param.parent]}.{param.name}": value for param, value in tried.items()}


def columns(stage: Params, params: Sequence[str]) -> list[str]:
    """The columns that some parameters of a stage name."""
    found: list[str] = []
    for name in params:
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            found += [value] if isinstance(value, str) else list(value)
    return [each for each in found if each]


def sources(stages: Sequence[Params], wanted: set[str]) -> set[str] | None:
    """The columns that stages need, one after the other, to make the wanted ones; None where that cannot be told."""
    needed = set(wanted)
    for stage in reversed(stages):
        read = set(columns(stage, READ))
        made = set(columns(stage, MADE)) or read  # VectorSizeHint changes its column in place
        if isinstance(stage, _OPAQUE) or not read:
            return None
        if needed & made:
            needed = (needed - made) | read
    return needed


def predictor_in(stages: Sequence[Any]) -> Any | None:
    """The stage that predicts a label or a cluster: the last one with such columns, or None."""
    judged = ("labelCol", "ratingCol", "featuresCol")
    return next((each for each in reversed(stages) if columns(each, ["predictionCol"]) and columns(each, judged)), None)


def last_output(stages: Sequence[Params]) -> str | None:
    """The column that the last stage is there for, where that is one."""
    for param in ("predictionCol", "topicDistributionCol", "outputCol"):
        found = columns(stages[-1], [param]) if stages else []
        if found:
            return found[0]
    return None


def label_of(predictor: Params | None) -> str | None:
    """The column that a predictor learns to predict; None for clustering."""
    found = columns(predictor, ["labelCol", "ratingCol"]) if predictor is not None else []
    return found[0] if found else None


def packages_of(stages: Sequence[Any]) -> set[str]:
    """The top-level modules that stages come from, without Spark's own."""
    return {type(stage).__module__.partition(".")[0] for stage in stages} - {"pyspark", "__main__"}


def metric_of(evaluator: Any) -> str:
    """The name of the metric that an evaluator gives; of one that names none, its class."""
    return str(evaluator.getMetricName() if hasattr(evaluator, "getMetricName") else type(evaluator).__name__)
