"""The table of weekly sales, and the CSV file it can be read from."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from lakepredict.errors import DataFileError

WEEKLY_SALES = pa.schema(
    [
        pa.field("store", pa.int32(), nullable=False),
        pa.field("week", pa.date32(), nullable=False),
        pa.field("weekly_sales", pa.float64(), nullable=False),
        pa.field("holiday", pa.bool_(), nullable=False),
        pa.field("temperature", pa.float64(), nullable=False),
        pa.field("fuel_price", pa.float64(), nullable=False),
        pa.field("cpi", pa.float64(), nullable=False),
        pa.field("unemployment", pa.float64(), nullable=False),
    ]
)
"""One row for each store and week: the store's number, the last day of the week, sales in US dollars,
whether the week has a holiday, temperature in Fahrenheit, fuel price in US dollars a gallon, the consumer
price index, and unemployment in percent."""

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ISO_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_DAY_FIRST_DATE = re.compile(r"(?P<day>[0-9]{2})-(?P<month>[0-9]{2})-(?P<year>[0-9]{4})")
_LONGEST_GOT = 60

_Key = tuple[int, date]  # store, week
_Row = tuple[Any, ...]
_Records = Iterator[tuple[int, list[str]]]


def _store(text: str) -> int:
    store = int(text) if re.fullmatch("[0-9]{1,10}", text) else 0
    if not 1 <= store < 2**31:
        raise ValueError(text)
    return store


def _date(text: str) -> date:
    found = _DAY_FIRST_DATE.fullmatch(text) or _ISO_DATE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return date(int(found["year"]), int(found["month"]), int(found["day"]))


def _number(text: str) -> float:
    # float() alone would also take nan, 1_000, blanks and the digits of every script.
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    if math.isinf(number):
        raise ValueError(text)
    return number


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(text)
    return text == "1"


class _Column(NamedTuple):
    field: str
    parse: Callable[[str], Any]
    expected: str
    hint: str


_NUMBER_HINT = "write numbers with a decimal point and without thousands separators, units or blanks."
_COLUMNS = {
    "Store": _Column("store", _store, "a whole number from 1 to 2147483647", "number the stores from 1."),
    "Date": _Column(
        "week",
        _date,
        "a date, DD-MM-YYYY or YYYY-MM-DD",
        "write 5 February 2010 as 05-02-2010 or as 2010-02-05.",
    ),
    "Weekly_Sales": _Column("weekly_sales", _number, "a finite number, for example 1643690.9", _NUMBER_HINT),
    "Holiday_Flag": _Column("holiday", _flag, "0 or 1", "write 1 in weeks with a holiday and 0 in others."),
    "Temperature": _Column("temperature", _number, "a finite number, for example 42.31", _NUMBER_HINT),
    "Fuel_Price": _Column("fuel_price", _number, "a finite number, for example 2.572", _NUMBER_HINT),
    "CPI": _Column("cpi", _number, "a finite number, for example 211.0963582", _NUMBER_HINT),
    "Unemployment": _Column("unemployment", _number, "a finite number, for example 8.106", _NUMBER_HINT),
}


def read_weekly_sales(path: str | os.PathLike[str]) -> pa.Table:
    """Read a CSV file of weekly sales, and check all of it before anything is returned.

    The file is UTF-8, with or without a byte order mark, and its values are separated by commas. Its first
    row names the columns ``Store``, ``Date``, ``Weekly_Sales``, ``Holiday_Flag``, ``Temperature``,
    ``Fuel_Price``, ``CPI`` and ``Unemployment``, in any order, in upper or lower case; other columns are
    ignored, and so are empty lines. Each date is DD-MM-YYYY or YYYY-MM-DD, and all dates are whole weeks
    apart. The units are those of :data:`WEEKLY_SALES`.

    Args:
        path: the file, which is read into memory as a whole.

    Returns:
        The rows, with the columns and types of :data:`WEEKLY_SALES`, sorted by store and week. Nothing is
        added for a week that a store has no row for.

    Raises:
        DataFileError: the file cannot be opened, is not such a file, has no rows, lacks a value, has one
            that its column does not take, or has two rows for one store and week. The message names the
            line and the column; a row whose values have line breaks goes by its first line.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile("w") as file:
        ...     print(
        ...         "Store,Date,Weekly_Sales,Holiday_Flag,Temperature,Fuel_Price,CPI,Unemployment",
        ...         "1,05-02-2010,1643690.90,0,42.31,2.572,211.0963582,8.106",
        ...         sep="\\n",
        ...         file=file,
        ...         flush=True,
        ...     )
        ...     read_weekly_sales(file.name)["week"].to_pylist()
        [datetime.date(2010, 2, 5)]
    """
    name = os.fspath(path)
    records = _records(name, _text(name))
    positions, width = _positions(name, records)
    rows = _rows(name, records, positions, width)
    columns = zip(*(rows[key] for key in sorted(rows)), strict=True)
    return pa.table([list(column) for column in columns], schema=WEEKLY_SALES)


def _text(name: str) -> str:
    try:
        text = Path(name).read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise DataFileError(
            f"{name} cannot be opened.",
            expected="a CSV file",
            got=exc.strerror or repr(exc),
            hint="check the path, and that you may read the file.",
        ) from exc
    except UnicodeDecodeError as exc:
        raise DataFileError(
            f"{name}, line {_line_after(exc.object[: exc.start].decode())}: the text is not UTF-8.",
            expected="text in UTF-8",
            got=repr(exc.object[exc.start : exc.end]),
            hint="save the file as UTF-8.",
        ) from exc
    before, nul, _ = text.partition("\0")
    if nul:
        raise DataFileError(
            f"{name}, line {_line_after(before)}: the text has a NUL character.",
            expected="text in UTF-8",
            got=repr(nul),
            hint="save the file as UTF-8; if it is, it is damaged.",
        )
    return text


def _line_after(text: str) -> int:
    """The number of the line, counted from 1, on which the character after ``text`` stands."""
    return len(io.StringIO(text + ".", newline="").readlines())


def _records(name: str, text: str) -> _Records:
    """The rows that are not empty, each with the line it starts on: quoted values may have line breaks."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as exc:
        raise DataFileError(
            f"{name}, line {line}: the row is not CSV.",
            expected="values separated by commas, and a closing quote for each opening one",
            got=str(exc),
            hint="look for a quote that is not closed, in the row that starts on this line.",
        ) from exc


