"""Write a report: read the tables, make the page, put the file in its place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from lakepredict.errors import ReportFileError
from lakepredict.report._read import Request, read

LIMIT = 500
"""How many series a page tells of one by one at most, so that a phone can open it."""


def write(
    spark: SparkSession,
    output: str | os.PathLike[str],
    *,
    forecast: str = "sales_forecast",
    history: str = "weekly_sales",
    accuracy: str | None = None,
    key: Sequence[str] = (),
    time: str | None = None,
    prediction: str | None = None,
    actual: str | None = None,
    title: str | None = None,
    limit: int = 100,
) -> Path:
    """Write a page about a forecast beside what was, as one HTML file that needs no network.

    The page is about the first step of time with forecasts and without actual values; where there is none, about the
    last with forecasts. Of several forecasts for one key and date the one that was scored last counts. The file is
    replaced as a whole, or not at all.

    Args:
        spark: a session, from ``lakepredict.spark_session``.
        output: the file; its folder must be there.
        forecast: the table with the forecasts, as ``lakehouse.score`` writes it.
        history: the table with the actual values; those of one key and date are added up.
        accuracy: the table with the errors of past forecasts; default: ``forecast_accuracy`` if it is there, else the
            errors are computed from the other two.
        key: the columns that tell series apart; default: all that both tables have, but for the time.
        time: the date that a row is for, DATE or TIMESTAMP, of the same name in all tables; default: the only one.
        prediction: the forecast's value; default: ``forecast`` or ``prediction``, else the only number that the
            history does not have.
        actual: the history's value; default: the number that is called as the table, else the only one.
        title: what stands above; default: the name of the forecast table.
        limit: how many series are shown one by one, those with the largest forecasts; at most 500. All are in the
            sums and among the best and worst.

    Returns:
        The file's absolute path.

    Raises:
        ReportFileError: the file cannot be written.
        ReportTableError: a table does not exist.
        ReportColumnError: a column is missing, of another type, or not to be told from others.
        ReportEmptyError: there is no forecast.
        ReportGrainError: forecasts and actual values are not for the same spans of time, or for less than a day.
        ReportTotalsError: the report does not add up to what the tables do.

    Example:
        >>> from lakepredict import report
        >>> report.write(spark, "forecast.html")  # doctest: +SKIP
    """
    path = checked_path(output)
    request = Request(
        forecast=forecast,
        history=history,
        accuracy=accuracy,
        key=tuple([key] if isinstance(key, str) else key),
        time=time,
        prediction=prediction,
        actual=actual,
        title=title,
        limit=max(1, min(limit, LIMIT)),
    )
    facts = read(spark, request)
    from lakepredict.report._page import page

    put(path, page(facts))
    return path


def checked_path(output: str | os.PathLike[str]) -> Path:
    """Where the file is to be, if a file can be there.

    Raises:
        ReportFileError: it cannot.
    """
    path = Path(output).expanduser().absolute()
    if path.is_dir():
        raise _unwritable(path, "a folder", "give the name of a file, for example report.html.")
    if not path.parent.is_dir():
        raise _unwritable(path, f"no folder {path.parent}", "make the folder first, or name another.")
    if not os.access(path.parent, os.W_OK):
        raise _unwritable(path, f"no right to write in {path.parent}", "name another folder.")
    return path


def put(path: Path, text: str) -> None:
    """Write a file whole: who looks meanwhile sees the old one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        os.replace(beside, path)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        raise _unwritable(path, f"{type(exc).__name__}: {exc.strerror}", "name another file.") from exc


def _unwritable(path: Path, got: str, hint: str) -> ReportFileError:
    return ReportFileError(
        f"The report cannot be written to {path}.", expected="a file in a folder that is there", got=got, hint=hint
    )
