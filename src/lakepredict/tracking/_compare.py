"""The runs of an experiment compared by a metric, and the best of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
from mlflow.entities import Experiment, Run
from mlflow.utils.mlflow_tags import (
    MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER,
    MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME,
    MLFLOW_PARENT_RUN_ID,
)

from lakepredict._names import likest_first, listed, suggestion
from lakepredict.errors import MetricNotFoundError
from lakepredict.tracking._lookup import find_experiment, runs_of
from lakepredict.tracking._metrics import Mode, checked_mode, is_duration

_LARGEST = 1.7e308
"""MLflow's SQL store keeps an infinite metric as the largest number that it has, 1.797e308."""


@dataclass(frozen=True)
class Ranking:
    """The runs of an experiment in the order of a metric.

    Attributes:
        experiment: the experiment.
        metric: the metric's name.
        mode: whether less or more of it is better.
        ranked: the runs that can be compared, best first.
        others: the other runs that are not deleted, oldest first, without children that a ranked run stands for.
    """

    experiment: Experiment
    metric: str
    mode: Mode
    ranked: list[Run]
    others: list[Run]


def compare(
    experiment: str, metric: str, *, mode: str | None = None, where: str = "", children: bool = False
) -> pd.DataFrame:
    """The runs of an experiment as a pandas data frame, best first.

    A run is compared if it is FINISHED and has the metric as a number: no run that failed, still runs, is deleted,
    or whose metric is missing, NaN or infinite. Of several values of a metric the last one counts. Runs of the same
    value keep the order in which they began.

    A child run is left out where its parent is compared, since a parameter search reports its best result in the
    parent; the children of a parent without the metric are compared.

    Metrics can be compared only where they were taken on the same data: ``where`` chooses the runs.

    Args:
        experiment: the experiment's name, or its id.
        metric: the name of a metric.
        mode: ``"min"`` where less is better, ``"max"`` where more is; None takes what the experiment says of its
            primary metric (MLflow's tag ``mlflow.experiment.primaryMetric.greaterIsBetter``), else the metric's name.
        where: a filter of MLflow's ``search_runs``, for example ``"params.holdout_from = '2012-09-07'"``.
        children: compare each child run too.

    Returns:
        A row for each run, with MLflow's own column names: ``run_name``, ``metrics.<name>`` (the metric first, then
        the others, durations last), ``run_id``, ``parent_run_id``, ``start_time`` (UTC), ``seconds``, and
        ``params.<name>``, text, for each parameter that is not the same in all runs.

    Raises:
        ExperimentNotFoundError: there is no such experiment.
        MetricNotFoundError: no run can be compared by the metric.
        MetricModeError: no mode is given and the metric's name does not say which way is better.

    Example:
        >>> tracking.compare("weekly_sales", "wape")[["run_name", "metrics.wape"]]  # doctest: +SKIP
    """
    ranked = rank(experiment, metric, mode=mode, where=where, children=children).ranked
    others = {name for run in ranked for name in run.data.metrics} - {metric}
    metrics = [metric, *sorted(others, key=lambda name: (is_duration(name), name))]
    params = differing_params(ranked)
    rows = [
        {
            "run_name": run.info.run_name,
            **{f"metrics.{name}": run.data.metrics.get(name) for name in metrics},
            "run_id": run.info.run_id,
            "parent_run_id": parent_of(run),
            "start_time": pd.Timestamp(run.info.start_time, unit="ms", tz="UTC"),
            "seconds": seconds_of(run),
            **{f"params.{name}": run.data.params.get(name) for name in params},
        }
        for run in ranked
    ]
    return pd.DataFrame(rows)


def best_run(experiment: str, metric: str, mode: str | None = None, *, where: str = "") -> Run:
    """The run of an experiment whose metric is best, of those that :func:`compare` compares.

    Args:
        experiment: the experiment's name, or its id.
        metric: the name of a metric.
        mode: ``"min"`` where less is better, ``"max"`` where more is; None takes what the experiment says of its
            primary metric (MLflow's tag ``mlflow.experiment.primaryMetric.greaterIsBetter``), else the metric's name.
        where: a filter of MLflow's ``search_runs``, for example ``"params.holdout_from = '2012-09-07'"``.

    Returns:
        MLflow's run: ``run.info.run_id``, ``run.data.metrics``, ``run.data.params``.

    Raises:
        ExperimentNotFoundError, MetricNotFoundError, MetricModeError: as :func:`compare`.
    """
    return rank(experiment, metric, mode=mode, where=where).ranked[0]


