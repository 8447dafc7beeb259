"""Fitting an estimator of Spark ML so that it can be watched, and so that nothing runs on when it is interrupted.

PySpark's own handler of Ctrl-C mostly cannot reach the JVM, which is busy with the fit, and leaves its jobs running; a
parameter search goes on with its next set of parameters in a thread.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyspark.ml import Estimator, Pipeline
from pyspark.ml.tuning import CrossValidator, TrainValidationSplit
from pyspark.sql import DataFrame, SparkSession

from lakepredict.tracking._stages import search_in, search_model_in

_PATIENCE = 10.0
"""Seconds for which an interrupted fit is waited for."""

_QUIET = 5
"""So many looks, a tenth of a second apart, at which no job runs, say that a fit has ended."""


class Watch:
    """What is known of a fit while it runs, and the sign that it is to stop.

    Attributes:
        total: how many fits of single sets of parameters a search does; 0 for other estimators.
        done: how many of them are done.
        seconds: a set's position -> how long its fits took, in total.
    """

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self.seconds: defaultdict[int, float] = defaultdict(float)
        self.stop = threading.Event()
        self._lock = threading.Lock()

    def count(self, index: int, seconds: float) -> None:
        """Note that one set of parameters was fitted."""
        with self._lock:
            self.done += 1
            self.seconds[index] += seconds

    def told(self) -> str:
        """How far a search is."""
        return f"{self.done} of {self.total} fits" if self.total else ""


def fit(estimator: Estimator[Any], data: DataFrame, watch: Watch) -> Any:
    """The fitted model, as ``estimator.fit(data)`` gives it."""
    search = search_in(estimator)
    if search is None:
        return estimator.fit(data)
    folds = search.getNumFolds() if isinstance(search, CrossValidator) else 1
    watch.total = folds * len(search.getEstimatorParamMaps())
    model = _with_watched(estimator, search, watch).fit(data)
    found = search_model_in(model)
    if found is not None:  # it came out with the watched estimator as its own
        found.set(found.estimator, search.getEstimator())
    return model


def _with_watched(estimator: Any, search: CrossValidator | TrainValidationSplit, watch: Watch) -> Any:
    """An estimator like the given one, whose search tries a watched estimator."""
    if estimator is search:
        return search.copy().setEstimator(_Watched(search.getEstimator(), watch))
    if search_in(estimator) is search:
        return Pipeline(stages=[_with_watched(each, search, watch) for each in estimator.getStages()])
    return estimator


class _Watched(Estimator[Any]):
    """An estimator that a search tries, with a watch on it."""

    def __init__(self, estimator: Estimator[Any], watch: Watch) -> None:
        super().__init__()
        self._estimator = estimator
        self._watch = watch

    def copy(self, extra: Any = None) -> _Watched:
        return _Watched(self._estimator.copy(extra), self._watch)

    def fitMultiple(self, dataset: DataFrame, paramMaps: Sequence[Any]) -> Iterator[tuple[int, Any]]:  # noqa: N802
        return _WatchedFits(self._estimator.fitMultiple(dataset, paramMaps), self._watch)

    def _fit(self, dataset: DataFrame) -> Any:
        return self._estimator.fit(dataset)


class _WatchedFits:
    """The fits of a search, one by one; several threads may ask for the next."""

    def __init__(self, fits: Iterator[tuple[int, Any]], watch: Watch) -> None:
        self._fits = fits
        self._watch = watch

    def __iter__(self) -> _WatchedFits:
        return self

    def __next__(self) -> tuple[int, Any]:
        if self._watch.stop.is_set():
            raise StopIteration
        begun = time.perf_counter()
        index, model = next(self._fits)
        self._watch.count(index, time.perf_counter() - begun)
        return index, model


@contextmanager
def jobs_of(spark: SparkSession, watch: Watch) -> Iterator[None]:
    """When the body ends by an exception, KeyboardInterrupt included, its Spark jobs end, and none is started anew."""
    context = spark.sparkContext
    tag = f"lakepredict-fit-{id(watch)}"
    context.addJobTag(tag)
    try:
        yield
    except BaseException as exc:
        watch.stop.set()
        if watch.total or not isinstance(exc, Exception):  # else there is nothing that could run on
            _cancel(lambda: context.cancelJobsWithTag(tag), lambda: bool(context.statusTracker().getActiveJobsIds()))
        raise
    finally:
        context.removeJobTag(tag)


def _cancel(cancel: Callable[[], None], running: Callable[[], bool]) -> None:
    """Cancel until nothing runs any more: a fit that is in Spark's hands may start one more job after each cancel."""
    end, quiet = time.monotonic() + _PATIENCE, 0
    while quiet < _QUIET and time.monotonic() < end:
        cancel()
        quiet = 0 if running() else quiet + 1
        time.sleep(0.1)
