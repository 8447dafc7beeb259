"""The table function ``evaluate_forecast``: what :func:`lakepredict.lakehouse.evaluate` does, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from lakepredict import _jvm
from lakepredict._call import CallArgument
from lakepredict._table_arguments import constants
from lakepredict.errors import EvaluationUnsuitableError, JobError
from lakepredict.lakehouse._evaluate import evaluate

NAME = "evaluate_forecast"
ARGUMENTS, OPTIONAL = ("forecast", "actuals", "key", "actual"), ("prediction", "time", "period", "problem")


def read(spark: SparkSession, given: Sequence[CallArgument]) -> DataFrame:
    """The evaluation of the tables that a call names, in the session that analyses it.

    Raises:
        EvaluationUnsuitableError: they cannot be compared.
        ArgumentInvalidError, ArgumentNotConstantError: the arguments are not what it takes.
    """
    values = constants(NAME, ARGUMENTS, given, OPTIONAL)
    key = [each.strip() for each in values.pop("key").split(",")]
    try:
        return evaluate(_jvm.active_session(spark), key=key, **values)  # type: ignore[arg-type]
    except JobError as exc:
        raise EvaluationUnsuitableError(**exc.parts) from exc
