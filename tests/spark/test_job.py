"""The scoring job as people start it: ``lakepredict score``, and ``spark-submit`` on a standalone cluster."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyspark
import pytest
from mlflow.types import DataType
from pyspark.sql import SparkSession

import lakepredict
from conftest import register_model
from lakepredict import _jars
from lakepredict.lakehouse import Folder
from test_cluster import SPARK, plain_environment, start_cluster

PACKAGE = Path(lakepredict.__file__).parent
JOB = """\
model: submitted
version: latest
input: {table: submitted_input}
output: {table: submitted_output, mode: incremental, key: [id]}
"""


@pytest.fixture(scope="module")
def job(spark: SparkSession, folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A job that scores a hundred rows in Python workers."""
    register_model("submitted", 2.0, {"price": DataType.double})
    spark.range(100).selectExpr("id", "double(id) AS price").write.saveAsTable("submitted_input")
    path = tmp_path_factory.mktemp("job") / "job.yaml"
    path.write_text(JOB)
    yield path
    spark.sql("DROP TABLE submitted_input")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with all packages but lakepredict: a path in a .pth file is searched without its own .pth files."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "others.pth").write_text(str(Path(pyspark.__file__).parent.parent))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as one file for ``--py-files``."""
    path = tmp_path_factory.mktemp("archive") / "lakepredict.zip"
    with zipfile.ZipFile(path, "w") as file:
        for each in sorted(PACKAGE.rglob("*")):
            if each.is_file() and "__pycache__" not in each.parts:
                file.write(each, each.relative_to(PACKAGE.parent))
    return path


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command, env={**plain_environment(), **environment}, capture_output=True, text=True, timeout=300, check=False
    )


def lakepredict_score(folder: Folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``lakepredict score``."""
    return run([sys.executable, "-m", "lakepredict.cli", "score", *arguments, "--lakehouse", folder.root])


def test_python_without_lakepredict(python: Path) -> None:
    """The Python of the cluster's workers finds pandas and not lakepredict, or the next test shows nothing."""
    assert run([str(python), "-c", "import pandas"]).returncode == 0
    assert "No module named 'lakepredict'" in run([str(python), "-c", "import lakepredict"]).stderr


def test_cluster(spark: SparkSession, folder: Folder, job: Path, python: Path, archive: Path, tmp_path: Path) -> None:
    """From an archive, on executors that have no lakepredict of their own, rows are scored, and once."""
    told: list[dict[str, Any]] = []
    with ExitStack() as stack:
        master = start_cluster(stack, tmp_path)
        submit = [
            f"{SPARK}/bin/spark-submit", "--master", master, "--py-files", str(archive), "--driver-memory", "1g",
            "--jars", ",".join(map(str, _jars.delta_jars())), "--conf", "spark.ui.enabled=false",
            "--conf", "spark.executor.memory=600m",
            str(PACKAGE / "job.py"), str(job), "--json", "--lakehouse", folder.root,
        ]  # fmt: skip
        for _ in range(2):
            done = run(
                submit, PYSPARK_PYTHON=str(python), PYSPARK_DRIVER_PYTHON=str(python), SPARK_LOCAL_IP="127.0.0.1"
            )
            assert done.returncode == 0, done.stderr[-3000:]
            told.append(json.loads(done.stdout.splitlines()[-1]))

    assert [(each["status"], each["rows_scored"], each["null_predictions"]) for each in told] == [
        ("scored", 100, 0),
        ("nothing new", 0, 0),
    ]
    # spark-submit sends what Python writes to standard error to its standard output.
    assert "submitted v1" in done.stdout
    spark.sql(f"CREATE TABLE submitted_output USING DELTA LOCATION '{folder.tables}/submitted_output'")
    rows = spark.sql("SELECT count(*) n, count(DISTINCT id) ids, max(abs(prediction - 2 * id)) e FROM submitted_output")
    assert (rows.first().n, rows.first().ids, rows.first().e < 1e-6) == (100, 100, True)


def test_command_line(folder: Folder, job: Path) -> None:
    """A summary for people is on standard output, the run is kept, and a change of the output's name makes another."""
    done = lakepredict_score(folder, str(job), "--set", "output.table=scored_by_command")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.replace("rows in", "rows_in").splitlines())

    assert done.returncode == 0, done.stderr
    assert (lines["status"], lines["model"], lines["rows_in"], lines["NULL"]) == ("scored", "submitted v1", "100", "0")
    assert (lines["output"], lines["mode"]) == ("scored_by_command (version 0)", "incremental")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--set", "output.mode=upsert"], 2, "--set output.mode=upsert: output.mode: Input should be 'append'"),
        (["--set", "output.mdoe=append"], 2, "there is no such key"),
        (["--set", "model=nobody"], 1, "no registered model `nobody`"),
        (["--set", "input.table=nothing"], 1, "[TABLE_NOT_FOUND] There is no table or view `nothing`."),
    ],
)
def test_exit_status(folder: Folder, job: Path, arguments: list[str], status: int, message: str) -> None:
    """2 for a file or options that are wrong, 1 for a job that fails; nothing on standard output."""
    done = lakepredict_score(folder, str(job), *arguments)

    assert (done.returncode, done.stdout) == (status, "")
    assert message in " ".join(done.stderr.split())
