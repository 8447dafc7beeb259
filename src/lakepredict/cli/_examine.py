"""All checks of ``lakepredict doctor``, in their order; those that may hang or crash in processes of their own."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

from rich.console import Console

from lakepredict._place import Folder
from lakepredict.cli import _checks, _workers
from lakepredict.cli._checks import FAILED, OK, SKIPPED, WARNING, Check, checked

Facts = Mapping[str, Any]

_STORE_SECONDS = 45.0
_SPARK_SECONDS = 180.0
_SPARK_STEPS = {"session": "Spark session", "worker": "Python worker", "table": "Delta table"}
_HIDDEN = ".lakepredict-doctor-"


def examine(folder: Folder, no_spark: bool, terminal: Console) -> Iterator[Check]:
    """Make all checks. What takes long is asked meanwhile; each is told in its turn."""
    with ExitStack() as stack:
        stack.enter_context(_ending_on_sigterm())
        store = stack.enter_context(_asked("store", folder.root))
        yield checked("Python", _checks.python)
        needed = [
            checked("Java", _checks.java),
            checked("PySpark", _checks.spark),
            checked("Delta Lake", _checks.delta),
        ]
        yield from needed
        place = checked("lakehouse", lambda: _checks.lakehouse(folder))
        yield place
        broken = [each.name for each in needed if each.status == FAILED]
        scratch = None if no_spark or broken else stack.enter_context(_scratch(folder, place.status == OK))
        session = scratch and stack.enter_context(_asked("spark", scratch))
        yield checked("memory", _checks.memory)
        worker, packages = _workers.packages()
        yield worker
        with terminal.status("Asking MLflow's store ..."):
            told = store.answers(_STORE_SECONDS)
        yield store_check(told, store.end)
        yield _models_check(told, store.end, packages)
        if not session or not scratch:
            why = "not tried: --no-spark" if no_spark else f"not tried, for want of {', '.join(broken)}"
            yield from (Check(name, SKIPPED, why) for name in _SPARK_STEPS.values())
            return
        with terminal.status("Starting Spark ..."):
            answers = session.answers(_SPARK_SECONDS)
        yield from spark_checks(answers, session.end, temporary=not scratch.startswith(folder.root))


def store_check(told: list[Facts], end: str) -> Check:
    """Whether MLflow's store answers, by what the process that asked it has told."""
    name = "MLflow store"
    facts = next((each for each in told if each["step"] == "store"), {"error": end})
    if "error" in facts:
        hint = "check MLFLOW_TRACKING_URI, MLFLOW_REGISTRY_URI and --lakehouse, and that the server runs."
        if "cannot be imported" in facts["error"]:
            hint = "pip install --force-reinstall mlflow."
        return Check(name, FAILED, facts["error"], hint)
    if "missing" in facts:
        if facts["given"]:
            return Check(name, FAILED, f"{facts['missing']} is not there", "check MLFLOW_TRACKING_URI.")
        return Check(name, WARNING, f"{facts['missing']} is not there yet", "lakepredict demo, or a session, makes it.")
    models = facts["models"]
    return Check(name, OK, f"{facts['address']}, {models} registered model{'s' * (models != 1)}")


def _models_check(told: list[Facts], end: str, packages: _workers.Packages | None) -> Check:
    name = "model packages"
    models = {each["model"]: each["requirements"] for each in told if each["step"] == "model"}
    if packages is None or not told or "address" not in told[0]:
        return Check(name, SKIPPED, f"not compared: {'no Python' if packages is None else 'no store'} to ask")
    if told[-1]["step"] != "models":
        hint = "check that the artifact store can be reached."
        return Check(
            name, WARNING, f"not known, as the models' files cannot be read: {told[-1].get('error', end)}", hint
        )
    return checked(name, lambda: _workers.models(models, packages))


def spark_checks(told: list[Facts], end: str, *, temporary: bool) -> Iterator[Check]:
    """What the process that started Spark has told; after a step that failed the others were not tried."""
    answers = {each["step"]: each for each in told}
    before = ""
    for step, name in _SPARK_STEPS.items():
        facts = answers.get(step, {"error": end})
        if before:
            yield Check(name, SKIPPED, f"not tried, since {before} fails")
        elif "error" in facts:
            yield Check(name, FAILED, facts["error"], _SPARK_HINTS[step])
            before = name
        else:
            yield Check(name, OK, _spark_found(step, facts, temporary))


_SPARK_HINTS = {
    "session": "check JAVA_HOME, SPARK_HOME, SPARK_CONF_DIR and free memory.",
    "worker": "check PYSPARK_PYTHON, and that pandas and pyarrow can be imported in that Python.",
    "table": "check that the lakehouse can be written, and that Delta Lake's JARs fit Spark.",
}


def _spark_found(step: str, facts: Facts, temporary: bool) -> str:
    seconds = f"{facts['seconds']:.1f} s"
    if step == "session":
        return f"Spark {facts['version']} on {facts['master']} starts in {seconds}"
    if step == "worker":
        return f"Python {facts['python']} answers a query in {seconds}"
    return f"written, read and removed in {seconds}{', in a temporary folder' if temporary else ''}"


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Have SIGTERM leave by way of the ``finally`` blocks, so that no process and no folder is left."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _scratch(folder: Folder, there: bool) -> Iterator[str]:
    """A hidden folder in the lakehouse, or a temporary one where there is no lakehouse; gone in the end."""
    if not folder.local:
        yield f"{folder.root}/{_HIDDEN}{uuid4().hex}"  # Spark makes it, and the process that started Spark removes it
        return
    path = tempfile.mkdtemp(prefix=_HIDDEN, dir=folder.root if there else None)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class _Probe:
    """A process that tells what it finds, a line each.

    Attributes:
        end: why it told no more, once its answers were taken.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.end = ""
        self._process = process
        self._log = log
        self._begun = time.monotonic()
        self._lines: queue.Queue[str | None] = queue.Queue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put(None)

    def answers(self, seconds: float) -> list[Facts]:
        """All that it tells until it ends, or so many seconds after it began."""
        found: list[Facts] = []
        while True:
            with suppress(ValueError):  # libraries may print lines of their own
                left = self._begun + seconds - time.monotonic()
                try:
                    line = self._lines.get(timeout=max(left, 0))
                except queue.Empty:
                    self.end = f"no answer in {seconds:g} seconds"
                    return found
                if line is None:
                    self.end = self._ended()
                    return found
                found.append(json.loads(line))

    def _ended(self) -> str:
        status = self._process.wait()
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return f"it ended with status {status}: {lines[-1].strip() if lines else 'nothing was said'}"


@contextmanager
def _asked(what: str, place: str) -> Iterator[_Probe]:
    """A process that asks for something; it and its own processes end with the block."""
    command = [sys.executable, "-m", "lakepredict.cli._probes", what, place]
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as scratch, Path(scratch, "log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        try:
            yield _Probe(process, Path(log.name))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
