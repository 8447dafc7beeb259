"""The scenario that lakepredict exists for, step by step, told on the console."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from delta import DeltaTable
from mlflow.entities import Run
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from lakepredict import lakehouse, tracking
from lakepredict.demo import features, training
from lakepredict.demo.features import LABEL
from lakepredict.demo.generate import generate_weekly_sales
from lakepredict.demo.sales import read_weekly_sales
from lakepredict.errors import DataFileError
from lakepredict.lakehouse import Folder

MODEL = "sales_forecast"
ALIAS = "champion"
FORECAST_TABLE = "sales_forecast"
ACCURACY_TABLE = "forecast_accuracy"
PREDICT_SQL = f"SELECT store, week, PREDICT('{MODEL}', '{ALIAS}', *) AS forecast\nFROM next_week"


@dataclass(frozen=True)
class Outcome:
    """What a demo run made.

    Attributes:
        runs: the runs, best first.
        version: the new version of the registered model.
        forecast: the rows that were written.
    """

    runs: list[Run]
    version: int
    forecast: DataFrame


def run(spark: SparkSession, folder: Folder, data: str | os.PathLike[str] | None, console: Console) -> Outcome:
    """Run the scenario on a lakehouse.

    Args:
        spark: a session on the lakehouse, from ``lakepredict.spark_session``.
        folder: the lakehouse's folder, for what is told at the end.
        data: a CSV file of weekly sales; None generates some.
        console: where it is told.

    Raises:
        DataFileError: the file is not as it should be; nothing was written then.
    """
    steps = _Steps(console)
    with steps.step("weekly sales into the Delta table weekly_sales") as done:
        sales = generate_weekly_sales() if data is None else read_weekly_sales(data)
        require_history(sales, "the generated data" if data is None else os.fspath(data))
        load_sales(spark, sales)
        done(_sales_summary(sales))
    with steps.step("features in Spark SQL: weekly_features and next_week") as done:
        features.build_feature_tables(spark)
        done(f"{len(features.FEATURES)} features, all known before the week begins")
    ids = ", ".join(f"'{run_id}'" for run_id in train_all(spark, steps))
    compared = tracking.compare(training.EXPERIMENT, "wape", where=f"attributes.run_id IN ({ids})")
    console.print(comparison(compared))
    runs = [mlflow.get_run(run_id) for run_id in compared["run_id"]]
    with steps.step(f"the best run registered as a new version of {MODEL}") as done:
        version = tracking.register(runs[0], MODEL, alias=ALIAS)
        done(f"version {version}, alias {ALIAS}: {runs[0].info.run_name}")
    with steps.step("next week scored with PREDICT, into the Delta table sales_forecast") as done:
        forecast = score_next_week(spark, version)
        done(f"{forecast.count()} stores")
    with steps.step(f"the held-out weeks scored as well, and judged: {ACCURACY_TABLE}") as done:
        wape = judge_held_out_weeks(spark, version)
        done(f"off by {wape:.2%} of the sales in {features.HOLDOUT_WEEKS} weeks that no model has seen")
    _show_forecast(console, forecast)
    _show_next_steps(console, folder)
    return Outcome(runs, version, forecast)


class _Steps:
    """Numbered steps: a spinner while one runs, a line with what came of it when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[Any]:
        self._number += 1
        outcome: list[str] = []
        begun = perf_counter()
        with self._console.status(f"{self._number}. {title} ..."):
            yield outcome.append
        seconds = f"[dim]{perf_counter() - begun:.1f} s[/dim]"
        self._console.print(f"[green]✓[/green] {self._number}. {title}  {seconds}")
        for line in outcome:
            self._console.print(f"     {line}", highlight=False)


def require_history(sales: pa.Table, source: str) -> None:
    """Refuse data that reaches back too little to learn from.

    Raises:
        DataFileError: there are fewer weeks than the features and the held-out weeks need.
    """
    span = pc.min_max(sales["week"]).as_py()
    weeks = (span["max"] - span["min"]).days // 7 + 1
    if weeks < features.MINIMUM_WEEKS:
        raise DataFileError(
            f"{source}: the history is too short.",
            expected=f"at least {features.MINIMUM_WEEKS} weeks, since models learn from the same week last year and"
            f" are compared on the last {features.HOLDOUT_WEEKS} weeks",
            got=f"{weeks} weeks, {span['min']} to {span['max']}",
            hint="give a file that reaches further back.",
        )


def load_sales(spark: SparkSession, sales: pa.Table) -> None:
    """Write the sales as the Delta table ``weekly_sales``, in one commit."""
    frame = spark.createDataFrame(sales)
    frame.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable("weekly_sales")


def _sales_summary(sales: pa.Table) -> str:
    span = pc.min_max(sales["week"]).as_py()
    stores = len(pc.unique(sales["store"]))
    return f"{sales.num_rows:,} rows, {stores} stores, weeks {span['min']} to {span['max']}"


