"""Spark types and names as SQL text, for messages and statements; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import types as T


def sql_type(kind: T.DataType) -> str:
    """A type as it stands in a CAST, with the names of fields as they are: ``ARRAY<STRUCT<week: BIGINT>>``."""
    if isinstance(kind, T.ArrayType):
        return f"ARRAY<{sql_type(kind.elementType)}>"
    if isinstance(kind, T.MapType):
        return f"MAP<{sql_type(kind.keyType)}, {sql_type(kind.valueType)}>"
    if isinstance(kind, T.StructType):
        fields = ", ".join(f"{_plain(field.name)}: {sql_type(field.dataType)}" for field in kind.fields)
        return f"STRUCT<{fields}>"
    return kind.simpleString().upper()


def quoted(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A STRING literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def in_pairs(operator: str, operands: Sequence[str]) -> str:
    """Return the operands joined pair by pair, so that the expression is as shallow as can be.

    Spark walks through an expression by recursion: a chain of some hundred operators overflows the stack.
    """
    remaining = list(operands)
    while len(remaining) > 1:
        pairs = [f"({left} {operator} {right})" for left, right in zip(remaining[::2], remaining[1::2], strict=False)]
        remaining = pairs + remaining[len(pairs) * 2 :]
    return remaining[0]


def _plain(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else quoted(name)
