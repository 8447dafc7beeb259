"""``lakepredict doctor`` on machines that lack something, each in a process of its own; no Spark starts."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from tracking_store import mlflow_at

import lakepredict
from lakepredict import _jars
from lakepredict.cli import _checks, _workers

SOURCE = Path(lakepredict.__file__).parents[1]


class Machine:
    """A machine with a Java, Delta's JARs and a lakehouse with an empty store, until a test takes one of them away."""

    def __init__(self, home: Path, database: Path) -> None:
        self.home = home
        self.lakehouse = home / "lakehouse"
        self.jars = home / "cache" / "lakepredict" / "jars" / _jars.delta_coordinate().replace(":", "_")
        self.jars.mkdir(parents=True)
        (self.jars / "io.delta_delta-spark.jar").touch()
        self.lakehouse.mkdir()
        shutil.copy(database, self.lakehouse / "mlflow.db")
        self.java("17.0.12")
        self.environment = {
            "PATH": str(home / "bin"),
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "LAKEPREDICT_LAKEHOUSE": str(self.lakehouse),
            "PYTHONPATH": str(SOURCE),
        }

    def java(self, version: str) -> None:
        """Put a Java of that version in PATH, which knows no more than its version."""
        path = self.home / "bin" / "java"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-07-16' >&2\n")
        path.chmod(0o755)

    def doctor(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Ask the doctor."""
        command = [sys.executable, "-m", "lakepredict.cli", "doctor", *options]
        return subprocess.run(
            command, env={**self.environment, **environment}, capture_output=True, text=True, check=False, timeout=120
        )

    def checks(self, **environment: str) -> dict[str, dict[str, Any]]:
        """What each check has found."""
        done = self.doctor("--no-spark", "--json", **environment)
        told = json.loads(done.stdout)

        assert (done.returncode, done.stderr) == (0 if told["ok"] else 1, "")
        assert told["ok"] == all(each["status"] != "failed" for each in told["checks"])
        return {each["name"]: each for each in told["checks"]}

    def failed(self, **environment: str) -> dict[str, str]:
        """The checks that fail, with what they found."""
        found = self.checks(**environment)
        return {name: each["found"] for name, each in found.items() if each["status"] == "failed"}


@pytest.fixture
def machine(tmp_path: Path, empty_database: Path) -> Machine:
    return Machine(tmp_path, empty_database)


@pytest.fixture
def here(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Makes this process one of the machine's, for checks that take no process of their own."""
    for name in ("JAVA_HOME", "SPARK_HOME", "PYSPARK_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", machine.environment["PATH"] + ":/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", machine.environment["XDG_CACHE_HOME"])
    return monkeypatch


def test_nothing_is_missing(machine: Machine, golden: Callable[[str, str], None], masked: Callable[[str], str]) -> None:
    """Each check has a line, and nothing is left in the lakehouse."""
    done = machine.doctor("--no-spark")

    assert (done.returncode, done.stderr) == (0, "")
    golden("cli/doctor_no_spark.txt", masked(done.stdout.replace(str(machine.home), "<home>")))
    assert [each.name for each in machine.lakehouse.iterdir()] == ["mlflow.db"]


def test_everything_is_missing(
    machine: Machine, golden: Callable[[str, str], None], masked: Callable[[str], str]
) -> None:
    """Each line that fails says what to do, one failure hides no other, and there is no traceback."""
    shutil.rmtree(machine.lakehouse)
    machine.lakehouse.touch()
    shutil.rmtree(machine.jars)
    other = machine.home / "other" / "pyspark-3.5.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: pyspark\nVersion: 3.5.1\n")
    done = machine.doctor(
        PATH="/nowhere",
        PYTHONPATH=f"{other.parent}:{SOURCE}",
        MLFLOW_TRACKING_URI="http://me:hush@127.0.0.1:9",
        PYSPARK_PYTHON="/nowhere/python",
    )

    assert (done.returncode, done.stderr) == (1, "")
    assert "hush" not in done.stdout
    golden("cli/doctor_bad.txt", masked(done.stdout.replace(str(machine.home), "<home>")))


@pytest.fixture
def masked() -> Callable[[str], str]:
    """Puts names in the place of what is different on each machine and with each release."""

    def mask(text: str) -> str:
        text = text.replace(sys.executable, "<python>")
        text = re.sub(r"[\d.,]+ GiB free", "<free> GiB free", text)
        text = re.sub(r"(Python +|numpy |pandas |pyarrow |PySpark +(?!3.5))\d+[.\d]*", r"\1<version>", text)
        text = re.sub(r"delta-spark [\d.]+", "delta-spark <version>", text)
        text = re.sub(r">=[\d.]+, ?<[\d.]+", "<sparks>", text)
        text = re.sub(r"(delta-spark_)4\.\d+", r"\1<spark>", text)
        text = re.sub(r"(_2\.13[:_])[\d.]+", r"\1<version>", text)
        return text.rstrip()

    return mask


@pytest.mark.parametrize(
    ("version", "status", "found"),
    [
        ("11.0.2", "failed", "is too old"),
        ("1.8.0_412", "failed", "is too old"),
        ("21.0.4", "ok", "21.0.4"),
        ("25", "warning", "25"),
    ],
)
def test_java(machine: Machine, here: pytest.MonkeyPatch, version: str, status: str, found: str) -> None:
    """Java 17 and 21 will do; older ones fail, and others may."""
    machine.java(version)

    assert (_checks.java().status, found in _checks.java().found) == (status, True)


