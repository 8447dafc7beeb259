"""What an engine makes of a bound call: something that ``_jvm`` can splice into a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T


@dataclass(frozen=True)
class PythonFunction:
    """A scalar Arrow UDF, not yet made known to Spark.

    Attributes:
        call: takes one ``pyarrow.Array`` per input, returns one of ``result``.
        name: how EXPLAIN shows it, for example ``predict[sales_forecast v3]``.
        result: the Spark type of the predictions.
    """

    call: Callable[..., Any]
    name: str
    result: T.DataType
