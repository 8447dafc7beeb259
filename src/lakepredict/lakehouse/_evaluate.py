"""How good forecasts were, now that it is known what happened; and whether another model version would do better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import reduce
from typing import Any

from delta import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict import _registry
from lakepredict._sql import quoted
from lakepredict.errors import EvaluationError
from lakepredict.lakehouse import _accuracy, _input
from lakepredict.lakehouse._accuracy import Problem
from lakepredict.lakehouse._column_names import MAPPING, require_names
from lakepredict.lakehouse._output import described, only_writer, within_attempts
from lakepredict.lakehouse._plan import is_table
from lakepredict.lakehouse._prediction import prediction as predicted
from lakepredict.lakehouse._tables import read_table
from lakepredict.tracking._metrics import mode_of

_BY = ("model_name", "model_version")
_PREDICTION, _ACTUAL = "__prediction", "__actual"
_SIDES = ("champion", "challenger")
_NOT_METRICS = ("missing_actuals", "null_predictions", "evaluated_at")


def evaluate(
    spark: SparkSession,
    forecast: str | DataFrame,
    actuals: str | DataFrame,
    *,
    key: Sequence[str],
    actual: str,
    prediction: str = "prediction",
    time: str | None = None,
    period: str | None = None,
    by: Sequence[str] = _BY,
    problem: Problem | None = None,
    output: str | None = None,
    column_mapping: bool = False,
) -> DataFrame:
    """Compare predictions with what happened later: metrics for each model version and week.

    What happens: the forecast is joined with the actuals on the key, and rows that have both are judged. The result has
    a row for each value of ``time`` and of the columns ``by``: these columns; ``rows`` BIGINT, the predictions;
    ``missing_actuals`` BIGINT, those whose outcome is not known yet; ``null_predictions`` BIGINT; the metrics, DOUBLE
    and NULL where no row has both; ``evaluated_at`` TIMESTAMP. Metrics of numbers are ``mae``, ``rmse``, ``wape`` (the
    sum of absolute errors over the sum of absolute actuals) and ``bias`` (mean of prediction less actual); of classes,
    ``accuracy`` and ``f1`` (weighted by the actual classes). NaN counts as missing.

    With ``output``, the result is merged into that Delta table, in one commit: rows of the same time and model version
    are replaced, others stay. So it may run every week, or twice. Nothing is written if an error is raised.

    Args:
        spark: a session on the lakehouse.
        forecast: the table that :func:`lakepredict.lakehouse.score` writes, a query, or a data frame.
        actuals: a table, a query or a data frame with the key and what happened; one row for each key.
        key: the columns that both have.
        actual: the column of the actuals with what happened.
        prediction: the column of the forecast to judge.
        time: the column of the forecast with the time it is for; None for one row for each model version.
        period: ``'day'``, ``'week'``, ``'month'``, ... to which the time is truncated, as Spark's ``date_trunc`` does;
            None leaves it as it is.
        by: the columns of the forecast that say which model made a row.
        problem: ``'regression'`` or ``'classification'``; default: regression where both columns are numbers.
        output: the Delta table to keep the result in, made if there is none.
        column_mapping: make a new output with Delta Lake's column mapping by name, so that any character may be in the
            names of its columns.

    Returns:
        The result as it was computed; lazy without ``output``.

    Raises:
        EvaluationError: a column is missing, or a value is none of those that are possible.
        KeyInvalidError: two rows of the actuals have the same key.
        OutputNamesError: a column of the result has a name that Delta Lake does not take.
        WriteConflictError: others wrote to the output each time it was tried.
        TableNotFoundError: there is no such table.
        pyspark.errors.AnalysisException: the query is wrong.

    Example:
        >>> from lakepredict import lakehouse
        >>> lakehouse.evaluate(
        ...     spark,
        ...     "sales_forecast",
        ...     "weekly_sales",
        ...     key=["store", "week"],
        ...     prediction="forecast",
        ...     actual="weekly_sales",
        ...     time="week",
        ...     output="forecast_accuracy",
        ... )  # doctest: +SKIP
    """
    key, by = ([each] if isinstance(each, str) else list(each) for each in (key, by))
    made, happened = _rows(spark, forecast), _rows(spark, actuals)
    groups = [*([time] if time else []), *by]
    _require(made, "forecast", [*key, prediction, *groups])
    _require(happened, "actuals", [*key, actual])
    happened = happened.where(reduce(Column.__and__, (_column(each).isNotNull() for each in key)))
    _input.require_key(happened, key, "actuals")
    known = happened.select(*map(_column, key), _column(actual).alias(_ACTUAL))
    columns = [*dict.fromkeys([*key, *groups])]
    judged = made.select(*map(_column, columns), _column(prediction).alias(_PREDICTION)).join(known, key, "left")
    if time and period:
        judged = judged.withColumn(time, F.date_trunc(period, _column(time)).cast(made.schema[time].dataType))
    result = _result(judged, groups, problem)
    if output is None:
        return result
    require_names(described(spark, output, column_mapping=column_mapping), result.schema)
    kept = result.localCheckpoint()
    within_attempts(spark, output, lambda: _keep(kept, output, groups, column_mapping=column_mapping))
    return kept


def _rows(spark: SparkSession, given: str | DataFrame) -> DataFrame:
    if isinstance(given, DataFrame):
        return given
    return read_table(spark, given) if is_table(given) else spark.sql(given)


def _column(name: str) -> Column:
    return F.col(quoted(name))


def _require(rows: DataFrame, what: str, names: Sequence[str]) -> None:
    missing = [each for each in dict.fromkeys(names) if each.lower() not in map(str.lower, rows.columns)]
    if missing:
        raise EvaluationError(
            f"A column that is named is not in the {what}.",
            expected=f"columns of the {what}: {', '.join(rows.columns)}",
            got=", ".join(missing),
            hint="check their names.",
        )


def _result(rows: DataFrame, groups: Sequence[str], problem: str | None) -> DataFrame:
    kind = _accuracy.problem_of(rows.schema[_PREDICTION].dataType, rows.schema[_ACTUAL].dataType, problem)
    found = _accuracy.judged(rows, groups, _PREDICTION, _ACTUAL, kind)
    return found.withColumn("evaluated_at", F.lit(datetime.now(timezone.utc)))


def _keep(result: DataFrame, output: str, groups: Sequence[str], *, column_mapping: bool) -> None:
    spark = result.sparkSession
    with only_writer(spark, output):
        if not spark.catalog.tableExists(output):
            options = {MAPPING: "name"} if column_mapping else {}
            result.write.format("delta").options(**options).saveAsTable(output)
            return
        same = " AND ".join(f"there.{quoted(each)} <=> new.{quoted(each)}" for each in groups)
        there = DeltaTable.forName(spark, output).alias("there")
        there.merge(result.alias("new"), same).whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()


@dataclass(frozen=True)
class Challenge:
    """How two versions of a model do on the same rows.

    Attributes:
        model_name: the registered model.
        champion: the number of the version that is challenged.
        challenger: the number of the other one.
        rows: the rows with an outcome and a prediction by each.
        rows_left_out: the rows without.
        metric: what they are compared by.
        champion_metrics: each metric of the champion.
        challenger_metrics: each metric of the challenger.
        closer: the share of rows, from 0 to 1, on which the challenger alone was closer to what happened, or right.
    """

    model_name: str
    champion: int
    challenger: int
    rows: int
    rows_left_out: int
    metric: str
    champion_metrics: dict[str, float | None]
    challenger_metrics: dict[str, float | None]
    closer: float | None

    @property
    def better(self) -> bool:
        """Whether the challenger is better by the metric; an equal one is not."""
        old, new = self.champion_metrics[self.metric], self.challenger_metrics[self.metric]
        if old is None or new is None:
            return False
        return new < old if mode_of(self.metric) == "min" else new > old


def challenge(
    spark: SparkSession,
    model: str,
    challenger: int | str,
    data: str | DataFrame,
    *,
    actual: str,
    champion: int | str = "champion",
    metric: str | None = None,
    problem: Problem | None = None,
) -> Challenge:
    """Score the same rows with two versions of a model, and compare both with what happened.

    What happens: one query scores the rows with both versions and aggregates; nothing is written and no alias moves,
    which ``lakepredict.tracking.promote`` does.

    Args:
        spark: a session with PREDICT.
        model: the registered model.
        challenger: the version that might be better: a number, an alias or ``'latest'``.
        data: a table, a query or a data frame with the inputs of both versions, bound by name, and what happened.
        actual: the column with what happened.
        champion: the version to beat.
        metric: ``mae``, ``rmse`` or ``wape``; ``accuracy`` or ``f1`` for classes. Default: ``wape``, or ``accuracy``.
        problem: as for :func:`evaluate`.

    Raises:
        EvaluationError: a column is missing, there is no such metric, or no row can be compared.
        PredictError: there is no such model or version, or an input has no column.

    Example:
        >>> from lakepredict import lakehouse, tracking
        >>> found = lakehouse.challenge(
        ...     spark, "sales_forecast", 4, "weekly_features", actual="weekly_sales"
        ... )  # doctest: +SKIP
        >>> if found.better:  # doctest: +SKIP
        ...     tracking.promote("sales_forecast", 4, "champion")
    """
    rows = _rows(spark, data)
    _require(rows, "data", [actual])
    models = [_registry.resolve(_registry.ModelReference.parse(model, version)) for version in (champion, challenger)]
    scored = rows.select(
        _column(actual).alias(_ACTUAL),
        *(predicted(each).alias(side) for side, each in zip(_SIDES, models, strict=True)),
    )
    kinds = {
        _accuracy.problem_of(scored.schema[side].dataType, scored.schema[_ACTUAL].dataType, problem) for side in _SIDES
    }
    metrics = _accuracy.METRICS[kinds.pop()]
    if metric not in (None, *metrics):
        raise EvaluationError(
            "Versions are not compared by this metric.",
            expected=", ".join(metrics),
            got=str(metric),
            hint="leave metric out, or name another one.",
        )
    return _compared(scored, models, metric or metrics[0], problem)


def _compared(
    scored: DataFrame, models: Sequence[_registry.ResolvedModel], metric: str, problem: str | None
) -> Challenge:
    pairs = scored.dropna().persist()
    try:
        found = [_metrics(pairs.withColumnRenamed(side, _PREDICTION), problem) for side in _SIDES]
        closer = pairs.agg(F.avg(_closer(pairs).cast("double"))).collect()[0][0]
    finally:
        pairs.unpersist()
    rows = found[0].pop("rows")
    if not rows:
        raise EvaluationError(
            "There is no row to compare the versions on.",
            expected="rows with an outcome and a prediction by both versions",
            got=f"{scored.count()} rows, none of them so",
            hint="check the column of what happened, and the inputs for NULL.",
        )
    champion, challenger = ({name: value for name, value in each.items() if name != "rows"} for each in found)
    return Challenge(
        model_name=models[0].name,
        champion=models[0].version,
        challenger=models[1].version,
        rows=rows,
        rows_left_out=scored.count() - rows,
        metric=metric,
        champion_metrics=champion,
        challenger_metrics=challenger,
        closer=closer,
    )


def _metrics(rows: DataFrame, problem: str | None) -> dict[str, Any]:
    found = _result(rows, [], problem).collect()[0].asDict()
    return {name: value for name, value in found.items() if name not in _NOT_METRICS}


def _closer(pairs: DataFrame) -> Column:
    """Whether the challenger alone is closer to what happened, or is right."""
    champion, challenger, actual = (F.col(each) for each in (*_SIDES, _ACTUAL))
    if isinstance(pairs.schema[_ACTUAL].dataType, T.NumericType):
        return F.abs(challenger - actual) < F.abs(champion - actual)
    return (challenger == actual) & (champion != actual)
