"""``%load_ext lakepredict``: the cell magic ``%%sql``, and ``%sql`` for one line, in notebooks and IPython.

JupySQL, the package that is kept for this, talks to databases through drivers and to the author's servers by default;
what a SparkSession needs is these few lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession

from lakepredict._tries import unlogged
from lakepredict.cli._table import MOST_ROWS, print_rows
from lakepredict.cli._values import TEXT, cast_for_python, cell_writer
from lakepredict.errors import SessionError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register_magic(shell: InteractiveShell) -> None:
    """Add ``%sql`` and ``%%sql`` to a shell."""

    def sql(line: str, cell: str | None = None) -> Any:
        """Run one SQL statement in the active SparkSession.

        ``%%sql name`` keeps the data frame as ``name`` and shows nothing; ``{variable}`` in the statement is the value
        of a variable of the notebook, as in PySpark's ``spark.sql(..., variable=...)``.
        """
        with unlogged():
            frame = _run(line if cell is None else cell, shell.user_ns)
            if cell is not None and line.strip():
                shell.user_ns[line.strip()] = frame
                return None
            return Shown(frame) if frame.columns else None

    shell.register_magic_function(sql, "line_cell", "sql")  # type: ignore[arg-type]


def _run(statement: str, variables: dict[str, Any]) -> DataFrame:
    spark = SparkSession.getActiveSession()
    if spark is None:
        raise SessionError(
            "There is no SparkSession for %sql.",
            expected="spark = lakepredict.spark_session(...) in a cell before",
            got="no active session",
            hint="run that cell first.",
        )
    names = {name: value for name, value in variables.items() if f"{{{name}}}" in statement}
    return spark.sql(statement.strip().removesuffix(";"), **names)


class Shown:
    """The rows of a statement as a notebook shows them, at most a thousand: in HTML, or in text on a terminal."""

    def __init__(self, frame: DataFrame) -> None:
        self._schema = frame.schema
        self._rows = cast_for_python(frame, TEXT).limit(MOST_ROWS + 1).collect()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._html(), "text/plain": self._text()}

    def _html(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in self._schema.names)
        writers = [cell_writer(each.dataType) for each in self._schema.fields]
        rows = [
            ["NULL" if value is None else write(value) for value, write in zip(row, writers, strict=True)]
            for row in self._rows[:MOST_ROWS]
        ]
        body = "".join(f"<tr>{''.join(f'<td>{escape(value)}</td>' for value in row)}</tr>" for row in rows)
        note = f"<caption>the first {MOST_ROWS} rows</caption>" if len(self._rows) > MOST_ROWS else ""
        return f"<table>{note}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _text(self) -> str:
        from io import StringIO

        from rich.console import Console

        text = StringIO()
        # In a notebook rich would show the table by itself, beside the one in HTML.
        print_rows(self._schema, self._rows, Console(width=120, file=text, force_jupyter=False))
        return text.getvalue().rstrip()
