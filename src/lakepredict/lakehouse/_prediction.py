"""PREDICT of a data frame's rows, by the names of the model's inputs."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakepredict import _binding, _registry
from lakepredict._sql import literal

ALL = ("*",)
"""The columns that have the names of the model's inputs."""


def prediction(rows: DataFrame, model: _registry.ResolvedModel, arguments: Sequence[str] = ALL) -> Column:
    """PREDICT by a version of a model.

    Args:
        rows: what is scored.
        model: the version.
        arguments: what PREDICT takes after model and version, as SQL.

    Raises:
        ColumnMissingError: the arguments are ``*``, and an input has no column; PREDICT itself would take as many
            columns of other names by their positions.
    """
    if tuple(arguments) == ALL:
        reference = _registry.ModelReference(model.name, model.version)
        columns = [_binding.Argument(each.dataType, each.name) for each in rows.schema]
        sensitive = rows.sparkSession.conf.get("spark.sql.caseSensitive") == "true"
        _binding.require_names(reference, model, columns, case_sensitive=sensitive)
    return F.expr(f"PREDICT({literal(model.name)}, {model.version}, {', '.join(arguments)})")