def test_java_home(here: pytest.MonkeyPatch) -> None:
    """JAVA_HOME goes before PATH, as it does for Spark."""
    here.setenv("JAVA_HOME", "/nowhere")

    assert _checks.java().status == "failed"
    assert _checks.java().found == "JAVA_HOME=/nowhere has none that runs: No such file or directory"


def test_spark_home(machine: Machine, here: pytest.MonkeyPatch) -> None:
    """A Spark of another version in SPARK_HOME would be started in the place of PySpark's own."""
    (machine.home / "spark" / "jars").mkdir(parents=True)
    (machine.home / "spark" / "jars" / "spark-core_2.12-3.5.1.jar").touch()
    here.setenv("SPARK_HOME", str(machine.home / "spark"))

    assert _checks.spark().status == "failed"
    assert _checks.spark().found.endswith(f"but SPARK_HOME={machine.home}/spark is Spark 3.5.1")


def test_jars_that_are_not_whole(machine: Machine, here: pytest.MonkeyPatch) -> None:
    """A folder without Delta's own JAR fails, and is to be removed."""
    assert _checks.delta().status == "ok"
    (machine.jars / "io.delta_delta-spark.jar").unlink()

    assert _checks.delta().status == "failed"
    assert _checks.delta().hint.startswith("remove that folder")


def test_a_spark_that_delta_is_not_built_for(machine: Machine, here: pytest.MonkeyPatch) -> None:
    """A newer Spark is told which one delta-spark asks for, and what to install, and not to fetch JARs that are not."""
    newer = machine.home / "newer" / "pyspark-4.99.0.dist-info"
    newer.mkdir(parents=True)
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: pyspark\nVersion: 4.99.0\n")
    here.syspath_prepend(newer.parent)
    check, package = _checks.delta(), _jars.installed_delta()

    assert _checks.spark().status == "ok"
    assert check.status == "failed"
    assert check.found == f"{package.name} is built for Spark {package.releases}, and this is Spark 4.99.0"
    assert check.hint.startswith(f"pip install 'pyspark{package.sparks}'; or install a delta-spark")


@pytest.mark.parametrize("python", ["missing", "without packages", "broken", "another version"])
def test_python_of_workers(machine: Machine, here: pytest.MonkeyPatch, python: str) -> None:
    """The Python of workers is asked for its packages, not the one that asks."""
    all_there = '{"python": "3.1.0", "packages": {"numpy": "2.0", "pandas": "2.3", "pyarrow": "20"}}'
    scripts = {
        "without packages": ('echo \'{"python": "3.1.0", "packages": {"numpy": "2.0"}}\'', "has no pandas, pyarrow"),
        "broken": ("echo no library >&2; exit 3", "does not run: it ends with status 3: no library"),
        "another version": (f"echo '{all_there}'", "is Python 3.1.0, and the driver's is"),
        "missing": ("", "does not run: No such file or directory"),
    }
    script, found = scripts[python]
    path = machine.home / "python"
    if script:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    here.setenv("PYSPARK_PYTHON", str(path))
    check, _ = _workers.packages()

    assert (check.status, check.found.startswith(f"{path} {found}")) == ("failed", True)


def test_lakehouse_that_is_not_there_yet(machine: Machine) -> None:
    """A lakehouse that can be made is a warning, and is not made."""
    shutil.rmtree(machine.lakehouse)
    found = machine.checks()

    assert {name for name, each in found.items() if each["status"] == "warning"} == {"lakehouse", "MLflow store"}
    assert not machine.lakehouse.exists()


def test_broken_mlflow(machine: Machine) -> None:
    """An MLflow that cannot be imported is one failure of many."""
    (machine.home / "mlflow.py").write_text("raise ImportError('cannot import name x')\n")
    failed = machine.failed(PYTHONPATH=f"{machine.home}:{SOURCE}", PATH="/nowhere")

    assert failed == {
        "Java": "none in PATH, and no JAVA_HOME",
        "MLflow store": "MLflow cannot be imported: ImportError: cannot import name x",
    }


def test_damaged_store(machine: Machine) -> None:
    """A file that is no database is told by what SQLite says."""
    (machine.lakehouse / "mlflow.db").write_text("no database " * 100)

    assert machine.failed() == {
        "MLflow store": f"sqlite:///{machine.lakehouse}/mlflow.db gives no usable answer: file is not a database"
    }


def test_silent_server(machine: Machine) -> None:
    """A server that takes a connection and says nothing is waited for no longer than MLflow is told to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        failed = machine.failed(MLFLOW_TRACKING_URI=address, MLFLOW_HTTP_REQUEST_TIMEOUT="1")

    assert failed == {"MLflow store": f"{address} gives no usable answer: timed out"}


def test_packages_of_models(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was logged with other versions than workers have is a warning."""
    model = LinearRegression().fit(np.eye(2), [1, 2])
    with mlflow_at(f"sqlite:///{machine.lakehouse}/mlflow.db"):
        location = mlflow.create_experiment("models", str(machine.lakehouse / "artifacts"))
        with mlflow.start_run(experiment_id=location):
            mlflow.sklearn.log_model(
                model, name="model", registered_model_name="old", pip_requirements=["scikit-learn==0.1", "nothing"]
            )
    found = machine.checks()

    assert found["MLflow store"]["found"].endswith("mlflow.db, 1 registered model")
    assert found["model packages"]["status"] == "warning"
    assert found["model packages"]["found"].startswith("old v1: scikit-learn ")
    assert found["model packages"]["found"].endswith(" instead of ==0.1, no nothing")
