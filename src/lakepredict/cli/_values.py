"""Values of Spark as text: for JSON, for CSV and for the cells of a table.

What Python's own types do not hold exactly (dates and times, intervals) is turned into text by Spark, before it comes.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as _json_string
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import types as T

Writer = Callable[[Any], str]

TEXT = T.StringType()
EPOCH_SECONDS = T.DecimalType(20, 6)
"""A type for a TIMESTAMP on its way to Python, which has neither Spark's time zone nor all of its years."""

_AS_THEY_ARE = (T.NumericType, T.BooleanType, T.StringType, T.BinaryType, T.NullType, T.VariantType)
_NUMBERS_OF_NONE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_TO_QUOTE = re.compile(r'[,"\r\n]|^\s|\s\Z|\A\Z')
"""What a cell of CSV is quoted for."""

_MOST_BYTES = 32
"""Of a BINARY in a table."""


def for_python(kind: T.DataType, timestamp: T.DataType) -> T.DataType:
    """The type to cast a column of the type ``kind`` to before it comes to Python, TIMESTAMP to ``timestamp``.

    Keys of maps become text, as JSON has no others. All may be NULL, for without ANSI mode Spark says that a cast may
    make it so.
    """
    if isinstance(kind, T.ArrayType):
        return T.ArrayType(for_python(kind.elementType, timestamp))
    if isinstance(kind, T.MapType):
        return T.MapType(TEXT, for_python(kind.valueType, timestamp))
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(e.name, for_python(e.dataType, timestamp)) for e in kind.fields])
    if isinstance(kind, T.TimestampType):
        return timestamp
    return kind if isinstance(kind, _AS_THEY_ARE) else TEXT


def cast_for_python(frame: DataFrame, timestamp: T.DataType) -> DataFrame:
    """The frame with columns that come to Python unharmed; the same one where they all do."""
    kinds = [each.dataType for each in frame.schema.fields]
    wanted = [for_python(each, timestamp) for each in kinds]
    if wanted == kinds:
        return frame
    # By position, since names need not be different.
    numbered = frame.toDF(*(str(position) for position, _ in enumerate(kinds)))
    return numbered.select(*(numbered[str(position)].cast(each) for position, each in enumerate(wanted)))


def json_writer(kind: T.DataType) -> Writer:
    """What writes values of a type as JSON. What is no number there (NaN, infinite) is null, as is NULL.

    The values are of a frame that :func:`cast_for_python` made, the type is that from before.
    """
    write = _json_writer(kind)
    return lambda value: "null" if value is None else write(value)


def _json_writer(kind: T.DataType) -> Writer:
    if isinstance(kind, T.ArrayType):
        element = json_writer(kind.elementType)
        return lambda value: f"[{', '.join(map(element, value))}]"
    if isinstance(kind, T.MapType):
        item = json_writer(kind.valueType)
        return lambda value: f"{{{', '.join(f'{_json_string(key)}: {item(each)}' for key, each in value.items())}}}"
    if isinstance(kind, T.StructType):
        return json_row(kind.names, [each.dataType for each in kind.fields])
    write = text_writer(kind)
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return lambda value: write(value) if math.isfinite(value) else "null"
    if isinstance(kind, (T.NumericType, T.BooleanType, T.VariantType)):
        return write
    return lambda value: _json_string(write(value))


def json_row(names: Sequence[str], kinds: Sequence[T.DataType]) -> Callable[[Sequence[Any]], str]:
    """What writes a row, or a struct, as an object with a key for each field."""
    fields = [(f"{_json_string(name)}: ", json_writer(kind)) for name, kind in zip(names, kinds, strict=True)]

    def write(row: Sequence[Any]) -> str:
        return f"{{{', '.join([key + field(value) for (key, field), value in zip(fields, row, strict=True)])}}}"

    return write


def text_writer(kind: T.DataType) -> Writer:
    """What writes values of a type that are not NULL as text; nested ones as JSON."""
    if isinstance(kind, (T.ArrayType, T.MapType, T.StructType)):
        return json_writer(kind)
    for each, write in _WRITERS.items():
        if isinstance(kind, each):
            return write
    return str


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _double(value: float) -> str:
    return _NUMBERS_OF_NONE.get(text := repr(value), text)


def _float(value: float) -> str:
    return _NUMBERS_OF_NONE.get(text := str(np.float32(value)), text)


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _variant(value: T.VariantVal) -> str:
    return str(value.toJson())


def _moment(value: Decimal | str) -> str:
    """A moment in UTC as ISO 8601 writes it; NumPy has all of Spark's years. Text is Spark's own already."""
    if isinstance(value, str):
        return value
    moment = str(np.datetime64(int(value.scaleb(6)), "us"))
    return f"{moment.rstrip('0').rstrip('.') if '.' in moment else moment}Z"


def _local(value: str) -> str:
    return value.replace(" ", "T", 1)


_WRITERS: Mapping[type[T.DataType], Writer] = {
    T.BooleanType: _truth,
    T.DecimalType: _decimal,
    T.FloatType: _float,
    T.DoubleType: _double,
    T.BinaryType: _base64,
    T.VariantType: _variant,
    T.TimestampType: _moment,
    T.TimestampNTZType: _local,
}


def csv_row(kinds: Sequence[T.DataType]) -> Callable[[Sequence[Any]], str]:
    """What writes a row as a line of CSV."""
    writers = [text_writer(each) for each in kinds]

    def write(row: Sequence[Any]) -> str:
        return csv_line([None if v is None else cell(v) for v, cell in zip(row, writers, strict=True)])

    return write


def csv_line(cells: Sequence[str | None]) -> str:
    """A line of CSV: NULL is an empty cell, an empty text is ``""``; quotes are where they must be."""
    # A line with nothing in it would be no row to those that read it.
    return ",".join(map(_csv_cell, cells)) if list(cells) != [None] else '""'


def _csv_cell(text: str | None) -> str:
    if text is None:
        return ""
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


def cell_writer(kind: T.DataType) -> Writer:
    """What writes values that are not NULL for a table: on a line, with nothing that a terminal takes for a command."""
    if isinstance(kind, T.BinaryType):
        return _bytes
    write = str if isinstance(kind, T.TimestampNTZType) else text_writer(kind)
    return lambda value: visible(write(value))


def _bytes(value: bytes) -> str:
    shown = bytes(value[:_MOST_BYTES]).hex().upper()
    return f"X'{shown}'" if len(value) <= _MOST_BYTES else f"X'{shown}...' ({len(value):,} bytes)"


def visible(text: str) -> str:
    """A text with control characters as they are written in Python."""
    return text if text.isprintable() else "".join(_ESCAPES.get(each, each) for each in text)


_ESCAPES: Mapping[str, str] = {
    chr(code): repr(chr(code))[1:-1] for code in [*range(32), *range(127, 160), 0x2028, 0x2029, 0x202E]
}