def _positions(name: str, records: _Records) -> tuple[dict[str, int], int]:
    """Where each column stands in a row, in the order of the table, and how many values a row has."""
    line, header = next(records, (0, []))
    if not header:
        raise _no_rows(name, "an empty file")
    found = [column.strip().lower() for column in header]
    for problem, columns in {
        "does not name": [column for column in _COLUMNS if column.lower() not in found],
        "repeats": [column for column in _COLUMNS if found.count(column.lower()) > 1],
    }.items():
        if columns:
            raise DataFileError(
                f"{name}, line {line}: the header {problem} {', '.join(columns)}.",
                expected=f"{', '.join(_COLUMNS)}, each once",
                got=_shortened(",".join(header)),
                hint="name the columns in the first row, separated by commas.",
            )
    return {column: found.index(column.lower()) for column in _COLUMNS}, len(header)


def _rows(name: str, records: _Records, positions: dict[str, int], width: int) -> dict[_Key, _Row]:
    rows: dict[_Key, _Row] = {}
    lines: dict[_Key, int] = {}
    for line, fields in records:
        _check_width(name, line, fields, width)
        texts = {column: fields[position] for column, position in positions.items()}
        row = tuple(_value(name, line, column, text) for column, text in texts.items())
        store, week = key = row[:2]
        first_week = next(iter(rows), key)[1]
        _check_week(name, line, texts["Date"], week, first_week)
        if key in rows:
            raise DataFileError(
                f"{name}, lines {lines[key]} and {line}: two rows for one store and week.",
                expected="one row for each store and week",
                got=f"store {store}, week {week} on both lines",
                hint="leave out one of the two rows.",
            )
        rows[key], lines[key] = row, line
    if not rows:
        raise _no_rows(name, "the header alone")
    return rows


def _no_rows(name: str, got: str) -> DataFileError:
    return DataFileError(
        f"{name} has no rows of sales.",
        expected="a header, and a row for each store and week",
        got=got,
        hint="check that the file was written to its end.",
    )


def _check_width(name: str, line: int, fields: list[str], width: int) -> None:
    if len(fields) != width:
        raise DataFileError(
            f"{name}, line {line}: the row has too {'few' if len(fields) < width else 'many'} values.",
            expected=f"{width} values, as many as the header has columns",
            got=f"{len(fields)}: {_shortened(','.join(fields))}",
            hint="put a value with a comma in it between double quotes.",
        )


def _value(name: str, line: int, column: str, text: str) -> Any:
    _, parse, expected, hint = _COLUMNS[column]
    try:
        return parse(text)
    except ValueError:
        raise DataFileError(
            f"{name}, line {line}, column {column}: the value {'cannot be read' if text else 'is missing'}.",
            expected=expected,
            got=_shortened(text),
            hint=hint,
        ) from None


def _check_week(name: str, line: int, text: str, week: date, first: date) -> None:
    if (week - first).days % 7:
        raise DataFileError(
            f"{name}, line {line}, column Date: the date is not whole weeks from the first one of the file.",
            expected=f"a {first:%A}, as {first} is",
            got=f"{_shortened(text)}, a {week:%A}",
            hint="give each week by its last day, and write the day before the month, or use ISO dates.",
        )


def _shortened(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= _LONGEST_GOT else f"{shown[: _LONGEST_GOT - 3]}..."
