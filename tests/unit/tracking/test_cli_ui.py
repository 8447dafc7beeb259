"""``lakepredict ui`` as a process: MLflow's user interface answers, and ends with the command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tracking_store import ENVIRONMENT, Experiment

ENDS = ("ctrl_c", "sigterm", "killed")
Started = dict[str, "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def started(lakehouse: Path) -> Iterator[Started]:
    """The command three times at once, since it takes seconds to start; what a test leaves is ended by force."""
    Experiment("weekly_sales", lakehouse / "artifacts")
    environment = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    command = [sys.executable, "-m", "lakepredict.cli", "ui", "--port", "0", "--lakehouse", str(lakehouse)]
    processes = {
        end: subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for end in ENDS
    }
    yield processes
    for process in processes.values():
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def address(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The line that the command prints once the server answers, and the address in it."""
    assert process.stdout is not None
    line = process.stdout.readline()
    return line, re.findall(r"http://127\.0\.0\.1:\d+", line)[0]


def fetched(url: str) -> str:
    """What a server answers."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def children(pid: int) -> set[int]:
    """The processes below one, at any depth."""
    pairs = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    parents = {int(child): int(parent) for child, parent in zip(pairs[::2], pairs[1::2], strict=True)}
    found = {pid}
    while new := {child for child, parent in parents.items() if parent in found} - found:
        found |= new
    return found - {pid}


def lives(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("end", "number"), [("ctrl_c", signal.SIGINT), ("sigterm", signal.SIGTERM)], ids=["ctrl_c", "sigterm"]
)
def test_ui(started: Started, golden: Callable[[str, str], None], end: str, number: signal.Signals) -> None:
    """The page and MLflow's API answer at the printed address; a signal ends the command and all its processes."""
    process = started[end]
    line, url = address(process)
    page = fetched(url)
    experiment = fetched(f"{url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=weekly_sales")
    below = children(process.pid)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)

    assert "<title>MLflow</title>" in page
    assert '"name": "weekly_sales"' in experiment
    assert (process.returncode, output, errors) == (0, "", "")
    assert below
    assert not any(map(lives, below))
    golden("cli/ui.txt", line.rstrip().replace(url, "http://127.0.0.1:<port>"))


def test_server_that_ends_by_itself(started: Started, lakehouse: Path) -> None:
    """When MLflow's server is killed, the command ends with an error that names its log."""
    process = started["killed"]
    address(process)
    for pid in children(process.pid):
        os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert errors.startswith("Error: [UI_NOT_STARTED]")
    assert f"its log is {lakehouse}/logs/mlflow-ui.log" in errors
