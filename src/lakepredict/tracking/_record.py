"""The parts of a run that fits a Spark ML estimator, logged in the active run: parameters, model, metrics, plots."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions, version
from itertools import islice
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH
from pyspark.ml import PipelineModel
from pyspark.ml.param import Params
from pyspark.ml.tuning import CrossValidatorModel
from pyspark.sql import DataFrame

from lakepredict.tracking import _plots, _stages
from lakepredict.tracking._describe import Interface, importances_of
from lakepredict.tracking._evaluate import Evaluation, Predictor, by_evaluators, evaluate, of_training

_NAME = 200
"""The length of a child run's name."""


def record_parameters(estimator: Params, names: dict[str, str]) -> None:
    """All parameters, and the estimator's class as autologging tags it."""
    kind = type(estimator)
    mlflow.set_tags({"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"})
    _log_params(_stages.parameters(estimator, names))


def _log_params(params: Mapping[str, Any]) -> None:
    """Log any number of parameters of any length."""
    left = iter(params.items())
    while batch := dict(islice(left, MAX_PARAMS_TAGS_PER_BATCH)):
        mlflow.log_params({name: str(value)[:MAX_PARAM_VAL_LENGTH] for name, value in batch.items()})


def record_model(model: PipelineModel, interface: Interface, name: str, requirements: Sequence[str] | None) -> None:
    """The model, with what PREDICT needs, or a warning that says why PREDICT cannot use it."""
    label = _stages.label_of(_stages.predictor_in(model.stages))
    mlflow.log_dict({"features": interface.inputs, "label": label}, "features.json")
    if interface.problem is not None:
        mlflow.set_tag("lakepredict.not_for_predict", interface.problem)
        warnings.warn(f"PREDICT cannot use this model: {interface.problem}", stacklevel=4)
    mlflow.spark.log_model(
        model,
        artifact_path=name,
        signature=interface.signature,
        input_example=interface.example,
        pip_requirements=list(requirements or _pinned(model)),
    )


def _pinned(model: PipelineModel) -> list[str]:
    """The installed versions of what the stages come from; MLflow would find out by a second Spark."""
    distributions = packages_distributions()
    own = {name for package in _stages.packages_of(model.stages) for name in distributions.get(package, [])}
    return [f"{name}=={version(name)}" for name in ["mlflow", "pyspark", *sorted(own)]]


def record_search(
    search: Any, found: Any, names: dict[str, str], seconds: Mapping[int, float], experiment: str
) -> None:
    """What a parameter search tried: a table, the best set, and a child run for each set."""
    sets = [_stages.set_of(each, names) for each in search.getEstimatorParamMaps()]
    metrics = _search_metrics(search, found)
    scores = next(iter(metrics.values()))
    best = int(np.argmax(scores) if search.getEvaluator().isLargerBetter() else np.argmin(scores))
    mlflow.log_metrics({name: float(values[best]) for name, values in metrics.items()})
    _log_params({f"best_{name}": value for name, value in sets[best].items()})
    chosen = search.getEstimator().copy(search.getEstimatorParamMaps()[best])
    _log_params(_stages.parameters(chosen, names, outermost=False))
    mlflow.log_dict({name: _plain(value) for name, value in sets[best].items()}, "best_parameters.json")
    tried = [{f"param.{name}": _plain(value) for name, value in each.items()} for each in sets]
    mlflow.log_text(pd.DataFrame(tried).assign(**metrics).to_csv(index=False), "search_results.csv")
    for position, (params, settings) in enumerate(zip(search.getEstimatorParamMaps(), sets, strict=True)):
        name = ", ".join(f"{each.rpartition('.')[2]}={value}" for each, value in settings.items())[:_NAME]
        with mlflow.start_run(experiment_id=experiment, run_name=name, nested=True):
            record_parameters(search.getEstimator().copy(params), names)
            mlflow.log_metrics({name: float(values[position]) for name, values in metrics.items()})
            mlflow.log_metric("fit_seconds", seconds.get(position, 0.0))


def _search_metrics(search: Any, found: Any) -> dict[str, Sequence[float]]:
    """Metric -> its value for each set of parameters; the first one decides."""
    name = _stages.metric_of(search.getEvaluator())
    if isinstance(found, CrossValidatorModel):
        return {f"avg_{name}": found.avgMetrics, f"std_{name}": found.stdMetrics}
    return {f"validation_{name}": found.validationMetrics}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def record_evaluation(
    model: PipelineModel, train: DataFrame, evaluation: DataFrame | None, evaluators: Sequence[Any], name: str
) -> dict[str, float]:
    """Metrics of both data, and the plots: of the evaluation data, or where there is none, of the training data.

    Args:
        model: the fitted pipeline.
        train: what it learnt from.
        evaluation: what it did not.
        evaluators: further metrics.
        name: what the plots call it.

    Returns:
        The metrics.
    """
    stage = _stages.predictor_in(model.stages)
    learnt = model.transform(train)
    found = _judge(learnt, stage, evaluators, "training", name, plotted=evaluation is None)
    metrics = {f"train_{metric}": value for metric, value in found.items()}
    if evaluation is not None:
        metrics |= _judge(model.transform(evaluation), stage, evaluators, "evaluation", name, plotted=True)
    if stage is not None:
        metrics |= of_training(stage)
        _record_importances(importances_of(stage, model.stages, learnt), name)
    mlflow.log_metrics(metrics)
    return metrics


def _judge(
    transformed: DataFrame, stage: Any | None, evaluators: Sequence[Any], which: str, name: str, *, plotted: bool
) -> dict[str, float]:
    """The metrics of one of the data, and its plots where they are wanted."""
    metrics: dict[str, float] = {}
    if stage is not None:
        predictor = Predictor.of(stage)
        judged = evaluate(transformed, predictor, sampled=plotted)
        metrics |= judged.metrics
        mlflow.log_param("train_rows" if which == "training" else "evaluation_rows", judged.rows)
        if plotted:
            _plot(judged, predictor, f"{name} on {judged.rows:,} rows of {which} data")
    further = [each for each in evaluators if _stages.metric_of(each) not in metrics]
    return metrics | by_evaluators(transformed, further)


def _plot(judged: Evaluation, predictor: Predictor, title: str) -> None:
    if not judged.rows:
        return
    if predictor.kind == "regression":
        mlflow.log_figure(_plots.residuals(judged.table, label=str(predictor.label), title=title), "residuals.png")
    elif predictor.kind == "clustering":
        mlflow.log_figure(_plots.clusters(judged.table, title=title), "clusters.png")
    else:
        mlflow.log_table(judged.table, "confusion_matrix.json")
        figure = _plots.confusion_matrix(judged.table, labels=judged.labels, title=title)
        mlflow.log_figure(figure, "confusion_matrix.png")
    if judged.curve is not None:
        area = judged.metrics["areaUnderROC"]
        mlflow.log_figure(_plots.roc(judged.curve, area=area, title=title), "roc.png")


def _record_importances(table: pd.DataFrame | None, name: str) -> None:
    if table is None:
        return
    mlflow.log_table(table, "importances.json")
    mlflow.log_figure(_plots.importances(table, title=f"{name}: features that matter"), "importances.png")
