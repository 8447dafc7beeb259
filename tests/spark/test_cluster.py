"""PREDICT on a real standalone cluster: a master, two workers, and an application of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
import pytest

from test_registry_servers import free_port, wait_until_healthy

PROGRAM = Path(__file__).with_name("programs") / "cluster.py"
SPARK = Path(pyspark.__file__).parent
MEGABYTES = 300
SECRETS = {
    "MLFLOW_TRACKING_USERNAME": "reader",
    "MLFLOW_TRACKING_PASSWORD": "planted-for-the-server",
    "AWS_ACCESS_KEY_ID": "planted-name-for-the-store",
    "AWS_SECRET_ACCESS_KEY": "planted-for-the-store",
}
URI_SECRET = "planted-in-the-address"


@dataclass(frozen=True)
class Outcome:
    """What the application left behind.

    Attributes:
        told: what the driver saw.
        events: the event log, one dict for each event.
        folder: where the cluster and the lakehouse are.
    """

    told: dict[str, Any]
    events: list[dict[str, Any]]
    folder: Path


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the context lasts, with its children."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, cwd=log.parent, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
            process.wait(30)


def plain_environment() -> dict[str, str]:
    """The environment without what the tests' own session and MLflow have set."""
    ours = ("MLFLOW", "_MLFLOW", "PYSPARK", "SPARK", "AWS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The application run once, on a cluster of its own, its last queries after the MLflow server is gone."""
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        server, address = start_server(stack, folder / "server")
        master = start_cluster(stack, folder)
        wait_until_healthy(server, address, folder / "server" / "log")
        for each in ("lakehouse", "events"):
            (folder / each).mkdir()
        tracking = address.replace("//", f"//reader:{URI_SECRET}@")
        environment = {**plain_environment(), **SECRETS, "MLFLOW_TRACKING_URI": tracking}
        driver = start_driver(stack, folder, master, environment)
        line(driver, "BOUND", folder)
        os.killpg(server.pid, 15)
        server.wait(30)
        shutil.rmtree(folder / "server")
        print(file=driver.stdin, flush=True)
        told = json.loads(line(driver, "TOLD ", folder))
        driver.wait(60)
    return Outcome(told, list(events(folder / "events")), folder)


def start_driver(stack: ExitStack, folder: Path, master: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start the application; its errors go to a file."""
    folders = [str(folder / each) for each in ("lakehouse", "workers", "events")]
    driver = subprocess.Popen(
        [sys.executable, str(PROGRAM), master, *folders, str(MEGABYTES)],
        env={**environment, "PYSPARK_PYTHON": sys.executable},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stack.enter_context((folder / "driver").open("w")),
        text=True,
        cwd=folder,
    )
    stack.callback(driver.kill)
    return driver


def line(driver: subprocess.Popen[str], prefix: str, folder: Path) -> str:
    """The rest of the next line of the driver's output that begins with ``prefix``."""
    for each in driver.stdout:
        if each.startswith(prefix):
            return each.removeprefix(prefix)
    pytest.fail((folder / "driver").read_text()[-5000:])


def start_server(stack: ExitStack, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start an MLflow server that serves the artifacts, too; it takes some seconds until it answers."""
    folder.mkdir()
    port = free_port()
    stores = [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination={folder}/artifacts"]
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1", *stores]
    return stack.enter_context(running(command, plain_environment(), folder / "log")), f"http://127.0.0.1:{port}"


def start_cluster(stack: ExitStack, folder: Path) -> str:
    """Start a master and two workers, each with folders of its own, and return the master's URL."""
    port, page = free_port(), free_port()
    spark_class = f"{SPARK}/bin/spark-class"
    deploy = "org.apache.spark.deploy"
    shared = {
        **plain_environment(),
        "SPARK_HOME": str(SPARK),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
    }
    host = ["--host", "127.0.0.1"]
    master = [spark_class, f"{deploy}.master.Master", *host, "--port", str(port), "--webui-port", str(page)]
    log = folder / "master"
    stack.enter_context(running(master, shared, log))
    wait_for(lambda: "Starting Spark master at" in log.read_text())
    url = f"spark://127.0.0.1:{port}"
    for number in (1, 2):
        own = folder / "workers" / str(number)
        own.mkdir(parents=True)
        size = ["--cores", "1", "--memory", "1g", "--port", "0", "--webui-port", "0", "--work-dir", str(own / "work")]
        worker = [spark_class, f"{deploy}.worker.Worker", *host, *size, url]
        environment = {**shared, "SPARK_LOCAL_DIRS": str(own / "local")}
        stack.enter_context(running(worker, environment, own / "log"))
    wait_for(lambda: log.read_text().count("Registering worker") == 2)
    return url


def wait_for(holds: Callable[[], bool]) -> None:
    """Return as soon as something holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def events(folder: Path) -> Iterator[dict[str, Any]]:
    """The events of the application's log."""
    for each in sorted(folder.rglob("events_*")):
        yield from map(json.loads, each.read_text().splitlines())


def test_model_is_shipped_once_to_each_executor(outcome: Outcome) -> None:
    """Three queries on one version leave one copy on the driver, and one broadcast and directory on each executor."""
    large = outcome.told["large"]

    assert large["sums"] == [400 * MEGABYTES * 2**20 + 399 * 200] * 3
    assert large["copies"] == {"driver": 1, "broadcasts": [1, 1], "directories": [1, 1]}
    assert large["largest"] == MEGABYTES


def test_large_model_is_not_in_memory_twice(outcome: Outcome) -> None:
    """The driver's Python has less than one and a half times the model in memory while it ships it."""
    assert outcome.told["large"]["memory"] < 1.5 * MEGABYTES


def test_evicted_model_is_released(outcome: Outcome) -> None:
    """Of a model that is bound no more, and that no plan uses, neither driver nor executors keep a file."""
    released = outcome.told["released"]

    assert released["copies"] == {"driver": 1, "broadcasts": [1, 1], "directories": [1, 1]}
    assert released["largest"] < MEGABYTES / 2


def test_executors_need_no_registry(outcome: Outcome) -> None:
    """Models that no executor has yet, and code that two versions bring, are scored when their server is gone."""
    offline = outcome.told["offline"]

    assert offline["factors"] == [450.0, 900.0]
    assert len(offline["environments"]) == 2


def test_no_secret_leaves_the_driver(outcome: Outcome) -> None:
    """Credentials of MLflow and its stores are in no executor's environment or file, closure, plan or event log."""
    offline = outcome.told["offline"]
    places = {
        **{str(number): json.dumps(each) for number, each in enumerate(offline["environments"])},
        "plan": offline["plan"],
        "closure": offline["command"],
        **{str(each): each.read_text(errors="replace") for each in files(outcome.folder / "events")},
        **{str(each): each.read_text(errors="replace") for each in files(outcome.folder / "workers")},
    }
    secrets = [URI_SECRET, *(value for name, value in SECRETS.items() if "USERNAME" not in name)]

    assert URI_SECRET in offline["address"]
    assert "Scorer" in offline["command"]
    assert [(place, each) for place, text in places.items() for each in secrets if each in text] == []
    assert [name for each in offline["environments"] for name in each if name.startswith("MLFLOW")] == []


def files(folder: Path) -> list[Path]:
    """All files in a folder."""
    return [each for each in folder.rglob("*") if each.is_file()]


def test_spark_ml_is_loaded_from_the_lakehouse(outcome: Outcome) -> None:
    """Jobs that read a pipeline do so below the session's tables, where nothing is left, also of a damaged one."""
    told = outcome.told["spark ml"]
    plans = [each["physicalPlanDescription"] for each in outcome.events if "physicalPlanDescription" in each]
    read = {path for plan in plans for path in re.findall(r"InMemoryFileIndex[^\[]*\[file:(\S+?)\]", plan)}
    staged = f"{outcome.folder}/lakehouse/Tables/.lakepredict-"

    assert told["sum"] == 3 * 399 * 200
    assert told["refused"].startswith("[PREDICT_MODEL_UNREADABLE] PREDICT('pipeline', 2, ...)")
    assert read
    assert [path for path in read if not path.startswith(staged)] == []
    assert told["left"] == []
