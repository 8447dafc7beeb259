"""The names of columns that a Delta table takes, decided from plain values; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import types as T

from lakepredict.errors import OutputNamesError

MAPPING = "delta.columnMapping.mode"
"""The property of a table that maps names to names in its files, so that any character may be in them."""

FEED = "delta.enableChangeDataFeed"

REFUSED = " ,;{}()\n\t="
"""The characters that the names in a table's files may not have."""

RESERVED = ("_change_type", "_commit_version", "_commit_timestamp")
"""The columns that a change data feed adds. Delta compares these names with regard to case."""

_SHOWN = 5
"""How many names an error message has at most."""

_ESCAPES = str.maketrans({"\n": "\\n", "\t": "\\t"})


@dataclass(frozen=True)
class OutputTable:
    """A Delta table as far as the names of its columns go.

    Attributes:
        name: in the catalog.
        exists: it is there already.
        properties: those that it has, or will have.
    """

    name: str
    exists: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def maps_names(self) -> bool:
        """Return whether any character may be in a name."""
        return self.properties.get(MAPPING, "none").lower() != "none"

    @property
    def keeps_feed(self) -> bool:
        """Return whether the table has a change data feed, whose columns have names of their own."""
        return self.properties.get(FEED, "false").lower() == "true"


def require_names(table: OutputTable, schema: T.StructType, prediction: str | None = None) -> None:
    """Refuse columns whose names Delta Lake would refuse, down to the fields of STRUCTs.

    Args:
        table: where the columns go.
        schema: the columns.
        prediction: the column with a model's outputs; None where there is none.

    Raises:
        OutputNamesError: two names differ in case alone, or one has a character or a meaning that the table refuses.
    """
    for path, struct in _structs(schema):
        require_distinct([f"{path}{column}" for column in struct.names], prediction)
    if not table.maps_names:
        _require_characters(table, schema, prediction)
    if table.keeps_feed:
        _require_unreserved(table, schema)


def require_distinct(names: Iterable[str], prediction: str | None = None) -> None:
    """Refuse names of columns that differ in case alone, or not at all.

    Raises:
        OutputNamesError: there are such names.
    """
    repeated = repetitions(names)
    if repeated:
        raise OutputNamesError(
            "Columns of the table would have the same name, since Delta Lake ignores case.",
            expected="names that differ in more than upper and lower case",
            got="; ".join(" and ".join(map(_shown, same)) for same in repeated[:_SHOWN]),
            hint=f"{_way_out(repeated[0][-1], prediction)}.",
        )


def repetitions(names: Iterable[str]) -> list[list[str]]:
    """Return the names that are the same but for their case, each group by itself."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.lower(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _require_characters(table: OutputTable, schema: T.StructType, prediction: str | None) -> None:
    refused: list[str] = []
    for path, struct in _structs(schema):
        refused += [f"{path}{column}" for column in struct.names if set(column) & set(REFUSED)]
    if not refused:
        return
    raise OutputNamesError(
        f"The table `{table.name}` cannot have columns with these names unless it has column mapping.",
        expected="names without spaces, tabs, line breaks and the characters , ; { } ( ) =",
        got=_list(refused),
        hint=f"{_way_to_map(table)}; or {_way_out(refused[0], prediction)}.",
    )


def _require_unreserved(table: OutputTable, schema: T.StructType) -> None:
    reserved = [column for column in schema.names if column in RESERVED]
    if reserved:
        raise OutputNamesError(
            f"The table `{table.name}` keeps a change data feed, which has columns with these names itself.",
            expected=f"other names than {', '.join(RESERVED)}",
            got=_list(reserved),
            hint=f"{_way_out(reserved[0], None)}; or turn the feed off, by the table's property {FEED}.",
        )


def _structs(data_type: T.DataType, path: str = "") -> Iterator[tuple[str, T.StructType]]:
    """Return each STRUCT in a type, with what stands before the names of its fields."""
    if isinstance(data_type, T.StructType):
        yield path, data_type
        for column in data_type:
            yield from _structs(column.dataType, f"{path}{column.name}.")
    elif isinstance(data_type, T.ArrayType):
        yield from _structs(data_type.elementType, f"{path.removesuffix('.')}[].")
    elif isinstance(data_type, T.MapType):
        yield from _structs(data_type.keyType, f"{path}key.")
        yield from _structs(data_type.valueType, f"{path}value.")


def _way_to_map(table: OutputTable) -> str:
    if table.exists:
        return (
            f"ALTER TABLE {table.name} SET TBLPROPERTIES ('{MAPPING}' = 'name') gives it column mapping,"
            " and then it is read by Delta Lake 1.2 or newer alone"
        )
    return "column_mapping=True (column_mapping: true below output: in a file) makes it with column mapping"


def _way_out(path: str, prediction: str | None) -> str:
    """Say how a column gets another name."""
    if prediction is not None and path == prediction:
        return "choose another name for the prediction"
    if prediction is not None and path.startswith((f"{prediction}.", f"{prediction}[]")):
        return (
            "log the model with other names of its outputs; or write the table by SQL, where"
            " CAST(PREDICT(...) AS STRUCT<...>) renames them"
        )
    return "rename a column by a query in place of the table, or name the columns to keep"


def _list(paths: Sequence[str]) -> str:
    more = f", and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(map(_shown, paths[:_SHOWN])) + more


def _shown(path: str) -> str:
    return f"`{path.translate(_ESCAPES)}`"
