"""What makes predictions good or bad: metrics of groups of rows, as Spark computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict._sql import quoted, sql_type
from lakepredict.errors import EvaluationError

Problem = Literal["regression", "classification"]

METRICS: dict[Problem, tuple[str, ...]] = {
    "regression": ("wape", "mae", "rmse", "bias"),
    "classification": ("accuracy", "f1"),
}
"""What is computed; the first is what versions are compared by where nothing is named."""

_F1 = """
    aggregate(
      array_distinct(transform(cells, c -> c.happened)), 0D,
      (sum, label) -> sum + aggregate(cells, 0L, (n, c) -> n + if(c.happened = label, c.n, 0L)) * coalesce(try_divide(
        2 * aggregate(cells, 0L, (n, c) -> n + if(c.happened = label AND c.predicted = label, c.n, 0L)),
        aggregate(cells, 0L, (n, c) -> n + if(c.happened = label, c.n, 0L) + if(c.predicted = label, c.n, 0L))
      ), 0D)
    ) / nullif(aggregate(cells, 0L, (n, c) -> n + c.n), 0)
"""
"""F1 of each class that happened, weighted by its rows: 2 TP / (2 TP + FP + FN), of the cells of a confusion matrix."""


def problem_of(prediction: T.DataType, actual: T.DataType, asked: str | None) -> Problem:
    """What kind of prediction it is: regression where both are numbers, else classes of one type.

    Raises:
        EvaluationError: there is no such kind, or the two cannot be compared as it says.
    """
    numbers = isinstance(prediction, T.NumericType) and isinstance(actual, T.NumericType)
    if asked not in (None, *METRICS) or (asked == "regression" and not numbers):
        raise EvaluationError(
            "The predictions are not of the kind that is asked for.",
            expected="classification, or regression for numbers",
            got=f"{asked}, of {sql_type(prediction)} and {sql_type(actual)}",
            hint="leave problem out, or name columns of other types.",
        )
    if not numbers and prediction != actual:
        raise EvaluationError(
            "Predictions and what happened are of types that are not compared.",
            expected="two numbers, or two values of one type",
            got=f"{sql_type(prediction)} and {sql_type(actual)}",
            hint="cast one of them, in a query in place of the table.",
        )
    return "regression" if numbers and asked != "classification" else "classification"


def judged(rows: DataFrame, groups: Sequence[str], prediction: str, actual: str, problem: Problem) -> DataFrame:
    """For each group: ``rows``, ``missing_actuals``, ``null_predictions``, and the metrics of the rows that have both.

    NaN counts as missing. A metric of no rows is NULL.
    """
    pair = {"predicted": prediction, "happened": actual}
    numbers = isinstance(rows.schema[prediction].dataType, T.NumericType)
    # 1 and 1.0 are the same class.
    plain = {name: F.col(each).cast("double") if numbers else F.col(each) for name, each in pair.items()}
    if numbers:
        plain = {name: F.nanvl(each, F.lit(None).cast("double")) for name, each in plain.items()}
    keys = [F.col(quoted(each)) for each in groups]
    known = rows.select(*keys, *(each.alias(name) for name, each in plain.items()))
    return (_regression if problem == "regression" else _classification)(known, keys)


def _counts(n: Column) -> list[Column]:
    return [
        F.coalesce(F.sum(n), F.lit(0)).alias("rows"),
        F.coalesce(F.sum(n * F.col("happened").isNull().cast("bigint")), F.lit(0)).alias("missing_actuals"),
        F.coalesce(F.sum(n * F.col("predicted").isNull().cast("bigint")), F.lit(0)).alias("null_predictions"),
    ]


def _regression(rows: DataFrame, keys: Sequence[Column]) -> DataFrame:
    error = F.col("predicted") - F.col("happened")
    actual = F.when(error.isNotNull(), F.abs("happened"))
    return rows.groupBy(*keys).agg(
        *_counts(F.lit(1).cast("bigint")),
        F.try_divide(F.sum(F.abs(error)), F.sum(actual)).alias("wape"),
        F.avg(F.abs(error)).alias("mae"),
        F.sqrt(F.avg(error * error)).alias("rmse"),
        F.avg(error).alias("bias"),
    )


def _classification(rows: DataFrame, keys: Sequence[Column]) -> DataFrame:
    cells = rows.groupBy(*keys, "happened", "predicted").agg(F.count(F.lit(1)).alias("n"))
    cell = F.when(F.expr("happened IS NOT NULL AND predicted IS NOT NULL"), F.struct("happened", "predicted", "n"))
    found = cells.groupBy(*keys).agg(*_counts(F.col("n")), F.collect_list(cell).alias("cells"))
    right = F.expr("aggregate(cells, 0L, (s, c) -> s + if(c.happened = c.predicted, c.n, 0L))")
    total = F.expr("nullif(aggregate(cells, 0L, (s, c) -> s + c.n), 0)")
    return found.withColumns({"accuracy": right / total, "f1": F.expr(_F1)}).drop("cells")
