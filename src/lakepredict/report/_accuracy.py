"""The errors of past forecasts as ``lakehouse.evaluate`` keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict._sql import quoted
from lakepredict.errors import ReportGrainError
from lakepredict.report._columns import Table, require


@dataclass(frozen=True)
class WeekError:
    """The error of one step's forecasts.

    Attributes:
        error: the WAPE, or None where nothing could be compared.
        bias: by how much the forecasts were too high on the whole, as a share of what was.
        compared: how many forecasts have an actual value.
        version: the model version.
    """

    error: float | None = None
    bias: float | None = None
    compared: int = 0
    version: int | None = None


def newest_errors(rows: DataFrame, table: Table, time: str, model: str | None) -> dict[date, WeekError]:
    """Return the errors by day, of one registered model if its name is known; of several versions the one judged last.

    Raises:
        ReportColumnError: the table lacks the time or ``wape``.
        ReportGrainError: it has several errors of one day and version, as those of stores or of hours are.
    """
    day = require(table, time, "--accuracy", (T.DateType, T.TimestampType, T.TimestampNTZType))
    require(table, "wape", "--accuracy", (T.NumericType,))
    if model is not None and table.field("model_name"):
        rows = rows.where(F.col("model_name") == F.lit(model))
    numbers = dict.fromkeys(("wape", "mae", "bias"), "double")
    counts = dict.fromkeys(("rows", "missing_actuals", "null_predictions", "model_version"), "bigint")
    columns = {**numbers, **counts, "evaluated_at": "timestamp"}
    values = [
        (F.col(quoted(each)) if table.field(each) else F.lit(None)).cast(kind).alias(each)
        for each, kind in columns.items()
    ]
    order = F.struct(
        F.coalesce("row.evaluated_at", F.timestamp_seconds(F.lit(0))),
        F.coalesce("row.model_version", F.lit(0)),
    )
    by_order = (
        rows.select(F.to_date(F.col(quoted(day))).alias("day"), F.struct(*values).alias("row"))
        .where("day IS NOT NULL")
        .groupBy("day", order.alias("order"))
        .agg(F.first("row").alias("row"), F.count(F.lit(1)).alias("tied"))
    )
    newest = (
        by_order.groupBy("day").agg(F.max_by(F.struct("row", "tied"), "order").alias("last")).select("day", "last.*")
    )
    collected = newest.orderBy("day").collect()
    _require_one(collected, table, day)
    return {row["day"]: _error(row["row"].asDict()) for row in collected}


def _require_one(newest: Sequence[Row], table: Table, day: str) -> None:
    doubtful = next((row for row in newest if row["tied"] > 1), None)
    if doubtful is not None:
        raise ReportGrainError(
            f"The table `{table.name}` has several errors of one {day}.",
            expected=f"one row for each {day}, model version and evaluated_at: the error over all keys",
            got=f"{doubtful['tied']} rows for {doubtful['day']}",
            hint="name a table with --accuracy that lakehouse.evaluate wrote without further columns in `by`.",
        )


def _error(row: dict[str, float | None]) -> WeekError:
    """A row's error. ``bias`` there is in units of the forecast; ``mae / wape`` is the mean of what was."""
    wape, mae, bias = (_finite(row[name]) for name in ("wape", "mae", "bias"))
    mean = mae / wape if mae is not None and wape else None
    rows, gone, missing = (int(row[name] or 0) for name in ("rows", "missing_actuals", "null_predictions"))
    version = row["model_version"]
    return WeekError(
        error=wape,
        bias=bias / mean if bias is not None and mean else None,
        compared=max(rows - gone - missing, 0),
        version=None if version is None else int(version),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) != float("inf") and value == value else None
