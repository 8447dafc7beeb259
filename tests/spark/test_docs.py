"""The documentation is true: its queries and programs run, page by page, on what the demo makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import infer_signature
from pyspark.sql import DataFrame, SparkSession
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from lakepredict import _job_file
from lakepredict.demo import scenario
from lakepredict.lakehouse import Folder, _score
from pages import DOCS, Block, of_language

TABLES = (
    *("weekly_sales", "weekly_features", "next_week", "scoring_runs"),
    *(scenario.FORECAST_TABLE, scenario.ACCURACY_TABLE),
)
_END = re.compile(r";\s*$", re.MULTILINE)


@pytest.fixture(scope="module")
def session(spark: SparkSession, outcomes: Any, churn: pd.DataFrame) -> Iterator[SparkSession]:
    """A session of its own, in a schema of its own, with copies of the tables that the pages name."""
    champion = MlflowClient().get_model_version_by_alias(scenario.MODEL, scenario.ALIAS)
    session = spark.newSession()
    session.sql("CREATE SCHEMA pages")
    session.sql("USE pages")
    for table in TABLES:
        session.sql(f"CREATE TABLE {table} AS SELECT * FROM default.{table}")
    # This makes it the active session as well, which the programs in the pages take.
    session.createDataFrame(churn.drop(columns="left")).write.saveAsTable("customers")
    yield session
    spark.createDataFrame([], "id INT")
    spark.sql("DROP SCHEMA pages CASCADE")
    MlflowClient().set_registered_model_alias(scenario.MODEL, scenario.ALIAS, champion.version)


@pytest.fixture(scope="module")
def churn(spark: SparkSession) -> pd.DataFrame:
    """Customers, and the classifier ``churn`` that learnt from them, its version 1 the champion."""
    rows = [(f"c{n}", n % 30, ("monthly", "yearly")[n % 2], ("no", "yes")[n % 30 < 15]) for n in range(60)]
    customers = pd.DataFrame(rows, columns=["customer", "tenure", "plan", "left"]).astype({"tenure": float})
    inputs = customers[["tenure", "plan"]]
    encoded = make_column_transformer((OneHotEncoder(), ["plan"]), remainder="passthrough")
    model = make_pipeline(encoded, LogisticRegression(max_iter=1000)).fit(inputs, customers["left"])
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(inputs, model.predict(inputs)),
            registered_model_name="churn",
            pip_requirements=["scikit-learn"],
        )
    MlflowClient().set_registered_model_alias("churn", "champion", "1")
    return customers


@pytest.fixture(scope="module")
def programs() -> dict[str, dict[str, Any]]:
    """What the names in the Python blocks of each page stand for, so far."""
    return {}


@pytest.fixture(autouse=True)
def beside_the_lakehouse(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths begin beside the folder ``lakehouse``, as in the pages."""
    monkeypatch.chdir(Path(folder.root).parent)


@pytest.mark.parametrize("block", of_language("sql", "python", "yaml"), ids=str)
def test_block(
    session: SparkSession,
    programs: dict[str, dict[str, Any]],
    block: Block,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A block runs, after those before it in its page, and gives what the page shows after it."""
    if block.language == "sql":
        shown = [run_statement(session, each, capsys, show=block.output is not None) for each in statements(block)]
        if request.config.getoption("--update-golden") and block.output is not None:
            write_output(block, shown[-1])
        elif block.output is not None:
            assert block.output == shown[-1]
    elif block.language == "python":
        run_program(block, programs.setdefault(block.page.name, {"spark": session}))

        assert programs[block.page.name]["spark"] is session
    else:
        (tmp_path / "job.yaml").write_text(block.code)
        scoring = _score.run_job(session, _job_file.load(tmp_path / "job.yaml"))

        assert scoring.rows_scored == scoring.rows_in > 0


def run_program(block: Block, names: dict[str, Any]) -> None:
    """Run a block after those before it in its page, and compute the data frames that it leaves."""
    before = dict(names)
    # Blank lines before it give an error the line of the page.
    exec(compile("\n" * (block.line - 1) + block.code, str(block.page), "exec"), names)
    for name, value in names.items():
        if isinstance(value, DataFrame) and value is not before.get(name):
            value.collect()


def statements(block: Block) -> list[str]:
    """The statements of a block, each of which ends a line with a semicolon, but for the last."""
    return [each for each in _END.split(block.code) if each.strip()]


def run_statement(session: SparkSession, statement: str, capsys: pytest.CaptureFixture[str], *, show: bool) -> str:
    """Run a statement and compute all of its rows; returns them as Spark shows them, if that is asked for."""
    rows: DataFrame = session.sql(statement)
    if not show:
        rows.collect()
        return ""
    capsys.readouterr()
    rows.show()
    return capsys.readouterr().out.strip() + "\n"


def write_output(block: Block, shown: str) -> None:
    """Put what a query gives into its page."""
    text = block.page.read_text("utf-8")
    start = text.index(block.code) + len(block.code) + len("```\n\n```text\n")
    block.page.write_text(text[:start] + shown + text[text.index("```", start) :], "utf-8")


def test_columns_of_an_evaluation(session: SparkSession) -> None:
    """docs/sql.md has each column of ``evaluate_forecast``."""
    table = (DOCS / "sql.md").read_text("utf-8").partition("| column of `evaluate_forecast` |")[2].partition("\n\n")[0]
    call = (
        "evaluate_forecast('sales_forecast', 'weekly_sales', 'store, week', 'weekly_sales', prediction => 'forecast')"
    )

    assert set(session.sql(f"SELECT * FROM {call}").columns) <= set(re.findall(r"`(\w+)`", table))