def train_all(spark: SparkSession, steps: _Steps) -> list[str]:
    """Train each model in a run of its own and return the runs' ids."""
    version = table_version(spark, "weekly_features")
    table = spark.read.option("versionAsOf", version).table("weekly_features").cache()
    try:
        data = training.split_by_week(table, table="weekly_features", version=version)
        run_ids = []
        for name, train in training.TRAINERS.items():
            with steps.step(f"a run of the experiment {training.EXPERIMENT}: {name}"):
                run_ids.append(training.train_run(name, train, data))
        return run_ids
    finally:
        table.unpersist()


def comparison(compared: pd.DataFrame) -> Table:
    """The runs side by side, best first."""
    table = Table(title=f"Runs compared on the last {features.HOLDOUT_WEEKS} weeks, best first")
    table.add_column("run")
    table.add_column("run id", style="dim")
    for metric in ("WAPE", "RMSE", "MAE"):
        table.add_column(metric, justify="right")
    for position, (_, each) in enumerate(compared.iterrows()):
        table.add_row(
            each["run_name"],
            each["run_id"][:8],
            f"{each['metrics.wape']:.2%}",
            f"{each['metrics.rmse']:,.0f}",
            f"{each['metrics.mae']:,.0f}",
            style="bold green" if position == 0 else None,
        )
    return table


def score_next_week(spark: SparkSession, version: int) -> DataFrame:
    """Score ``next_week`` with PREDICT and keep the forecast, with where it comes from, as a Delta table.

    A store's forecast of the same week that the table has already is replaced; others stay.
    """
    _score(spark, version, "next_week")
    week = spark.table("next_week").agg(F.max("week")).collect()[0][0]
    return spark.table(FORECAST_TABLE).where((F.col("week") == week) & (F.col("model_version") == version))


def _score(spark: SparkSession, version: int, rows: str, name: str | None = None) -> None:
    lakehouse.score(
        spark,
        MODEL,
        version,
        rows,
        FORECAST_TABLE,
        key=features.KEYS,
        mode="merge",
        prediction="forecast",
        name=name,
    )


def judge_held_out_weeks(spark: SparkSession, version: int) -> float:
    """Score the weeks that were held out as the next one, and keep how good that is, week by week.

    Returns:
        The WAPE of all these weeks.
    """
    days = 7 * features.HOLDOUT_WEEKS
    last = f"week > (SELECT max(week) - INTERVAL {days} DAYS FROM weekly_features)"
    _score(spark, version, f"SELECT * EXCEPT ({LABEL}) FROM weekly_features WHERE {last}", "held_out_weeks")
    forecast = f"SELECT * FROM {FORECAST_TABLE} WHERE {last}"
    judge = partial(
        lakehouse.evaluate, spark, forecast, "weekly_sales", key=features.KEYS, prediction="forecast", actual=LABEL
    )
    judge(time="week", output=ACCURACY_TABLE)
    return float(judge().where(F.col("model_version") == version).collect()[0]["wape"])


def table_version(spark: SparkSession, table: str) -> int:
    """The newest version of a Delta table."""
    return int(DeltaTable.forName(spark, table).history(1).select("version").collect()[0][0])


def _show_forecast(console: Console, forecast: DataFrame) -> None:
    console.print("     scored by:", highlight=False)
    for line in f"{PREDICT_SQL};".splitlines():
        console.print(f"       [cyan]{line}[/cyan]", highlight=False, soft_wrap=True)
    first = forecast.orderBy("store").limit(5).collect()
    table = Table(title=f"Forecast for the week of {first[0]['week']} (the first {len(first)} stores)")
    for column in ("store", "week", "forecast", "model_name", "model_version"):
        table.add_column(column, justify="left" if column in ("week", "model_name") else "right")
    for row in first:
        table.add_row(str(row.store), str(row.week), f"{row.forecast:,.0f}", row.model_name, str(row.model_version))
    console.print(table)


def _show_next_steps(console: Console, folder: Folder) -> None:
    root = Path(folder.root)
    shown = root.relative_to(Path.cwd()) if folder.local and root.is_relative_to(Path.cwd()) else root
    where = (
        "" if str(shown) == "lakehouse" else f" --lakehouse {shlex.quote(str(shown) if folder.local else folder.root)}"
    )
    query = f"SELECT * FROM {FORECAST_TABLE} ORDER BY week DESC, forecast DESC LIMIT 10"
    console.print("\n[bold]What to do next[/bold]")
    for what, how in (
        ("the tables are in", folder.tables),
        ("compare the runs", f"{program()} runs {training.EXPERIMENT}{where}"),
        ("look at the model", f"{program()} model {MODEL}{where}"),
        ("open MLflow's user interface", f"{program()} ui{where}"),
        ("see what was scored, and when", f'{program()} sql{where} "SELECT * FROM scoring_runs"'),
        ("query the forecast", f'{program()} sql{where} "{query}"'),
        ("write a page about it", f"{program()} report report.html{where}"),
    ):
        console.print(f"  {what}:", highlight=False)
        console.print(f"    {how}", highlight=False, soft_wrap=True, markup=False)


def program() -> str:
    """How to call lakepredict from here: by name where the shell finds it, else by path."""
    if shutil.which("lakepredict"):
        return "lakepredict"
    path = Path(sys.executable).with_name("lakepredict")
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(shown))
