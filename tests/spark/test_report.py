"""A report's facts as they are read from tables on Spark, compared with what pandas makes of the same rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakepredict import report
from lakepredict.demo import scenario
from lakepredict.errors import ReportColumnError, ReportEmptyError, ReportTableError
from lakepredict.lakehouse import Folder
from lakepredict.report import _facts
from lakepredict.report._facts import Facts, Point
from lakepredict.report._read import Request, read

NEXT = date(2024, 6, 28)
WEEKS = 70
STORES = ("1", "2", "<b>3</b>", None)
YEAR = timedelta(days=364)
REQUEST = Request(forecast="report_forecast", history="report_sales", actual="sales")


def sold(store: int, back: int) -> float | None:
    """What a store sold so many weeks before the next one; store 1 did not report one week."""
    return None if (store, back) == (1, 2) else 1000.0 * (store + 1) + (back % 52) * 10 + (5 if back > 52 else 0)


def forecast_rows() -> list[tuple[Any, ...]]:
    """Forecasts of the last ten weeks by version 1, of the next by version 2; some are NULL, NaN, or replaced."""
    scored = datetime(2024, 6, 20, 12)
    rows = []
    for at, store in enumerate(STORES):
        for back in range(1, 11):
            value = (sold(at, back) or 1.0) * (1 + 0.01 * (at + 1))
            rows.append((store, NEXT - timedelta(days=7 * back), value, "m", 1, "r", scored, 1))
        value = (5000.0, None, float("nan"), 4000.0)[at]
        rows.append((store, NEXT, value, "m", 2, "gone", scored + timedelta(days=1), 2))
        rows.append((store, NEXT, -1.0, "m", 1, "r", scored, 1))
    rows.append(("9", None, 1.0, "m", 1, "r", scored, 1))
    return rows


def history_rows() -> list[tuple[Any, ...]]:
    """The history, whose stores are called as those of the forecasts; the last store opened half a year ago."""
    return [
        (store, NEXT - timedelta(days=7 * back), sold(at, back), 1.0)
        for at, store in enumerate(STORES)
        for back in range(1, WEEKS + 1)
        if at < 3 or back < 27
    ]


@pytest.fixture(scope="module")
def tables(spark: SparkSession) -> Iterator[None]:
    """``report_forecast`` and ``report_sales``."""
    scored = "model_name STRING, model_version BIGINT, run_id STRING, scored_at TIMESTAMP, input_version BIGINT"
    schemas = {
        "report_forecast": (forecast_rows(), f"store STRING, week DATE, forecast DOUBLE, {scored}"),
        "report_sales": (history_rows(), "Store STRING, Week DATE, sales DOUBLE, price DOUBLE"),
    }
    for name, (rows, schema) in schemas.items():
        spark.createDataFrame(rows, schema).coalesce(1).write.saveAsTable(name)
    yield
    for name in schemas:
        spark.sql(f"DROP TABLE {name}")


@pytest.fixture(scope="module")
def told(spark: SparkSession, tables: None) -> Facts:
    """The facts of both tables."""
    return read(spark, REQUEST)


def test_week_that_is_told_of(told: Facts) -> None:
    """It is the first without sales; the newest forecasts count, NULL and NaN are missing, and the key may be NULL."""
    period = told.period
    before = [sold(0, 52), sold(1, 52), sold(2, 52)]

    assert (told.day, told.latest, told.step) == (NEXT, NEXT - timedelta(days=7), _facts.WEEK)
    assert (period.forecasts, period.missing, period.expected, period.actual) == (4, 2, 9000.0, None)
    assert (period.paired, period.paired_expected, period.paired_last_year) == (1, 5000.0, before[0])
    assert (told.key, told.measure, told.member_count, told.ahead) == (("store",), "sales", 4, True)


def test_errors_by_week(told: Facts) -> None:
    """WAPE, bias and the baseline's error of each week are what pandas makes of the rows."""
    forecasts = pd.DataFrame(forecast_rows()).iloc[:, :3].set_axis(["store", "day", "forecast"], axis=1)
    history = pd.DataFrame(history_rows()).iloc[:, :3].set_axis(["store", "day", "actual"], axis=1)
    before = history.assign(day=history["day"] + YEAR).rename(columns={"actual": "before"})
    rows = forecasts.fillna({"store": ""}).merge(history.fillna({"store": ""}), on=["store", "day"]).dropna()
    rows = rows.merge(before.fillna({"store": ""}), on=["store", "day"], how="left")
    expected = {}
    for day, week in rows.groupby("day"):
        year = week.dropna()
        expected[day] = (
            (week["forecast"] - week["actual"]).abs().sum() / week["actual"].sum(),
            (week["forecast"] - week["actual"]).sum() / week["actual"].sum(),
            (year["before"] - year["actual"]).abs().sum() / year["actual"].sum(),
            len(week),
        )
    found = {each.day: (each.error, each.bias, each.baseline_error, each.compared) for each in told.judged}

    assert len(found) == 10
    assert list(found) == sorted(expected)
    for day, values in found.items():
        assert values == pytest.approx(expected[day])


