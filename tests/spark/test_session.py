"""The session and the command line, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from pyspark.sql import SparkSession

import lakepredict
from lakepredict import _delta_fit, _jars, _jvm
from lakepredict.errors import LakehouseMismatchError
from lakepredict.lakehouse import Folder

LIFE = """
import json, sys, warnings
from pyspark.errors import AnalysisException
import lakepredict

def session():
    conf = {"spark.driver.memory": "1g", "spark.ui.enabled": "false"}
    return lakepredict.spark_session(lakehouse=sys.argv[1], conf=conf)

told = {}
spark = session()
told["tables"] = sorted(table.name for table in spark.catalog.listTables())
told["rows"] = spark.table("sales").count()
told["same session again"] = session() is spark
lakepredict.register(spark)
query = "SELECT sum(PREDICT('revenue', 1, price, visits)) AS p FROM sales"
told["first"] = round(spark.sql(query).first().p, 6)
spark.sql("CREATE SCHEMA later")
spark.range(3).write.saveAsTable("later.counted")
spark.range(2).write.saveAsTable("dropped")
spark.stop()
spark = session()
told["after a new start"] = round(spark.sql(query).first().p, 6)
told["in a schema"] = spark.table("later.counted").count()
spark.sql("DROP TABLE dropped")
spark.stop()
spark = session()
told["dropped for good"] = not spark.catalog.tableExists("dropped")
spark.sql("DROP SCHEMA later CASCADE")
spark.stop()
print("TOLD " + json.dumps(told))
"""

WRONG = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession, functions as F
import lakepredict
from lakepredict import _jars

def wrong(spark, sql):
    for wanted in ("nothing", "PREDICT('nothing', 1, *)", "1 / id"):
        try:
            sql(f"SELECT {wanted} FROM range(1)")
        except PySparkException as error:
            print("CAUGHT " + error.getCondition())
    try:
        spark.range(1).select(F.col("nothing"))
    except PySparkException as error:
        print("CAUGHT " + error.getCondition())

def mark(text):
    print("MARK " + text, file=sys.stderr, flush=True)

jars = ",".join(str(jar) for jar in _jars.delta_jars())
settings = {"spark.jars": jars, "spark.ui.enabled": "false"}
own = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
lakepredict.register(own)
mark("own")
wrong(own, lambda query: own.sql(query).collect())
mark("magic")
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "lakepredict")
wrong(own.newSession(), lambda query: shell.run_cell_magic("sql", "", query))
own.stop()
spark = lakepredict.spark_session(lakehouse=sys.argv[1], conf={"spark.ui.enabled": "false"})
mark("lakepredict")
wrong(spark, lambda query: spark.sql(query).collect())
spark.stop()
"""


def run(*command: str, folder: Folder, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program on the lakehouse, with neither the test's MLflow settings nor its Spark."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "_MLFLOW", "PYSPARK"))}
    return subprocess.run(
        command, env={**kept, **environment}, capture_output=True, text=True, check=False, cwd=Path(folder.root).parent
    )


def cli(*arguments: str, folder: Folder, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``lakepredict`` as a user does."""
    program = "from lakepredict.cli import main; main()"
    return run(sys.executable, "-c", program, *arguments, folder=folder, COLUMNS="160", **environment)


@pytest.mark.usefixtures("models", "sales")
def test_the_delta_lake_of_a_running_session(spark: SparkSession) -> None:
    """The JAR that a session has loaded tells for which Spark it was built."""
    delta = _delta_fit.of_jars(_jvm.place_of(spark, _jars.DELTA_CLASS) or "")

    assert delta is not None
    assert [delta.fits(release) for release in (spark.version, "3.5.0", "4.99.0")] == [True, False, False]
    assert _jvm.place_of(spark, "org.lakepredict.NoSuchClass") is None


def test_life_of_a_session(folder: Folder) -> None:
    """Another process sees the tables and models; registering twice and starting anew change nothing."""
    done = run(sys.executable, "-c", LIFE, folder.root, folder=folder)
    lines = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]

    assert lines, done.stderr
    told = json.loads(lines[0].removeprefix("TOLD "))
    assert "sales" in told.pop("tables")
    assert told == {
        "rows": 5,
        "same session again": True,
        "first": 362.0,
        "after a new start": 362.0,
        "in a schema": 3,
        "dropped for good": True,
    }


def test_wrong_queries_in_a_session_of_lakepredict(tmp_path: Path, folder: Folder) -> None:
    """PySpark's lines of JSON are not printed there, nor for %%sql, and are in a session of the user's own."""
    done = run(sys.executable, "-c", WRONG, str(tmp_path / "lakehouse"), folder=folder)
    parts = dict(part.split("\n", 1) for part in done.stderr.split("MARK ")[1:])
    logged = {name: text.count("QueryContextLogger") for name, text in parts.items()}

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("CAUGHT ") == 3 * 4
    # %%sql keeps quiet about its own three statements, and not about the data frame.
    assert logged == {"own": 4, "magic": 1, "lakepredict": 0}


def test_process_is_no_tracking_server(spark: SparkSession, folder: Folder) -> None:
    """Artifacts are kept in the lakehouse, but MLflow does not take the process for a server, which reads no cloud."""
    experiment = mlflow.get_experiment(mlflow.create_experiment("of a lakehouse"))

    assert "_MLFLOW_SERVER_ARTIFACT_ROOT" not in os.environ
    assert folder.artifacts in experiment.artifact_location


def test_another_lakehouse_is_refused_while_a_session_runs(spark: SparkSession, tmp_path: Path) -> None:
    """A running session's tables do not go to another place unsaid, and no folder is made for it."""
    with pytest.raises(LakehouseMismatchError, match=r"spark\.stop"):
        lakepredict.spark_session(lakehouse=tmp_path / "other")

    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("models", "sales")
def test_sql_command(folder: Folder) -> None:
    """``lakepredict sql`` prints the rows, and nothing else."""
    query = "SELECT id, round(PREDICT('revenue', 'stable', *)) AS p FROM sales WHERE id < 3 ORDER BY id"
    done = cli("sql", query, folder=folder, LAKEPREDICT_LAKEHOUSE=folder.root)

    assert (done.returncode, done.stderr) == (0, "")
    assert "│  1 │ 22.0 │" in done.stdout


@pytest.mark.usefixtures("models", "sales")
def test_sql_command_error(folder: Folder) -> None:
    """A query that cannot be bound ends with its message and status 1, without a traceback."""
    done = cli("sql", "SELECT PREDICT('revenue', 99, *) FROM sales", "--lakehouse", folder.root, folder=folder)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: [PREDICT_VERSION_NOT_FOUND] PREDICT('revenue', 99, ...)")
    assert "Traceback" not in done.stderr
    assert "JVM stacktrace" not in done.stderr


def test_demo_with_a_bad_file(tmp_path: Path, folder: Folder) -> None:
    """A bad file is named with line and column, and nothing is written."""
    header = "Store,Date,Weekly_Sales,Holiday_Flag,Temperature,Fuel_Price,CPI,Unemployment"
    (tmp_path / "bad.csv").write_text(f"{header}\n1,05-02-2010,much,0,42.31,2.572,211.1,8.1\n")
    lakehouse = tmp_path / "lakehouse"
    done = cli("demo", "--data", str(tmp_path / "bad.csv"), "--lakehouse", str(lakehouse), folder=folder)

    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert "Weekly_Sales" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((lakehouse / "Tables").iterdir()) == []