def rank(experiment: str, metric: str, *, mode: str | None = None, where: str = "", children: bool = False) -> Ranking:
    """Put the runs of an experiment in the order of a metric; see :func:`compare`."""
    found = find_experiment(experiment)
    runs = runs_of([found], where)
    if not any(is_comparable(run, metric) for run in runs):
        raise _nothing_to_compare(found, runs, metric)
    mode = checked_mode(metric, mode or primary_mode(found, metric))
    return ranked_runs(found, runs, metric, mode, children=children)


def primary_metric(experiment: Experiment) -> str | None:
    """The metric by which an experiment's runs are to be compared, where a tag of MLflow names one."""
    metric: str | None = experiment.tags.get(MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME)
    return metric


def primary_mode(experiment: Experiment, metric: str) -> Mode | None:
    """Which way a metric is better, where it is the experiment's primary one and a tag of MLflow says it."""
    more = experiment.tags.get(MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER, "").lower()
    if metric != primary_metric(experiment) or more not in ("true", "false"):
        return None
    return "max" if more == "true" else "min"


def ranked_runs(experiment: Experiment, runs: list[Run], metric: str, mode: Mode, *, children: bool) -> Ranking:
    """Put runs in the order of a metric; none need have it."""
    comparable = {run.info.run_id: run for run in runs if is_comparable(run, metric)}
    parents = {run.info.run_id: parent_of(run) for run in runs}
    shown = [run for run in runs if children or not comparable.keys() & _ancestors(run, parents)]
    sign = 1 if mode == "min" else -1
    ranked = sorted(
        (run for run in shown if run.info.run_id in comparable), key=lambda run: sign * run.data.metrics[metric]
    )
    return Ranking(experiment, metric, mode, ranked, [run for run in shown if run.info.run_id not in comparable])


def _ancestors(run: Run, parents: dict[str, str | None]) -> set[str]:
    found: set[str] = set()
    parent = parent_of(run)
    while parent and parent not in found:
        found.add(parent)
        parent = parents.get(parent)
    return found


def is_comparable(run: Run, metric: str) -> bool:
    """Whether a run is finished and its metric is a number."""
    return run.info.status == "FINISHED" and is_number(run.data.metrics.get(metric))


def is_number(value: float | None) -> bool:
    """Whether a metric has a value that can be compared."""
    return value is not None and not math.isnan(value) and abs(value) < _LARGEST


def differing_params(runs: list[Run]) -> list[str]:
    """The parameters that are not the same in all runs, or that only some have, sorted."""
    names = {name for run in runs for name in run.data.params}
    return sorted(name for name in names if len({run.data.params.get(name) for run in runs}) > 1)


def parent_of(run: Run) -> str | None:
    """The id of the run that a run is a child of."""
    parent: str | None = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
    return parent


def seconds_of(run: Run) -> float | None:
    """How long a run took, or None while it runs."""
    begun, ended = run.info.start_time, run.info.end_time
    return None if begun is None or ended is None else (ended - begun) / 1000


def _nothing_to_compare(experiment: Experiment, runs: list[Run], metric: str) -> MetricNotFoundError:
    finished = [run for run in runs if run.info.status == "FINISHED"]
    metrics = sorted({name for run in finished for name in run.data.metrics if is_comparable(run, name)})
    wrong = sum(metric in run.data.metrics for run in finished)
    got = f"{len(runs)} runs, {len(finished)} of them finished"
    return MetricNotFoundError(
        f"No run of the experiment `{experiment.name}` can be compared by the metric `{metric}`.",
        expected=listed(
            likest_first(metric, metrics), "a finished run with a metric that is a number, but there is none"
        ),
        got=f"{got}, {wrong} with `{metric}`, which is NaN or infinite" if wrong else got,
        hint=suggestion(metric, metrics) or f"log it in the run: mlflow.log_metric({metric!r}, value).",
    )
