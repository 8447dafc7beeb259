"""Rows as a table that fits the terminal, or one below the other where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from lakepredict.cli._values import cell_writer, visible

MOST_ROWS = 1000
"""How many rows are shown at most."""

_NARROW = 20
"""A column of text is folded to no less than this."""


@dataclass(frozen=True)
class _Column:
    head: str
    cells: list[str | None]
    number: bool

    @property
    def width(self) -> int:
        """How wide it is, unfolded."""
        return max(cell_len("NULL" if each is None else each) for each in [self.head, *self.cells])

    @property
    def least(self) -> int:
        """How narrow it may become; numbers are not folded."""
        return self.width if self.number else min(self.width, _NARROW)


def print_rows(schema: T.StructType, rows: Sequence[Sequence[Any]], console: Console) -> None:
    """Print at most a thousand rows; where there are more, a caption says so.

    A single text of several lines, such as a plan of EXPLAIN, is printed as it is.
    """
    if len(rows) == len(schema) == 1 and isinstance(rows[0][0], str) and "\n" in rows[0][0].strip():
        text = "\n".join(map(visible, rows[0][0].rstrip().expandtabs(4).splitlines()))
        console.print(Text(text), soft_wrap=True)
        return
    columns = [_column(field, position, rows[:MOST_ROWS]) for position, field in enumerate(schema.fields)]
    more = len(rows) > MOST_ROWS
    caption = f"the first {MOST_ROWS:,} rows; --format csv or json has all" if more else None if rows else "no rows"
    for each in _renderables(columns, console):
        console.print(each, soft_wrap=isinstance(each, Text))
    if caption:
        console.print(Text(caption, style="dim italic"), soft_wrap=True)


def _column(field: T.StructField, position: int, rows: Sequence[Sequence[Any]]) -> _Column:
    write = cell_writer(field.dataType)
    cells = [None if row[position] is None else write(row[position]) for row in rows]
    return _Column(visible(field.name), cells, isinstance(field.dataType, T.NumericType))


def _renderables(columns: list[_Column], console: Console) -> Iterator[RenderableType]:
    lines = 3 * len(columns) + 1
    natural = sum(each.width for each in columns) + lines
    if not console.is_terminal:
        console.width = natural
    if sum(each.least for each in columns) + lines <= console.width:
        yield _table(columns)
    else:
        yield from _records(columns)


def _table(columns: list[_Column]) -> Table:
    table = Table()
    for each in columns:
        justify = "right" if each.number else "left"
        table.add_column(Text(each.head), justify=justify, overflow="fold", min_width=each.least)  # type: ignore[arg-type]
    for row in zip(*(each.cells for each in columns), strict=True):
        table.add_row(*map(_shown, row))
    return table


def _records(columns: list[_Column]) -> Iterator[RenderableType]:
    """Each row as a list of names and values."""
    for position, row in enumerate(zip(*(each.cells for each in columns), strict=True), 1):
        yield Text(f"row {position:,}", style="bold")
        table = Table(box=None, show_header=False)
        table.add_column(style="dim", overflow="fold")
        table.add_column(overflow="fold")
        for column, value in zip(columns, row, strict=True):
            table.add_row(Text(column.head), _shown(value))
        yield table


def _shown(text: str | None) -> Text:
    return Text("NULL", style="dim") if text is None else Text(text)