def test_stores(told: Facts) -> None:
    """The largest forecast comes first, those that are missing last; each has its own error, change and history."""
    by_name = {each.name: each for each in told.members}

    assert [each.name for each in told.members] == ["1", "(none)", "2", "<b>3</b>"]
    assert [each.expected for each in told.members] == [5000.0, 4000.0, None, None]
    assert by_name["2"].error == pytest.approx(0.02)
    assert by_name["(none)"].last_year is None
    assert [each.name for each in told.errors.high] == ["(none)", "<b>3</b>", "2", "1"]
    assert [each.name for each in told.changes.both()] == ["1"]
    assert told.series["2"][NEXT] == Point(missing=True)
    assert told.series["2"][NEXT - timedelta(days=14)].actual is None
    assert told.series["1"][NEXT - timedelta(days=7)] == Point(sold(0, 1), (sold(0, 1) or 0) * 1.01)


def test_model_whose_run_is_gone(told: Facts) -> None:
    """The version that scored is told; of a run that MLflow does not have only the id."""
    origin = told.origins[0]

    assert (origin.name, origin.version, origin.forecasts, origin.run_id, origin.input_version) == (
        "m",
        2,
        4,
        "gone",
        2,
    )
    assert (origin.run_name, dict(origin.metrics)) == (None, {})


def test_few_of_many_stores(spark: SparkSession, told: Facts) -> None:
    """With a limit the largest stores are shown, while sums and ends are of all."""
    few = read(spark, Request(**{**vars(REQUEST), "limit": 1}))

    assert [each.name for each in few.members] == list(few.series) == ["1"]
    assert (few.member_count, few.rest, few.period) == (4, 3, told.period)
    assert few.errors == told.errors


def test_table_of_errors_goes_first(spark: SparkSession, told: Facts) -> None:
    """Errors come from a table as evaluate writes it: of the same model, the last version that was judged."""
    columns = (
        "week DATE, model_name STRING, model_version BIGINT, rows BIGINT, missing_actuals BIGINT,"
        " null_predictions BIGINT, mae DOUBLE, rmse DOUBLE, wape DOUBLE, bias DOUBLE, evaluated_at TIMESTAMP"
    )
    week, early, late = NEXT - timedelta(days=7), datetime(2024, 6, 1), datetime(2024, 6, 2)
    rows = [
        (week, "m", 1, 4, 0, 0, 50.0, 60.0, 0.2, -5.0, late),
        (week, "m", 2, 4, 1, 0, 50.0, 60.0, 0.1, -5.0, late),
        (week, "m", 3, 4, 0, 0, 50.0, 60.0, 0.3, -5.0, early),
        (week, "other", 9, 4, 0, 0, 50.0, 60.0, 0.4, -5.0, late),
        (NEXT, "m", 2, 4, 4, 0, None, None, None, None, late),
        (None, "m", 2, 4, 4, 0, 50.0, 60.0, 0.5, -5.0, late),
    ]
    spark.createDataFrame(rows, columns).createOrReplaceTempView("report_accuracy")
    judged = read(spark, Request(**{**vars(REQUEST), "accuracy": "report_accuracy"}))
    spark.catalog.dropTempView("report_accuracy")
    found = judged.judged

    assert [each.day for each in found] == [week]
    assert (found[0].error, found[0].compared, found[0].version) == (0.1, 3, 2)
    assert found[0].bias == pytest.approx(-0.01)
    assert found[0].baseline_error == {each.day: each for each in told.periods}[week].baseline_error


