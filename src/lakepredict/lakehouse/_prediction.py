"""PREDICT of a data frame's rows, by the names of the model's inputs."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakepredict._registry import ResolvedModel
from lakepredict._sql import literal

ALL = ("*",)
"""The columns that have the names of the model's inputs."""


def prediction(model: ResolvedModel, arguments: Sequence[str] = ALL) -> Column:
    """Return PREDICT by a version of a model, with what it takes after model and version as SQL."""
    return F.expr(f"PREDICT({literal(model.name)}, {model.version}, {', '.join(arguments)})")
