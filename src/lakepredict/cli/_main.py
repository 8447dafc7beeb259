"""The commands. Each is a few lines: options, what the library says, and how it is shown."""

from __future__ import annotations

import json
import os

import click
from rich.console import Console

import lakepredict
from lakepredict.cli._doctor import doctor
from lakepredict.cli._ends import Commands
from lakepredict.cli._options import PORT, children_option, json_option, lakehouse_option, limit_option, mode_option
from lakepredict.cli._serve import connect, password, serve
from lakepredict.cli._sessions import Absent, mlflow_store, quiet_session, reported, terminal_kept
from lakepredict.cli._sql import sql

# PySpark, MLflow and pandas take seconds to import, so commands import what they need: --help must not wait.


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lakepredict.__version__, message="lakepredict %(version)s")
def main() -> None:
    """PREDICT for Apache Spark SQL, with MLflow models and Delta tables."""


main.add_command(sql)
main.add_command(doctor)


@main.command()
@click.option(
    "--data",
    metavar="CSV",
    help="Weekly sales with the columns Store, Date, Weekly_Sales, Holiday_Flag, Temperature, Fuel_Price, CPI,"
    " Unemployment. Default: generated data.",
)
@lakehouse_option
def demo(data: str | None, lakehouse: str) -> None:
    """Run the whole scenario: sales to Delta, models compared, next week scored with PREDICT."""
    console = Console()
    with quiet_session(lakehouse, console) as (spark, folder):
        from lakepredict.demo import scenario

        scenario.run(spark, folder, data, console)


@main.command()
@click.argument("experiment")
@click.option(
    "--metric",
    help="The metric to compare by. Default: the experiment's primary metric, else the well-known one that most runs"
    " have.",
)
@mode_option
@click.option(
    "--where",
    metavar="FILTER",
    default="",
    help="Compare only some runs: a filter of MLflow's, as \"params.a = '1'\".",
)
@children_option
@limit_option("runs")
@json_option
@lakehouse_option
def runs(
    experiment: str,
    metric: str | None,
    mode: str | None,
    where: str,
    children: bool,
    limit: int,
    as_json: bool,
    lakehouse: str,
) -> None:
    """Compare the runs of an experiment, best first, by their metrics and the parameters that differ.

    EXPERIMENT is a name or an id. Runs that cannot be compared (failed, still running, without the metric) come last.
    """
    with mlflow_store(lakehouse):
        from lakepredict.cli import _facts, _show

        _show.show(
            _facts.runs(experiment, metric, limit, mode=mode, where=where, children=children), _show.runs, as_json
        )


@main.command()
@click.argument("run_id")
@json_option
@lakehouse_option
def run(run_id: str, as_json: bool, lakehouse: str) -> None:
    """Show one run: parameters, metrics, data it learnt from, models, artifacts.

    RUN_ID is a run's id, or its first characters, at least four.
    """
    with mlflow_store(lakehouse):
        from lakepredict.cli import _facts, _show

        _show.show(_facts.run(run_id), _show.run, as_json)


@main.command()
@json_option
@lakehouse_option
def models(as_json: bool, lakehouse: str) -> None:
    """List the registered models with their versions and aliases."""
    with mlflow_store(lakehouse):
        from lakepredict.cli import _facts, _show

        _show.show(_facts.models(), _show.models, as_json)


@main.command()
@click.argument("name")
@click.option(
    "--version",
    metavar="VERSION",
    help="The version to show the signature of: a number, an alias or 'latest'. Default: the champion, else the only"
    " alias, else the latest.",
)
@limit_option("versions")
@json_option
@lakehouse_option
def model(name: str, version: str | None, limit: int, as_json: bool, lakehouse: str) -> None:
    """Show a registered model: versions, aliases, signature, and a PREDICT statement to paste."""
    with mlflow_store(lakehouse):
        from lakepredict.cli import _facts, _show

        _show.show(_facts.model(name, version, limit), _show.model, as_json)


