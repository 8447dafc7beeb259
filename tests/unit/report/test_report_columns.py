"""Which columns a report is about, from the schemas alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import types as T

from lakepredict.errors import ReportColumnError
from lakepredict.report._columns import Columns, Table, choose

SCORED = "model_name STRING, model_version BIGINT, run_id STRING, scored_at TIMESTAMP, input_version BIGINT"
FORECAST = f"store INT, week DATE, forecast DOUBLE, {SCORED}"
HISTORY = "store INT, week DATE, weekly_sales DOUBLE, holiday BOOLEAN, temperature DOUBLE"

_KINDS = {
    "INT": T.IntegerType(),
    "BIGINT": T.LongType(),
    "DOUBLE": T.DoubleType(),
    "STRING": T.StringType(),
    "DATE": T.DateType(),
    "TIMESTAMP": T.TimestampType(),
    "BOOLEAN": T.BooleanType(),
}


def table(name: str, columns: str) -> Table:
    """A table by the columns of a CREATE TABLE, without a JVM to parse them."""
    fields = [each.split() for each in columns.split(", ")]
    return Table(name, T.StructType([T.StructField(column, _KINDS[kind]) for column, kind in fields]))


def chosen(forecast: str = FORECAST, history: str = HISTORY, **asked: Any) -> Columns:
    return choose(table("sales_forecast", forecast), table("weekly_sales", history), **asked)


def test_the_demo_needs_no_option() -> None:
    """The tables of the demo leave no doubt."""
    assert chosen() == Columns(("store",), "week", "forecast", "weekly_sales")


def test_a_plain_scoring_needs_no_option() -> None:
    """A table as score() makes it, with a key of two columns, leaves no doubt either."""
    columns = chosen(
        f"store INT, dept STRING, day TIMESTAMP, prediction DOUBLE, {SCORED}",
        "Store BIGINT, Dept STRING, Day DATE, sales BIGINT",
    )

    assert columns == Columns(("store", "dept"), "day", "prediction", "sales")


def test_an_unusual_name_is_found() -> None:
    """The only number that the history does not have is the prediction."""
    assert chosen(f"store INT, week DATE, sales_next_week DOUBLE, {SCORED}").prediction == "sales_next_week"


def test_what_is_asked_for_goes_first() -> None:
    """Options are taken, by any case, and the tables' own spelling is kept."""
    columns = chosen(FORECAST + ", upper DOUBLE", key=["STORE"], time="Week", prediction="UPPER", actual="Temperature")

    assert columns == Columns(("store",), "week", "upper", "temperature")


WRONG: dict[str, tuple[str, str, dict[str, Any]]] = {
    "missing": (FORECAST, HISTORY, {"prediction": "sales"}),
    "key_missing": (FORECAST, HISTORY, {"key": ["shop"]}),
    "type": (FORECAST, HISTORY, {"actual": "holiday"}),
    "time_type": (FORECAST, HISTORY, {"time": "store"}),
    "no_time": ("store INT, forecast DOUBLE", HISTORY, {}),
    "other_time": ("store INT, day DATE, forecast DOUBLE", HISTORY, {}),
    "no_time_of_history": (FORECAST, "store INT, sales DOUBLE", {}),
    "classes": ("store INT, week DATE, prediction STRING", HISTORY, {}),
    "class_asked": ("store INT, week DATE, churn BOOLEAN", HISTORY, {"prediction": "churn"}),
    "two_times": (FORECAST + ", month DATE", HISTORY + ", month DATE", {}),
    "two_predictions": ("store INT, week DATE, low DOUBLE, high DOUBLE", HISTORY, {}),
    "two_actuals": (FORECAST, "store INT, week DATE, revenue DOUBLE, visits BIGINT", {}),
    "no_key": (f"shop INT, week DATE, forecast DOUBLE, {SCORED}", HISTORY, {}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_clear_is_said(golden: Callable[[str, str], None], name: str) -> None:
    """What is missing, of another type or ambiguous is an error that names the option."""
    forecast, history, asked = WRONG[name]
    with pytest.raises(ReportColumnError) as caught:
        chosen(forecast, history, **asked)

    golden(f"report/column_{name}.txt", str(caught.value))
