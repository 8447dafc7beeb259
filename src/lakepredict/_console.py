"""Tables for the console."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import types as T
from rich.table import Table

_SHOWN = 1000


def rows_table(frame: DataFrame) -> Table:
    """The rows of a data frame, at most a thousand; a caption says where there are more."""
    rows = frame.limit(_SHOWN + 1).collect()
    table = Table(caption=f"the first {_SHOWN} rows" if len(rows) > _SHOWN else None)
    for field in frame.schema:
        numeric = isinstance(field.dataType, T.NumericType)
        table.add_column(field.name, justify="right" if numeric else "left", overflow="fold")
    for row in rows[:_SHOWN]:
        table.add_row(*("NULL" if value is None else str(value) for value in row))
    return table
