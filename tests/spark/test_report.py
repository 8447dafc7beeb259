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
from lakepredict.errors import (
    ReportColumnError,
    ReportEmptyError,
    ReportGrainError,
    ReportTableError,
    ReportTotalsError,
)
from lakepredict.lakehouse import Folder
from lakepredict.report import _facts, _frames
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


SCORED = "TIMESTAMP '2024-06-20 12:00:00'"
HOURS = "explode(sequence(TIMESTAMP '2024-03-01', TIMESTAMP '2024-03-12 23:00:00', INTERVAL 1 HOUR))"
DAYS = "explode(sequence(DATE '2024-03-01', DATE '2024-03-12'))"
KEYS = "(SELECT explode(array('a', 'b')) AS shop)"


def view(spark: SparkSession, name: str, query: str) -> str:
    spark.sql(query).createOrReplaceTempView(name)
    return name


def test_hours_are_refused(spark: SparkSession, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """Hourly forecasts of 10.0 beside hourly values of 10.0 are no error of 95.8 %: no page is made."""
    made = view(spark, "report_hourly_made", f"SELECT shop, {HOURS} AS hour, 10D AS forecast FROM {KEYS}")
    happened = view(spark, "report_hourly", f"SELECT shop, {HOURS} AS hour, 10D AS sold FROM {KEYS}")
    with pytest.raises(ReportGrainError) as caught:
        report.write(spark, tmp_path / "r.html", forecast=made, history=happened)

    golden("report/read_hours.txt", str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_hours_by_day(spark: SparkSession) -> None:
    """What is added up by day on both sides has no error, also on the day of 23 hours; dates fit hourly values too."""
    hours = f"SELECT shop, {HOURS} AS hour, 10D AS value FROM {KEYS}"
    by_day = f"SELECT shop, CAST(hour AS DATE) AS hour, sum(value) AS {{}} FROM ({hours}) GROUP BY ALL"
    made = view(spark, "report_daily_made", by_day.format("forecast"))
    happened = view(spark, "report_daily", by_day.format("sold"))
    by_hour = view(spark, "report_hourly", f"SELECT shop, {HOURS} AS hour, 10D AS sold FROM {KEYS}")
    sums = [480.0] * 9 + [460.0] + [480.0] * 2
    for history in (happened, by_hour):
        facts = read(spark, Request(forecast=made, history=history))
        totals = [(period.expected, period.actual, period.error) for period in facts.periods]

        assert totals == [(total, total, 0.0) for total in sums]


def test_time_of_one_forecast(spark: SparkSession) -> None:
    """One forecast of an hour beside hourly values is not taken for that of the day."""
    made = view(spark, "report_one", "SELECT 'a' AS shop, TIMESTAMP '2024-03-12 05:00:00' AS hour, 10D AS forecast")
    happened = view(spark, "report_hourly", f"SELECT shop, {HOURS} AS hour, 10D AS sold FROM {KEYS}")
    with pytest.raises(ReportGrainError, match="for a time or for a whole day"):
        read(spark, Request(forecast=made, history=happened))


def test_clock_changes(spark: SparkSession) -> None:
    """Midnights of the session's zone are dates, also where a day has 23 hours; those of another zone are refused."""
    query = "SELECT 'a' AS shop, CAST(day AS TIMESTAMP) AS day, 10D AS {} FROM (SELECT " + DAYS + " AS day)"
    made = view(spark, "report_midnights_made", query.format("forecast"))
    happened = view(spark, "report_dates", f"SELECT 'a' AS shop, {DAYS} AS day, 10D AS sold")
    facts = read(spark, Request(forecast=made, history=happened))

    assert [(period.day, period.error) for period in facts.periods] == [(date(2024, 3, at), 0.0) for at in range(1, 13)]

    utc = query.format("forecast").replace("CAST(day AS TIMESTAMP)", "to_timestamp(concat(day, 'T00:00:00Z'))")
    with pytest.raises(ReportGrainError, match="It is not clear which dates"):
        read(spark, Request(forecast=view(spark, "report_midnights_made", utc), history=happened))


def test_rows_scored_at_once(spark: SparkSession) -> None:
    """Two rows of one key and date that one job scored are of a key that lacks a column; neither is the newer one."""
    happened = view(spark, "report_dates", f"SELECT 'a' AS shop, {DAYS} AS day, 30D AS sold")
    row = f"DATE '2024-03-12' AS day, 15D AS forecast, {SCORED} AS scored_at"
    depts = f"SELECT 'a' AS shop, explode(array(1, 2)) AS dept, {row}"
    with pytest.raises(ReportColumnError, match="2 rows for a on 2024-03-12"):
        read(spark, Request(forecast=view(spark, "report_depts", depts), history=happened))


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ("('m', 1, 10D), ('m', 2, 20D)", 20.0),
        ("('m', 2, 20D), ('m', 1, 10D)", 20.0),
        ("('m', 1, 10D), ('m', 1, 20D)", None),
        ("('m', 1, 10D), ('n', 2, 20D)", None),
        ("('m', 1, 10D), (NULL, NULL, 20D)", 10.0),
    ],
    ids=["versions", "reversed", "one_version", "two_models", "no_version"],
)
def test_two_forecasts_of_one_moment(spark: SparkSession, versions: str, expected: float | None) -> None:
    """Of several versions the highest counts; rows of one version, or of two models, have no order."""
    rows = f"SELECT 'a' AS shop, DATE '2024-03-12' AS day, *, {SCORED} AS scored_at FROM VALUES {versions}"
    made = view(spark, "report_versions", f"{rows} AS t(model_name, model_version, forecast)")
    happened = view(spark, "report_dates", f"SELECT 'a' AS shop, {DAYS} AS day, 30D AS sold")
    request = Request(forecast=made, history=happened)
    if expected is None:
        with pytest.raises(ReportColumnError, match="nothing says which is newest"):
            read(spark, request)
    else:
        assert read(spark, request).period.expected == expected


