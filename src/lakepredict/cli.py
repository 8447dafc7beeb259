"""The command line: one function per command, each a few lines over the library."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

import lakepredict
from lakepredict.errors import LakepredictError

# PySpark, MLflow and pandas take seconds to import, so commands import what they need: --help must not wait.


def lakehouse_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--lakehouse``, which every command takes."""
    return click.option(
        "--lakehouse",
        envvar="LAKEPREDICT_LAKEHOUSE",
        default="./lakehouse",
        show_default=True,
        show_envvar=True,
        metavar="DIR",
        help="Folder with the tables, the MLflow store and its artifacts.",
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lakepredict.__version__, message="lakepredict %(version)s")
def main() -> None:
    """PREDICT for Apache Spark SQL, with MLflow models and Delta tables."""


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
@click.argument("query")
@lakehouse_option
def sql(query: str, lakehouse: str) -> None:
    """Run one SQL statement on the lakehouse, PREDICT included, and print its rows."""
    console = Console()
    with quiet_session(lakehouse, console) as (spark, _):
        from lakepredict._console import rows_table

        console.print(rows_table(spark.sql(query)))


@contextmanager
def quiet_session(lakehouse: str, console: Console) -> Iterator[tuple[Any, Any]]:
    """A session whose libraries write to ``<lakehouse>/logs/lakepredict.log`` instead of the console.

    Errors that are meant for the user end the command with status 1 and their message; any other ends it with
    its traceback. Spark is stopped in any case.
    """
    with _reported(), console.status("Starting Spark ..."):
        from lakepredict import lakehouse as lakehouses

        folder = lakehouses.locate(lakehouse)
        lakehouses.create(folder)
    log = Path(folder.root if folder.local else ".", "logs", "lakepredict.log")
    with _reported(log), _quiet(log):
        with console.status("Starting Spark ..."):
            spark = lakepredict.spark_session(lakehouse=lakehouse, conf={"spark.ui.enabled": "false"})
        try:
            yield spark, folder
        finally:
            spark.stop()


@contextmanager
def _reported(log: Path | None = None) -> Iterator[None]:
    """Turn the errors that users can mend into a message and status 1."""
    try:
        yield
    except LakepredictError as exc:
        _fail(str(exc))
    except Exception as exc:
        from pyspark.errors import PySparkException

        from lakepredict._jvm import java_message

        message = str(exc).strip() if isinstance(exc, PySparkException) else java_message(exc)
        if message is None:
            raise
        _fail(f"{message}\n(The log is in {log}.)")


def _fail(message: str) -> None:
    Console(stderr=True).print(f"[bold red]Error:[/bold red] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(1)


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Send everything that goes to standard error, the JVM's and the workers' part of it as well, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(2)
    with log.open("a", encoding="utf-8") as file, redirect_stderr(file), warnings.catch_warnings():
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
