"""Runs compared by a metric: which count, in which order, and what is said where none does."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tracking_store import Experiment

from lakepredict import tracking
from lakepredict.errors import ExperimentNotFoundError, FilterInvalidError, MetricModeError, MetricNotFoundError

NUMBERS = count()


@pytest.fixture
def experiment(lakehouse: Path) -> Experiment:
    """A new experiment for each test."""
    return Experiment(f"sales_{next(NUMBERS)}", lakehouse / "artifacts")


def names(experiment: Experiment, metric: str = "rmse", **options: object) -> list[str]:
    """The names of the runs as they are compared."""
    return list(tracking.compare(experiment.name, metric, **options)["run_name"])  # type: ignore[arg-type]


def test_best_first(experiment: Experiment) -> None:
    """Of an error the least value is first, of a score the greatest."""
    for name, rmse, r2 in (("a", 3.0, 0.1), ("b", 1.0, 0.9), ("c", 2.0, 0.5)):
        experiment.run(name, {"rmse": rmse, "r2": r2})

    assert names(experiment) == ["b", "c", "a"]
    assert names(experiment, "r2") == ["b", "c", "a"]
    assert tracking.best_run(experiment.name, "rmse").info.run_name == "b"


def test_mode_overrules_the_name(experiment: Experiment) -> None:
    """A mode that is given counts, also against what the metric is known for."""
    experiment.run("low", {"rmse": 1.0})
    experiment.run("high", {"rmse": 2.0})

    assert names(experiment, mode="max") == ["high", "low"]
    assert tracking.best_run(experiment.name, "rmse", "max").info.run_name == "high"


def test_columns(experiment: Experiment) -> None:
    """The metric comes first, other metrics follow, durations last, and of the parameters only those that differ."""
    experiment.run("a", {"rmse": 2.0, "mae": 1.0, "eval_seconds": 3.0}, {"alpha": "1", "seed": "7"})
    experiment.run("b", {"rmse": 1.0, "auc": 0.5}, {"alpha": "2", "seed": "7", "depth": "3"})
    frame = tracking.compare(experiment.name, "rmse")

    assert list(frame.columns) == [
        *("run_name", "metrics.rmse", "metrics.auc", "metrics.mae", "metrics.eval_seconds"),
        *("run_id", "parent_run_id", "start_time", "seconds", "params.alpha", "params.depth"),
    ]
    assert list(frame["params.alpha"]) == ["2", "1"]
    assert list(frame["params.depth"]) == ["3", None]
    assert math.isnan(frame["metrics.mae"][0])
    assert list(frame["seconds"]) == [1.5, 1.5]
    assert str(frame["start_time"][1]) == "2023-11-14 22:13:21+00:00"


def test_equal_runs_stay_in_order(experiment: Experiment) -> None:
    """Of two runs of the same value the one that began first comes first, whichever way is better."""
    experiment.run("first", {"rmse": 1.0})
    experiment.run("second", {"rmse": 1.0})

    assert names(experiment) == names(experiment, mode="max") == ["first", "second"]


def test_the_last_value_counts(experiment: Experiment) -> None:
    """A metric that is logged at each step is compared by its last value, not by its best."""
    climbing = experiment.run("climbing", {"rmse": 1.0}, status=None)
    experiment.client.log_metric(climbing, "rmse", 9.0, step=1)
    experiment.end(climbing)
    experiment.run("level", {"rmse": 5.0})

    assert names(experiment) == ["level", "climbing"]


@pytest.mark.parametrize("status", ["FAILED", "KILLED", None])
def test_runs_that_did_not_finish_are_not_compared(experiment: Experiment, status: str | None) -> None:
    """A run that failed, was stopped or still runs is not the best, however good its metric is."""
    experiment.run("better", {"rmse": 0.1}, status=status)
    experiment.run("whole", {"rmse": 1.0})

    assert names(experiment) == ["whole"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_is_no_number_is_not_compared(experiment: Experiment, value: float, mode: str) -> None:
    """NaN and infinite metrics never win, nor do runs without the metric."""
    experiment.run("strange", {"rmse": value})
    experiment.run("without", {"mae": 0.0})
    experiment.run("whole", {"rmse": 1.0})

    assert names(experiment, mode=mode) == ["whole"]


def test_deleted_runs_are_not_compared(experiment: Experiment) -> None:
    """A run that was deleted does not come back."""
    experiment.client.delete_run(experiment.run("deleted", {"rmse": 0.1}))
    experiment.run("whole", {"rmse": 1.0})

    assert names(experiment) == ["whole"]


def test_a_parent_stands_for_its_children(experiment: Experiment) -> None:
    """A search whose parent run has the metric counts once; its children and theirs are shown when asked for."""
    search = experiment.run("search", {"rmse": 2.0})
    child = experiment.run("child", {"rmse": 1.0}, parent=search)
    middle = experiment.run("middle", parent=search)
    experiment.run("grandchild", {"rmse": 0.5}, parent=middle)
    experiment.run("other", {"rmse": 3.0})
    whole = tracking.compare(experiment.name, "rmse", children=True)

    assert names(experiment) == ["search", "other"]
    assert list(whole["run_name"]) == ["grandchild", "child", "search", "other"]
    assert list(whole["parent_run_id"]) == [middle, search, None, None]
    assert tracking.best_run(experiment.name, "rmse").info.run_id != child


@pytest.mark.parametrize(("metrics", "status"), [({}, "FINISHED"), ({"rmse": 0.1}, "FAILED")])
def test_children_count_where_their_parent_does_not(
    experiment: Experiment, metrics: dict[str, float], status: str
) -> None:
    """The children of a mere group, or of a search that failed, are compared themselves."""
    group = experiment.run("group", metrics, status=status)
    experiment.run("b", {"rmse": 2.0}, parent=group)
    experiment.run("a", {"rmse": 1.0}, parent=group)

    assert names(experiment) == ["a", "b"]


def test_where_chooses_runs(experiment: Experiment) -> None:
    """Only runs that MLflow's filter lets through are compared."""
    experiment.run("old", {"rmse": 1.0}, {"split": "1"})
    experiment.run("new", {"rmse": 2.0}, {"split": "2"})

    assert names(experiment, where="params.split = '2'") == ["new"]
    assert tracking.best_run(experiment.name, "rmse", where="params.split = '2'").info.run_name == "new"


