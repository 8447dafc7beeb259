"""Ask one question: later queries in one process, each first query in its own, with a JVM and workers of its own."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
from cases import CASES, TABLE, Case
from pyspark.sql import DataFrame, SparkSession

import lakepredict

COMPARED = 1_000_000
"""How many rows' predictions are compared; more would not fit beside each other in a small driver."""

DISTRIBUTIONS = ("lakepredict", "pyspark", "delta-spark", "mlflow", "scikit-learn", "lightgbm")

R = TypeVar("R")


@dataclass(frozen=True)
class Plan:
    """How a question is asked.

    Attributes:
        question: its name.
        rows: how many rows are scored.
        master: where Spark runs.
        rounds: how often the warm queries take turns.
        firsts: how often a first query is asked of each, each time in a new process; 0 leaves it out.
    """

    question: str
    rows: int
    master: str
    rounds: int
    firsts: int

    @property
    def case(self) -> Case:
        """The question itself, which has functions that cannot travel to another process."""
        return CASES[self.question]


@dataclass(frozen=True)
class Answer:
    """What was measured.

    Attributes:
        plan: what was asked.
        first: contender -> seconds of each first query.
        warm: contender -> seconds of each later query, those of one round at the same place.
        memory: contender -> largest peak memory of a Python worker, in MB; None where there was none.
        machine: what it was measured on.
    """

    plan: Plan
    first: dict[str, list[float]]
    warm: dict[str, list[float]]
    memory: dict[str, int | None]
    machine: str


def ask(plan: Plan) -> Answer:
    """Measure all that there is to one question."""
    names = ("PREDICT", "spark_udf")
    first: dict[str, list[float]] = {name: [] for name in names}
    memory: dict[str, int | None] = dict.fromkeys(names)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as lakehouse:
        machine, warm = in_new_process(time_warm, plan, lakehouse)
        for _ in range(plan.firsts):
            for name in names:
                seconds, peak = in_new_process(time_first, plan, lakehouse, name)
                first[name].append(seconds)
                memory[name] = max((each for each in (memory[name], peak) if each is not None), default=None)
    return Answer(plan, first, warm, memory, machine)


def in_new_process(function: Callable[..., R], *arguments: object) -> R:
    """What the function gives in a Python process that has done nothing before."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


@contextlib.contextmanager
def session(plan: Plan, lakehouse: str) -> Iterator[SparkSession]:
    """A session for one part of a question."""
    conf = {"spark.driver.memory": "2g", "spark.ui.enabled": "false", **plan.case.conf}
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    spark = lakepredict.spark_session("lakepredict-benchmarks", lakehouse=lakehouse, master=plan.master, conf=conf)
    try:
        yield spark
    finally:
        spark.stop()


def time_warm(plan: Plan, lakehouse: str) -> tuple[str, dict[str, list[float]]]:
    """Make table and model, compare the predictions, let all contenders run once, then time them in turn.

    Returns:
        the machine, and contender -> seconds.
    """
    with session(plan, lakehouse) as spark:
        plan.case.prepare(spark, plan.rows)
        queries = {name: prepared(spark) for name, prepared in plan.case.contenders().items()}
        for ours in {"PREDICT", "compiled"} & set(queries):
            compare(queries[ours](), queries["spark_udf"](), plan.case.rtol)
        for query in queries.values():
            run(query())
        seconds: dict[str, list[float]] = {name: [] for name in queries}
        for _ in range(plan.rounds):
            for name, query in queries.items():
                started = time.perf_counter()
                run(query())
                seconds[name].append(time.perf_counter() - started)
        return describe_machine(spark), seconds


def time_first(plan: Plan, lakehouse: str, contender: str) -> tuple[float, int | None]:
    """Time the first query that scores in a session, with what gets ready for it, and a worker's peak memory in MB.

    The session has read the table before, for what Spark and Delta take to begin is the same whoever scores.
    """
    with session(plan, lakehouse) as spark, WorkerMemory() as memory:
        run(spark.table(TABLE))
        started = time.perf_counter()
        run(plan.case.contenders()[contender](spark)())
        seconds = time.perf_counter() - started
    return seconds, memory.peak


def run(frame: DataFrame) -> None:
    """Compute every row and keep none."""
    frame.write.format("noop").mode("overwrite").save()


def compare(ours: DataFrame, theirs: DataFrame, rtol: float) -> None:
    """Both give the same rows, and predictions that differ by no more than ``rtol``."""
    left, right = (each.where(f"id < {COMPARED}").toPandas().sort_values("id") for each in (ours, theirs))
    np.testing.assert_array_equal(left["id"], right["id"])
    np.testing.assert_allclose(left["prediction"], right["prediction"], rtol=rtol)


class WorkerMemory:
    """Watches the Python workers of this process's Spark while it is open.

    Attributes:
        peak: the largest peak memory of a worker in MB, with the processes that it started; None if none ran.
    """

    def __init__(self, every: float = 0.2) -> None:
        self.peak: int | None = None
        self._every = every
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> WorkerMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        closed = False
        while not closed:
            closed = self._closed.wait(self._every)
            found = worker_peaks(read_processes(), os.getpid())
            self.peak = max([*found, *([] if self.peak is None else [self.peak])], default=None)


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it.

    Attributes:
        parent: the process that started it.
        is_daemon: whether it is PySpark's daemon, which forks the workers, or such a fork.
        peak: its peak memory in kB.
    """

    parent: int
    is_daemon: bool
    peak: int


def read_processes(proc: Path = Path("/proc")) -> dict[int, Process]:
    """All processes by number."""
    found = {}
    for path in proc.glob("[0-9]*"):
        # It may end while it is read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = (line.partition(":") for line in (path / "status").read_text("utf-8").splitlines())
            status = {key: value.split() for key, _, value in lines}
            command = (path / "cmdline").read_bytes()
            peak = int(status["VmHWM"][0]) if "VmHWM" in status else 0
            found[int(path.name)] = Process(int(status["PPid"][0]), b"pyspark.daemon" in command, peak)
    return found


def worker_peaks(processes: dict[int, Process], driver: int) -> list[int]:
    """The peak memory, in MB, of each Python worker of a driver, with all processes that the worker started."""
    children: dict[int, list[int]] = {}
    for number, process in processes.items():
        children.setdefault(process.parent, []).append(number)

    def workers(number: int) -> Iterator[int]:
        for child in children.get(number, []):
            yield from children.get(child, []) if processes[child].is_daemon else workers(child)

    def memory(number: int) -> int:
        return processes[number].peak + sum(memory(child) for child in children.get(number, []))

    return [memory(worker) // 1024 for worker in workers(driver)]


def describe_machine(spark: SparkSession) -> str:
    """What the figures depend on, and nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = spark.sql("SELECT java_method('java.lang.System', 'getProperty', 'java.version')").first()
    parts = [
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB of memory, {platform.system()}",
        f"Java {java[0] if java else 'unknown'}, Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in DISTRIBUTIONS),
    ]
    return f"{', '.join(parts)}. Measured on {time.strftime('%Y-%m-%d', time.gmtime())}."
