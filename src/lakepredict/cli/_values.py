"""Values of Spark as text: for JSON, for CSV and for the cells of a table.

What Python's own types do not hold exactly (dates and times, intervals) is turned into text by Spark, before it comes.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import types as T

TEXT = T.StringType()
EPOCH_SECONDS = T.DecimalType(20, 6)
"""A type for a TIMESTAMP on its way to Python, which has neither Spark's time zone nor all of its years."""

_AS_THEY_ARE = (T.NumericType, T.BooleanType, T.StringType, T.BinaryType, T.NullType, T.VariantType)
_NUMBERS_OF_NONE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_MOST_BYTES = 32
"""Of a BINARY in a table."""


def for_python(kind: T.DataType, timestamp: T.DataType) -> T.DataType:
    """The type to cast a column of the type ``kind`` to before it comes to Python, TIMESTAMP to ``timestamp``.

    Keys of maps become text, as JSON has no others.
    """
    if isinstance(kind, T.ArrayType):
        return T.ArrayType(for_python(kind.elementType, timestamp), kind.containsNull)
    if isinstance(kind, T.MapType):
        return T.MapType(TEXT, for_python(kind.valueType, timestamp), kind.valueContainsNull)
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(e.name, for_python(e.dataType, timestamp), e.nullable) for e in kind.fields])
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


def json_text(value: Any, kind: T.DataType) -> str:
    """A value as JSON. What is no number in JSON (NaN, infinite) is null, as in all that lakepredict tells programs.

    Args:
        value: of a frame that :func:`cast_for_python` made.
        kind: the type that it had before.
    """
    if value is None:
        return "null"
    if isinstance(kind, T.ArrayType):
        return f"[{', '.join(json_text(each, kind.elementType) for each in value)}]"
    if isinstance(kind, T.MapType):
        return _json_object(value.items(), kind.valueType)
    if isinstance(kind, T.StructType):
        pairs = (
            f"{_json_string(field.name)}: {json_text(each, field.dataType)}"
            for field, each in zip(kind.fields, value, strict=True)
        )
        return f"{{{', '.join(pairs)}}}"
    if isinstance(kind, T.BooleanType):
        return "true" if value else "false"
    if isinstance(kind, (T.FloatType, T.DoubleType)) and not math.isfinite(value):
        return "null"
    text = plain_text(value, kind)
    return text if isinstance(kind, (T.NumericType, T.VariantType)) else _json_string(text)


def _json_object(pairs: Any, kind: T.DataType) -> str:
    return f"{{{', '.join(f'{_json_string(key)}: {json_text(value, kind)}' for key, value in pairs)}}}"


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def json_line(names: Sequence[str], values: Sequence[Any], kinds: Sequence[T.DataType]) -> str:
    """A row as one line: an object with a key for each column."""
    pairs = zip(names, values, kinds, strict=True)
    return f"{{{', '.join(f'{_json_string(name)}: {json_text(value, kind)}' for name, value, kind in pairs)}}}"


def plain_text(value: Any, kind: T.DataType) -> str:
    """A value that is not NULL as text; a nested one as JSON."""
    if isinstance(kind, (T.ArrayType, T.MapType, T.StructType)):
        return json_text(value, kind)
    if isinstance(kind, T.BooleanType):
        return "true" if value else "false"
    if isinstance(kind, T.DecimalType):
        return format(value, "f")
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        number = np.float32(value) if isinstance(kind, T.FloatType) else float(value)
        return _NUMBERS_OF_NONE.get(text := str(number), text)
    if isinstance(kind, T.BinaryType):
        return b64encode(value).decode()
    if isinstance(kind, T.VariantType):
        return str(value.toJson())
    if isinstance(kind, T.TimestampType) and isinstance(value, Decimal):
        return _utc(value)
    if isinstance(kind, T.TimestampNTZType):
        return str(value).replace(" ", "T", 1)
    return str(value)


def _utc(seconds: Decimal) -> str:
    """A moment in UTC as ISO 8601 writes it; NumPy has all of Spark's years."""
    moment = str(np.datetime64(int(seconds.scaleb(6)), "us"))
    return f"{moment.rstrip('0').rstrip('.') if '.' in moment else moment}Z"


def csv_line(cells: Sequence[str | None]) -> str:
    """A row of CSV: NULL is an empty cell, an empty text is ``""``; quotes are where they must be."""
    # A line with nothing in it would be no row to those that read it.
    return ",".join(map(_csv_cell, cells)) if list(cells) != [None] else '""'


def _csv_cell(text: str | None) -> str:
    if text is None:
        return ""
    plain = text and text == text.strip() and not any(each in text for each in ',"\r\n')
    return text if plain else '"' + text.replace('"', '""') + '"'


def cell(value: Any, kind: T.DataType) -> str:
    """A value that is not NULL as a table shows it: on one line, with nothing that a terminal takes for a command."""
    if isinstance(kind, T.BinaryType):
        shown = bytes(value[:_MOST_BYTES]).hex().upper()
        return f"X'{shown}'" if len(value) <= _MOST_BYTES else f"X'{shown}...' ({len(value):,} bytes)"
    if isinstance(kind, T.TimestampNTZType):
        return str(value)
    return visible(plain_text(value, kind))


def visible(text: str) -> str:
    """A text with control characters as they are written in Python."""
    return text if text.isprintable() else "".join(_ESCAPES.get(each, each) for each in text)


_ESCAPES: Mapping[str, str] = {
    chr(code): repr(chr(code))[1:-1] for code in [*range(32), *range(127, 160), 0x2028, 0x2029, 0x202E]
}
