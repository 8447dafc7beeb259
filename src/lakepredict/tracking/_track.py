"""Runs of training: what a model learns from, and of Spark ML the fit itself, from its parameters to its plots."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.data.dataset_source import DatasetSource
from mlflow.entities import Run
from mlflow.models import ModelSignature
from mlflow.utils.autologging_utils import disable_autologging
from pyspark.ml import Estimator, PipelineModel
from pyspark.sql import DataFrame, SparkSession
from rich.console import Console
from rich.markup import escape

from lakepredict._names import suggestion
from lakepredict.errors import FitError
from lakepredict.tracking import _record, _stages
from lakepredict.tracking._describe import interface_of
from lakepredict.tracking._fitting import Watch, fit, jobs_of
from lakepredict.tracking._progress import Progress
from lakepredict.tracking._tables import TableDataset, experiment_id, schema_digest, source_of

_ERROR = 1_000
"""How much of an error's text a run keeps."""


@dataclass(frozen=True)
class Fit:
    """A fitted model of Spark ML and the run that has it.

    Attributes:
        run_id: the run's id, for ``register``.
        model: what ``estimator.fit`` gives.
        metrics: name -> value; those on the training data begin with ``train_``.
        inputs: the columns that the model takes.
        signature: their types and the prediction's; None where there is none that the model would take.
    """

    run_id: str
    model: Any
    metrics: dict[str, float]
    inputs: list[str]
    signature: ModelSignature | None