def test_primary_metric_of_the_experiment_says_its_mode(experiment: Experiment) -> None:
    """A mode that MLflow's tags give the experiment's primary metric needs not be given again."""
    experiment.run("low", {"profit": 1.0})
    experiment.run("high", {"profit": 2.0})
    experiment.client.set_experiment_tag(experiment.id, "mlflow.experiment.primaryMetric.name", "profit")
    experiment.client.set_experiment_tag(experiment.id, "mlflow.experiment.primaryMetric.greaterIsBetter", "True")

    assert names(experiment, "profit") == ["high", "low"]


def test_an_id_names_an_experiment(experiment: Experiment) -> None:
    """An experiment is found by its id as well."""
    run_id = experiment.run("a", {"rmse": 1.0})

    assert tracking.best_run(experiment.id, "rmse").info.run_id == run_id


def test_more_runs_than_a_page(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs are compared where MLflow gives them in pages."""
    for value in range(5):
        experiment.run(str(value), {"rmse": float(value)})
    search = MlflowClient.search_runs

    def two_a_page(self: MlflowClient, ids: list[str], where: str, view: int, most: int, *rest: object) -> object:
        return search(self, ids, where, view, 2, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "search_runs", two_a_page)

    assert names(experiment) == ["0", "1", "2", "3", "4"]


# --- errors ------------------------------------------------------------------------------------------------


def test_unknown_metric_is_told_the_known_ones(experiment: Experiment, golden: Callable[[str, str], None]) -> None:
    """A metric that no finished run has is refused, with those that there are, before its mode is asked for."""
    experiment.run("a", {"rmse": 1.0, "mae": 2.0})
    experiment.run("b", {"mope": 1.0}, status="FAILED")
    with pytest.raises(MetricNotFoundError) as refused:
        tracking.compare(experiment.name, "mope")

    golden("tracking/metric_not_found.txt", str(refused.value).replace(experiment.name, "sales"))


def test_metric_without_numbers(experiment: Experiment, golden: Callable[[str, str], None]) -> None:
    """Where each value is NaN, the error says so."""
    experiment.run("a", {"rmse": math.nan})
    with pytest.raises(MetricNotFoundError) as refused:
        tracking.best_run(experiment.name, "rmse")

    golden("tracking/metric_nan.txt", str(refused.value).replace(experiment.name, "sales"))


def test_experiment_without_runs(experiment: Experiment) -> None:
    """An experiment without runs has nothing to compare."""
    with pytest.raises(MetricNotFoundError, match="got:      0 runs, 0 of them finished"):
        tracking.compare(experiment.name, "rmse")


def test_mode_is_asked_for(experiment: Experiment, golden: Callable[[str, str], None]) -> None:
    """A metric of an unknown name is refused where no mode is given, and taken with one."""
    experiment.run("a", {"profit": 1.0})
    with pytest.raises(MetricModeError) as refused:
        tracking.compare(experiment.name, "profit")

    assert names(experiment, "profit", mode="max") == ["a"]
    golden("tracking/metric_mode_unknown.txt", str(refused.value))


def test_mode_that_is_none(experiment: Experiment) -> None:
    """A mode other than min and max is refused."""
    experiment.run("a", {"rmse": 1.0})
    with pytest.raises(MetricModeError, match=r"got:      'less'"):
        tracking.compare(experiment.name, "rmse", mode="less")


def test_unknown_experiment(experiment: Experiment) -> None:
    """A wrong name is told the one that is most like it."""
    wrong = experiment.name.upper()
    with pytest.raises(ExperimentNotFoundError, match=f"did you mean `{experiment.name}`"):
        tracking.compare(wrong, "rmse")


def test_deleted_experiment(experiment: Experiment) -> None:
    """A deleted experiment is said to be deleted, and how it comes back."""
    experiment.client.delete_experiment(experiment.id)
    with pytest.raises(ExperimentNotFoundError, match=rf"is deleted(.|\n)*restore_experiment\('{experiment.id}'\)"):
        tracking.compare(experiment.name, "rmse")


def test_wrong_filter(experiment: Experiment) -> None:
    """A filter that MLflow does not understand is refused with one that it does."""
    with pytest.raises(FilterInvalidError, match="hint: for example"):
        tracking.compare(experiment.name, "rmse", where="split 2")
