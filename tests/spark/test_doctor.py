"""``lakepredict doctor`` with Spark, on a machine that has all it needs, and on one whose workers cannot start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from test_cluster import plain_environment


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse with an empty store and nothing else."""
    folder = tmp_path_factory.mktemp("doctor") / "lakehouse"
    folder.mkdir()
    MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder


def doctor(lakehouse: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask the doctor."""
    command = [sys.executable, "-m", "lakepredict.cli", "doctor", "--lakehouse", str(lakehouse)]
    return subprocess.run(
        command, env={**plain_environment(), **environment}, capture_output=True, text=True, check=False, timeout=300
    )


def test_all_is_well(lakehouse: Path, golden: Callable[[str, str], None]) -> None:
    """A session starts, a worker answers, a Delta table is written and removed, and nothing is left behind."""
    done = doctor(lakehouse)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    golden("cli/doctor.txt", masked(done.stdout.replace(str(lakehouse), "<lakehouse>")))
    assert os.listdir(lakehouse) == ["mlflow.db"]


def masked(text: str) -> str:
    """Names in the place of what is different on each machine and with each release."""
    text = re.sub(r"[\d.,]+ (GiB free|s\b)", r"<number> \1", text)
    text = re.sub(r"(?<=^. Java {13}).*", "<version> (<java>)", text, flags=re.MULTILINE)
    text = re.sub(r"\(in .*\)", "(in <cache>)", text)
    text = re.sub(r"(delta-spark_)[\d.]+(_2\.13:)\S+", r"\1<spark>\2<version>", text)
    text = re.sub(r"((?:Python|numpy|pandas|pyarrow|PySpark|Spark) +)\d+\.[.\d]*", r"\1<version>", text)
    return text.replace(sys.executable, "<python>").rstrip()


def test_worker_that_does_not_start(lakehouse: Path, tmp_path: Path) -> None:
    """What a worker says before it ends is told, what comes after it is not tried, and nothing is left behind."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such library >&2\nexit 3\n")
    python.chmod(0o755)
    done = doctor(lakehouse, PYSPARK_PYTHON=str(python))
    lines = [re.sub(r" {2,}", "  ", line) for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (1, "")
    assert f"✗ worker packages  {python} does not run: it ends with status 3: no such library" in lines
    assert "✗ Python worker  no such library" in lines
    assert "- Delta table  not tried, since Python worker fails" in lines
    assert os.listdir(lakehouse) == ["mlflow.db"]
