"""``spark.lakepredict.onNull = error``, for engines whose predictions are expressions in the plan."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakepredict.engines.base import Request
from lakepredict.errors import InputNullError


def refuse_nulls(request: Request, columns: Sequence[Column], found: Column) -> Column:
    """What was found, but an error for a NULL in a required input.

    Args:
        request: the call.
        columns: the columns of its inputs, in their order.
        found: the prediction.
    """
    for each, column in zip(request.inputs, columns, strict=True):
        if each.required:
            error = InputNullError.where_none_may_be(request.label, str(each.name))
            found = F.when(column.isNull(), F.raise_error(str(error))).otherwise(found)
    return found