def test_report_is_written(spark: SparkSession, tables: None, tmp_path: Path) -> None:
    """The page is there, with what the tables say, and its path is the result."""
    path = report.write(
        spark, tmp_path / "r.html", forecast="report_forecast", history="report_sales", actual="sales", title="A < B"
    )
    text = path.read_text("utf-8")

    assert path == tmp_path / "r.html"
    assert "<title>A &lt; B</title>" in text
    assert "Next week, 28 June 2024: 9,000 expected, 400.0% more than the same week last year (1 store compared" in text
    assert "2 of 4 stores have no forecast" in text


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (ReportTableError, {"forecast": "report_nothing"}),
        (ReportTableError, {"forecast": "report_forecast", "accuracy": "report_nothing"}),
        (ReportEmptyError, {"forecast": "report_empty"}),
        (ReportColumnError, {"forecast": "report_twice"}),
    ],
    ids=["table", "accuracy", "empty", "twice"],
)
def test_what_cannot_be_told(
    spark: SparkSession,
    tmp_path: Path,
    golden: Callable[[str, str], None],
    request: pytest.FixtureRequest,
    error: type[Exception],
    asked: dict[str, Any],
) -> None:
    """A table that is not there, has no forecast, or several that nothing tells apart, is an error; no file is made."""
    spark.sql("CREATE OR REPLACE TEMP VIEW report_empty AS SELECT * FROM report_forecast WHERE false")
    spark.sql("CREATE OR REPLACE TEMP VIEW report_twice AS SELECT store, week, forecast FROM report_forecast")
    with pytest.raises(error) as caught:
        report.write(spark, tmp_path / "r.html", **{"history": "report_sales", "actual": "sales", **asked})
    lines = [line for line in str(caught.value).splitlines() if "where there are" not in line]

    golden(f"report/read_{request.node.callspec.id}.txt", "\n".join(lines))
    assert list(tmp_path.iterdir()) == []


def test_dates_of_days_and_months(spark: SparkSession) -> None:
    """Days are compared with the same weekday of last year, months with the same month."""
    for unit, step, expected in (("DAY", _facts.DAY, 1000.0 - 364), ("MONTH", _facts.MONTH, 1000.0 - 12)):
        spark.sql(
            f"SELECT 1 AS id, TIMESTAMP '2024-03-01' - make_interval({'0, 0, 0, n' if unit == 'DAY' else '0, n'}) AS t,"
            " 1000D - n AS value FROM (SELECT explode(sequence(1, 400)) AS n)"
        ).createOrReplaceTempView("report_steps")
        spark.sql("SELECT 1 AS id, TIMESTAMP '2024-03-01' AS t, 7 AS guess").createOrReplaceTempView("report_ahead")
        found = read(spark, Request(forecast="report_ahead", history="report_steps"))

        assert (found.step, found.period.paired_last_year, found.period.expected) == (step, expected, 7.0)


def test_command_on_the_demo(folder: Folder, outcomes: list[tuple[scenario.Outcome, str]], tmp_path: Path) -> None:
    """On the tables of the demo the command needs no option but the file; model, run and metrics are told."""
    path = tmp_path / "report.html"
    command = [sys.executable, "-m", "lakepredict.cli", "report", str(path), "--lakehouse", folder.root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    best = outcomes[-1][0].runs[0]
    text = path.read_text("utf-8")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"The report is in {path} (")
    assert "Next week, 31 October 2025: " in text
    assert "sales_forecast, version 2" in text
    assert f"{best.info.run_name} ({best.info.run_id})" in text
    assert f"the model was off by {best.data.metrics['wape']:.1%}" in text