class TrackedRun:
    """A run that is open, made by :func:`track`.

    Attributes:
        info: MLflow's: ``run_id``, ``run_name``, ``experiment_id``.
    """

    def __init__(self, run: Run, source: DatasetSource, table: str | None, progress: Console | bool) -> None:
        self.info = run.info
        self._source = source
        self._table = table
        self._progress = progress

    def uses(self, data: DataFrame, context: str) -> None:
        """Log data as dataset input of the run, with the table and version that :func:`track` was given.

        Args:
            data: rows of that table; only their schema is kept, and MLflow's digest of how they are computed.
            context: what for: ``"training"``, ``"evaluation"`` or ``"testing"``. The tag ``lakepredict.schema_digest``
                is of the training data.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Hint: Inferred schema contains integer column")  # it is the table's
            mlflow.log_input(TableDataset(data, self._source, name=self._table or context), context=context)
        if context == "training":
            mlflow.set_tag("lakepredict.schema_digest", schema_digest(data))

    def fit(
        self,
        estimator: Estimator[Any],
        train: DataFrame,
        evaluation: DataFrame | None = None,
        *,
        evaluators: Sequence[Any] = (),
        model_name: str = "model",
        pip_requirements: Sequence[str] | None = None,
    ) -> Fit:
        """Fit an estimator of Spark ML, and log its parameters, metrics, plots and the model; see :func:`fit_and_log`.

        MLflow's autologging rests meanwhile. One fit a run: MLflow does not let a run's parameters change.

        Raises:
            FitError: the estimator is none, or the data lacks label or weight; nothing is fitted.
        """
        require_fittable(estimator, train, evaluation)
        names, search, watch = _stages.names_of(estimator), _stages.search_in(estimator), Watch()
        progress = Progress(self._progress, train.sparkSession.sparkContext.statusTracker())
        with disable_autologging(), jobs_of(train.sparkSession, watch):
            _record.record_parameters(estimator, names)
            self.uses(train, "training")
            if evaluation is not None:
                self.uses(evaluation, "evaluation")
            with progress.step(f"fit {names[estimator.uid]}", watch.told), _seconds("fit_seconds"):
                model = fit(estimator, train, watch)
            pipeline = PipelineModel(list(_stages.flat(model)))
            with progress.step("log the model"):
                interface = interface_of(pipeline, train)
                _record.record_model(pipeline, interface, model_name, pip_requirements)
            if search is not None:
                found = _stages.search_model_in(model)
                _record.record_search(search, found, names, watch.seconds, self.info.experiment_id)
                evaluators = [search.getEvaluator(), *evaluators]
            with progress.step("evaluate"), _seconds("evaluate_seconds"):
                metrics = _record.record_evaluation(pipeline, train, evaluation, evaluators, self.info.run_name)
        progress.say(escape(f"run {self.info.run_id[:8]} {self.info.run_name}: {_told(metrics)}"))
        return Fit(self.info.run_id, model, metrics, interface.inputs, interface.signature)


def _told(metrics: Mapping[str, float]) -> str:
    """The metrics of the evaluation data or, where there are none, of the training data, in one line."""
    shown = {name: value for name, value in metrics.items() if not name.startswith("train_")} or metrics
    return ", ".join(f"{name} {value:,.6g}" for name, value in shown.items()) or "no metrics"


@contextmanager
def _seconds(metric: str) -> Iterator[None]:
    begun = perf_counter()
    yield
    mlflow.log_metric(metric, perf_counter() - begun)


@contextmanager
def track(
    experiment: str,
    name: str | None = None,
    *,
    data: DataFrame | None = None,
    table: str | None = None,
    version: int | str | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Console | bool = True,
) -> Iterator[TrackedRun]:
    """A run of an experiment, with the Delta table that it learns from, for a model of any library.

    A run whose body raises ends as FAILED with the error in the tag ``lakepredict.error``; so does one that
    KeyboardInterrupt ends. Inside another run it is a child of that.

    Args:
        experiment: the experiment's name; made if it does not exist. The program's active experiment stays as it is.
        name: the run's name; None lets MLflow make one up.
        data: the rows that are learnt from, as dataset input; :meth:`TrackedRun.fit` logs its own.
        table: the Delta table that the data is read from.
        version: the table's version that it is read at; None takes the newest now.
        tags: further tags of the run.
        progress: whether ``fit`` tells on standard error how far it is; or the console to tell it on.

    Raises:
        FitError: there is no such Delta table; no run is made then.

    Example:
        >>> with tracking.track("weekly_sales", "ridge", table="weekly_features") as run:  # doctest: +SKIP
        ...     fit = run.fit(pipeline, train, held_out)
        ...     mlflow.log_figure(plot(fit.model.transform(held_out)), "forecast.png")
    """
    source = source_of(_session(data) if table else None, table, version)
    described = dict(tags or {})
    if table is not None:
        described |= {"lakepredict.table": table, "lakepredict.table_version": source.to_dict()["delta_table_version"]}
    nested = mlflow.active_run() is not None
    with mlflow.start_run(experiment_id=experiment_id(experiment), run_name=name, nested=nested, tags=described) as run:
        tracked = TrackedRun(run, source, table, progress)
        try:
            if data is not None:
                tracked.uses(data, "training")
            yield tracked
        except BaseException as exc:
            text = f"{type(exc).__name__}: {exc}".strip(": ")
            with suppress(Exception):  # the error itself says more than that it could not be noted
                MlflowClient().set_tag(run.info.run_id, "lakepredict.error", text[:_ERROR])
            raise


def _session(data: DataFrame | None) -> SparkSession:
    return SparkSession.active() if data is None else data.sparkSession


def fit_and_log(
    estimator: Estimator[Any],
    train: DataFrame,
    evaluation: DataFrame | None = None,
    *,
    experiment: str,
    name: str | None = None,
    table: str | None = None,
    version: int | str | None = None,
    evaluators: Sequence[Any] = (),
    model_name: str = "model",
    pip_requirements: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Console | bool = True,
) -> Fit:
    """Fit an estimator of Spark ML in a run of its own, which then has all that is to be known of it.

    In this order: the parameters of each stage and the data are logged; the estimator is fitted; the model is logged,
    with a signature that PREDICT can use, and for a parameter search a child run for each set of parameters; then the
    metrics on both data, feature importances, and plots. What was logged before an error stays in the run.

    The signature has the columns of ``train`` that ``transform`` needs to get to its prediction. Whole numbers that may
    be missing are double where no stage minds. The model is tried on a few rows with these types; if it does not
    give what ``transform`` gives, it is logged without signature, with a warning.

    Args:
        estimator: a ``pyspark.ml`` estimator, Pipeline, CrossValidator or TrainValidationSplit.
        train: what it learns from.
        evaluation: what it is judged on; None judges it on ``train`` alone.
        experiment: the experiment's name; made if it does not exist.
        name: the run's name; None lets MLflow make one up.
        table: the Delta table that both data are read from.
        version: the table's version that they are read at; None takes the newest now.
        evaluators: evaluators of Spark ML whose metrics are logged too; each takes a pass over both data.
        model_name: the name that the model is logged under.
        pip_requirements: what the model needs; None pins what is installed of MLflow, PySpark and the stages' packages.
        tags: further tags of the run.
        progress: whether to tell on standard error how far it is; or the console to tell it on.

    Returns:
        The fitted model, its metrics and its run.

    Raises:
        FitError: the estimator is none, there is no such Delta table, or the data lacks label or weight; no run is made
            then.

    Example:
        >>> fit = tracking.fit_and_log(pipeline, train, held_out, experiment="weekly_sales")  # doctest: +SKIP
    """
    require_fittable(estimator, train, evaluation)
    with track(experiment, name, table=table, version=version, tags=tags, progress=progress) as run:
        return run.fit(
            estimator,
            train,
            evaluation,
            evaluators=evaluators,
            model_name=model_name,
            pip_requirements=pip_requirements,
        )


def require_fittable(estimator: object, train: DataFrame, evaluation: DataFrame | None) -> None:
    """Refuse what can be known to fail before anything is computed.

    Raises:
        FitError: the estimator is none, or the data lacks label or weight.
    """
    if not isinstance(estimator, Estimator):
        raise FitError(
            "What is to be fitted is not an estimator of Spark ML.",
            expected="an estimator, a Pipeline, a CrossValidator or a TrainValidationSplit of pyspark.ml",
            got=type(estimator).__name__,
            hint="models of other libraries: mlflow.<flavor>.log_model(model, **tracking.for_predict(model, X)).",
        )
    stages = list(_stages.flat(estimator))
    predictor = _stages.predictor_in(stages)
    label = _stages.label_of(predictor)
    if predictor is None or label is None:
        return
    made_of = _stages.sources(stages[: stages.index(predictor)], {label})
    there = [each.lower() for each in train.columns]
    lacking = sorted(each for each in made_of or () if "." not in each and each.lower() not in there)
    if lacking:
        raise FitError(
            "The training data lacks the label.",
            expected=f"the column {', '.join(lacking)}, of which the label is made",
            got=", ".join(train.columns),
            hint=suggestion(lacking[0], train.columns) or "the estimator's labelCol names it.",
        )
    if evaluation is None:
        return
    weight = _stages.columns(predictor, ["weightCol"])
    missing = sorted(({*(made_of or ()), *weight} & set(train.columns)) - set(evaluation.columns))
    if missing:
        raise FitError(
            "The evaluation data lacks what metrics need.",
            expected=f"the column {', '.join(missing)}, of which label or weight are made",
            got=", ".join(evaluation.columns),
            hint="evaluate on rows whose outcome is known.",
        )