@main.command()
@click.option(
    "--port",
    type=PORT,
    metavar="PORT",
    default=5000,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@lakehouse_option
def ui(port: int, lakehouse: str) -> None:
    """Start MLflow's user interface on the lakehouse's store, on this machine alone. Ctrl-C ends it."""
    with mlflow_store(lakehouse) as folder:
        from lakepredict.cli import _ui

        _ui.serve(folder, port, Console())


@main.command()
@click.argument("output")
@click.option("--forecast", metavar="TABLE", default="sales_forecast", show_default=True, help="The forecasts.")
@click.option("--history", metavar="TABLE", default="weekly_sales", show_default=True, help="The actual values.")
@click.option(
    "--accuracy",
    metavar="TABLE",
    help="The errors of past forecasts. Default: forecast_accuracy if there is one, else they are computed.",
)
@click.option(
    "--key",
    metavar="COLUMN",
    multiple=True,
    help="What tells series apart, as the store; may be given several times. Default: all columns that both tables"
    " have, but for the time.",
)
@click.option("--time", metavar="COLUMN", help="The date that a row is for. Default: the one that both tables have.")
@click.option(
    "--prediction",
    metavar="COLUMN",
    help="The forecast's value. Default: forecast or prediction, else the only number that the history does not have.",
)
@click.option(
    "--actual",
    metavar="COLUMN",
    help="The history's value. Default: the number that is called as the table, else the only one.",
)
@click.option("--title", metavar="TEXT", help="What stands above. Default: the name of the forecast table.")
@click.option(
    "--limit",
    type=click.IntRange(1, 500),
    default=100,
    show_default=True,
    metavar="N",
    help="Show at most so many series one by one, those with the largest forecasts.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@lakehouse_option
def report(
    output: str,
    forecast: str,
    history: str,
    accuracy: str | None,
    key: tuple[str, ...],
    time: str | None,
    prediction: str | None,
    actual: str | None,
    title: str | None,
    limit: int,
    opens: bool,
    lakehouse: str,
) -> None:
    """Write a page about a forecast: charts, tables and a summary in one HTML file that needs no network.

    OUTPUT is the file, for example report.html.
    """
    from lakepredict.cli._sessions import reported

    with reported():
        from lakepredict.report._write import checked_path

        path = checked_path(output)
    console = Console()
    with (
        quiet_session(lakehouse, console, absent="refuse") as (spark, _),
        console.status(f"Reading {forecast} and {history} ..."),
    ):
        from lakepredict.report import write

        write(
            spark,
            path,
            forecast=forecast,
            history=history,
            accuracy=accuracy,
            key=key,
            time=time,
            prediction=prediction,
            actual=actual,
            title=title,
            limit=limit,
        )
    console.print(f"The report is in {path} ({path.stat().st_size / 1e6:.1f} MB).", highlight=False, soft_wrap=True)
    if opens:
        click.launch(path.as_uri())


@main.command()
@click.argument("job")
@click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="A value in place of the file's.")
@json_option
@lakehouse_option
def score(job: str, changes: tuple[str, ...], as_json: bool, lakehouse: str) -> None:
    """Run a scoring job: read a table, score it, write a Delta table, each row once.

    JOB is a YAML file, as conf/score_weekly_sales.yaml. Exit status 0: scored, or nothing new; 1: failed; 2: the file
    or an option is wrong; 130: Ctrl-C.
    """
    with reported(status=2):
        from lakepredict import _job_file

        described = _job_file.load(job, changes)
    # With a server for its models, a job may be the first that there is in a lakehouse.
    absent: Absent = "make" if os.environ.get("MLFLOW_TRACKING_URI") else "refuse"

    def first() -> None:
        from lakepredict import _registry

        _registry.resolve(_registry.ModelReference.parse(described.model, described.version))

    with terminal_kept() as console, quiet_session(lakehouse, console, absent=absent, first=first) as (spark, _):
        from lakepredict.job import facts, summary
        from lakepredict.lakehouse._score import run_job
        from lakepredict.tracking._progress import Progress

        progress = Progress(console, spark.sparkContext.statusTracker())
        with progress.step(f"Scoring {described.output} with {described.model} ({described.version})"):
            scoring = run_job(spark, described)
        click.echo(json.dumps(facts(scoring)) if as_json else summary(scoring))


for each in (serve, connect, password):
    main.add_command(each)