def test_scored_again_in_the_same_second(spark: SparkSession) -> None:
    """The later of two scorings counts, be it later by a microsecond."""
    scored = "VALUES ('05:00:00.000002', 20D), ('05:00:00.000001', 10D) AS t(at, forecast)"
    query = (
        "SELECT 'a' AS shop, DATE '2024-03-12' AS day, forecast, CAST('2024-03-01 ' || at AS TIMESTAMP) AS scored_at"
    )
    happened = view(spark, "report_dates", f"SELECT 'a' AS shop, {DAYS} AS day, 30D AS sold")
    facts = read(spark, Request(forecast=view(spark, "report_again", f"{query} FROM {scored}"), history=happened))

    assert (facts.period.expected, facts.replaced) == (20.0, 1)


def test_ends_of_february(spark: SparkSession) -> None:
    """The last day of February is compared with that of a leap year; no month is counted twice."""
    months = "SELECT explode(sequence(1, 38)) AS n"
    ends = "last_day(add_months(DATE '2022-01-31', n)) AS day, CAST(n AS DOUBLE) AS sold"
    query = f"SELECT 'a' AS shop, {ends} FROM ({months})"
    happened = view(spark, "report_months", query)
    made = view(spark, "report_february", "SELECT 'a' AS shop, DATE '2025-02-28' AS day, 1D AS forecast")
    facts = read(spark, Request(forecast=made, history=happened))

    assert (facts.step, facts.period.last_year, facts.period.actual) == (_facts.MONTH, 25.0, 37.0)


def test_two_dates_of_one_month(spark: SparkSession) -> None:
    """Two dates of a month are two rows a year later, and add up to what the tables do."""
    months = "SELECT DATE '2022-02-28' + make_ym_interval(0, n) AS day FROM (SELECT explode(sequence(0, 36)) AS n)"
    query = f"SELECT 'a' AS shop, day, 5D AS sold FROM ({months} UNION ALL SELECT DATE '2024-02-29')"
    happened = view(spark, "report_leap", query)
    made = view(spark, "report_february", "SELECT 'a' AS shop, DATE '2025-02-28' AS day, 1D AS forecast")
    facts = read(spark, Request(forecast=made, history=happened))

    assert sum(period.actual or 0 for period in facts.periods) == 38 * 5.0
    assert (facts.period.forecasts, facts.period.last_year) == (1, None)


def test_rows_that_are_left_out(spark: SparkSession, tables: None, tmp_path: Path) -> None:
    """Rows without a date, and forecasts that were scored again, are counted below the page."""
    with_none = "SELECT store, week, sales FROM report_sales UNION ALL SELECT '1', NULL, 1e6"
    view(spark, "report_undated", with_none)
    path = report.write(
        spark, tmp_path / "r.html", forecast="report_forecast", history="report_undated", actual="sales"
    )

    assert (
        "Left out: 4 forecasts that a later one replaces, 1 forecast without a date, 1 actual value without a date."
        in path.read_text("utf-8")
    )


def test_page_that_does_not_add_up(
    spark: SparkSession, tables: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A join that doubles rows ends in an error with a name, and no page."""
    right = _frames.joined
    monkeypatch.setattr(_frames, "joined", lambda *given: right(*given).unionAll(right(*given).limit(1)))
    with pytest.raises(ReportTotalsError, match="does not add up"):
        report.write(spark, tmp_path / "r.html", forecast="report_forecast", history="report_sales", actual="sales")

    assert list(tmp_path.iterdir()) == []


def test_errors_of_several_keys(spark: SparkSession, told: Facts) -> None:
    """A table of errors by store has no error of a week: refused where it is named, else computed from the tables."""
    rows = "SELECT explode(array(0.1D, 0.2D)) AS wape, DATE '2024-06-21' AS week, 1 AS model_version, 'm' AS model_name"
    view(spark, "forecast_accuracy", rows)
    try:
        with pytest.raises(ReportGrainError, match="several errors of one week"):
            read(spark, Request(**{**vars(REQUEST), "accuracy": "forecast_accuracy"}))
        assert read(spark, REQUEST).judged == told.judged
    finally:
        spark.catalog.dropTempView("forecast_accuracy")


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
