"""A PREDICT call as the analyzer resolved it, and what replaces it; pure."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import types as T
from pyspark.sql.udf import UserDefinedFunction

from lakepredict._settings import Settings


@dataclass(frozen=True)
class CallArgument:
    """An argument of a PREDICT call, as the analyzer resolved it.

    Attributes:
        type: its Spark type.
        name: the name of the column or field, or the one given by ``name => expression``; else None.
        explicit: whether the name was given by ``name => expression``.
        sql: the argument as SQL text.
        constant: whether it is known now.
        value: computes the value of a constant: None, a bool, an int, a string, a dict for a STRUCT or a MAP with
            STRING keys, or else its text and type.
    """

    type: T.DataType
    name: str | None
    explicit: bool
    sql: str
    constant: bool
    value: Callable[[], object]


@dataclass(frozen=True)
class Call:
    """A PREDICT call while it is analysed, with the settings of the session that analyses it.

    Attributes:
        arguments: the arguments in the order of the call, ``*`` already expanded.
        case_sensitive: the session's ``spark.sql.caseSensitive``.
        timezone: the session's ``spark.sql.session.timeZone``.
        settings: the session's ``spark.lakepredict`` settings.
        memo: what calls of one query tell each other, so that all see one version of a model.
        one_by_one: whether it is known that each argument was written, and none came of a ``*``.
    """

    arguments: tuple[CallArgument, ...]
    case_sensitive: bool
    timezone: str
    settings: Settings
    memo: MutableMapping[str, int]
    one_by_one: bool


@dataclass(frozen=True)
class Feed:
    """One argument of a UDF: which argument of the call, which field of it, cast to which type.

    A struct is built anew of the fields that the type's metadata name (``_casts.PLACE``), for a CAST would take its
    fields by position.
    """

    source: tuple[int, int | None]
    cast_to: T.DataType | None


@dataclass(frozen=True)
class Splice:
    """What replaces a PREDICT call.

    Attributes:
        target: a Python UDF, or a data frame of one column, computed from an empty one of the inputs by
            projections alone, whose computation becomes part of the query.
        feeds: the arguments of the UDF, or what stands for the columns of the empty data frame.
        name: how EXPLAIN shows a data frame's computation, for example ``predict[sales_forecast v3]``.
        lenient: whether a row that the data frame's computation fails on gets NULL.
    """

    target: UserDefinedFunction | DataFrame
    feeds: tuple[Feed, ...]
    name: str
    lenient: bool = False
