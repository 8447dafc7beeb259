"""``spark.lakepredict.onNull = error``, for engines whose predictions are expressions in the plan."""

from __future__ import annotations

import json

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakepredict.engines.base import Request
from lakepredict.errors import InputNullError

_NAME = "\x1a"
"""What stands for the name of the input in the text of the error until a row has a NULL."""


def refuse_nulls(request: Request, prediction: Column) -> Column:
    """Return the prediction, but an error for a NULL in a required input, of which it names the first.

    One CASE with a branch for each input: conditions within conditions overflow the stack at some hundred inputs.

    Args:
        request: the call, whose inputs are the columns ``c0``, ``c1``, ... of the data frame.
        prediction: what a row without such a NULL gets.
    """
    required = [place for place, column in enumerate(request.inputs) if column.required]
    if not required:
        return prediction
    first = F.expr(f"CASE {' '.join(f'WHEN c{place} IS NULL THEN {place}' for place in required)} END")
    names = F.from_json(F.lit(json.dumps([str(column.name) for column in request.inputs])), "array<string>")
    text = F.lit(str(InputNullError.where_none_may_be(request.label, _NAME)))
    error = F.raise_error(F.replace(text, F.lit(_NAME), F.get(names, first)))
    return F.when(first.isNotNull(), error).otherwise(prediction)
