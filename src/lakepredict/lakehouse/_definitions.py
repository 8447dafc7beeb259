"""Schemas, views, external tables and functions as files of SQL text, which a person can read, run and compare; pure.

A file is the statement that makes the definition again, and after it, in a comment, what the statement alone does not
say: types of columns, and the settings, catalog and schema that the text was written under, as Spark keeps them in
a metastore::

    CREATE VIEW `default`.`large_stores` AS
    SELECT store FROM stores WHERE size > 1000
    /* lakepredict
    {...}
    */

Of the statement only the text after ``AS`` or ``RETURN`` is read; everything else is taken from the comment. So the
text may be mended by hand, as long as it gives the same columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lakepredict._sql import literal, quoted

Facts = dict[str, Any]
"""What ``_jvm.LakehouseCatalog`` tells of a definition, and takes."""

_MARK = "\n/* lakepredict\n"
_END = "\n*/"
_FORMAT = 1

_OWN = "view."
"""The properties of a view that begin so are Spark's own."""

_BODIES = ("sqlFunction.expression", "sqlFunction.query")
"""Which property of a function is its text."""

_FACTS: dict[str, dict[str, type]] = {
    "schema": {"comment": str, "properties": dict},
    "view": {"schema": str, "properties": dict, "owner": str, "createTime": int, "createVersion": str},
    "external": {"location": str},
    "function": {"class": str},
}
"""Without these a definition cannot be entered into the catalog."""


class DamagedError(ValueError):
    """A file that is not what this module writes."""


def to_text(kind: str, schema: str, name: str, facts: Facts) -> str:
    """The file of a definition."""
    head, body, rest = _TO_TEXT[kind](quoted(schema), quoted(name), dict(facts))
    return f"{head}{body}{_MARK}{_json({'format': _FORMAT, 'kind': kind, **rest})}{_END}\n"


def from_text(kind: str, text: str) -> Facts:
    """The facts of a definition, from its file.

    Raises:
        DamagedError: it has no such facts.
    """
    statement, mark, comment = text.rpartition(_MARK)
    facts = _parsed(comment.rstrip().removesuffix(_END)) if mark else None
    if not isinstance(facts, dict):
        raise DamagedError("it does not end with the comment that lakepredict writes")
    if facts.pop("format", None) != _FORMAT:
        raise DamagedError("it was written by a newer lakepredict")
    if facts.pop("kind", None) != kind:
        raise DamagedError(f"it is no {kind}")
    found = _FROM_TEXT[kind](statement, facts)
    for key, its_type in _FACTS[kind].items():
        if not isinstance(found.get(key), its_type):
            raise DamagedError(f"its comment has no {key}")
    return found


def damaged(kind: str, message: str, path: str) -> Facts:
    """Facts of a definition that can be replaced and dropped, and whose use is an error of Spark's with the message.

    Of an external table that message is Delta's, that it does not exist.
    """
    if kind == "external":
        return {"location": path}
    if kind == "schema":
        return {"comment": message, "properties": {}}
    if kind == "function":
        return {"class": message, "resources": []}
    nothing = {"owner": "", "createTime": 0, "createVersion": "", "properties": {}}
    return {**nothing, "text": f"SELECT * FROM {quoted(message)}", "schema": '{"type":"struct","fields":[]}'}


# --- writing -----------------------------------------------------------------------------------------------


def _schema_to_text(schema: str, name: str, facts: Facts) -> tuple[str, str, Facts]:
    location = f"\nLOCATION {literal(facts['location'])}" if facts.get("location") else ""
    properties = _map("WITH DBPROPERTIES", facts["properties"])
    return f"CREATE SCHEMA IF NOT EXISTS {schema}{_comment(facts)}{location}{properties}", "", facts


def _view_to_text(schema: str, name: str, facts: Facts) -> tuple[str, str, Facts]:
    query = facts.pop("text")
    if facts["originalText"] == query:
        del facts["originalText"]
    facts["columns"] = json.loads(facts.pop("schema"))["fields"]
    given = {key: value for key, value in facts["properties"].items() if not key.startswith(_OWN)}
    mode = facts["properties"].get("view.schemaMode")
    head = [
        f"CREATE VIEW {schema}.{name}{_columns(facts)}{_comment(facts)}{_map('TBLPROPERTIES', given)}",
        *([f"WITH SCHEMA {mode}"] if mode else []),
    ]
    return "\n".join(head) + "\nAS\n", query, facts


def _external_to_text(schema: str, name: str, facts: Facts) -> tuple[str, str, Facts]:
    return f"CREATE TABLE {schema}.{name}\nUSING delta\nLOCATION {literal(facts['location'])}", "", facts


def _function_to_text(schema: str, name: str, facts: Facts) -> tuple[str, str, Facts]:
    if "properties" not in facts:
        uses = ", ".join(f"{kind.upper()} {literal(uri)}" for kind, uri in facts["resources"])
        return f"CREATE FUNCTION {schema}.{name} AS {literal(facts['class'])}{uses and ' USING ' + uses}", "", facts
    given = facts["properties"] = dict(facts["properties"])
    facts["body"] = next(each for each in _BODIES if each in given)
    body = given.pop(facts["body"])
    result = given.get("sqlFunction.returnType", "")
    if given.get("sqlFunction.isTableFunc") == "true":
        result = f"TABLE({result})"
    comment = _comment({"comment": given.get("sqlFunction.comment")})
    head = f"CREATE FUNCTION {schema}.{name}({given.get('sqlFunction.inputParam', '')})\nRETURNS {result}{comment}"
    return f"{head}\nRETURN\n", body, facts


_TO_TEXT = {
    "schema": _schema_to_text,
    "view": _view_to_text,
    "external": _external_to_text,
    "function": _function_to_text,
}


def _columns(facts: Facts) -> str:
    """The list of columns, where the query alone does not say their names."""
    columns, properties = facts["columns"], facts["properties"]
    count = int(properties.get("view.query.out.numCols", 0))
    names = [properties.get(f"view.query.out.col.{each}") for each in range(count)]
    if names in ([], [each["name"] for each in columns]) and not any(each["metadata"] for each in columns):
        return ""
    shown = (f"  {quoted(each['name'])}{_comment(each['metadata'], ' ')}" for each in columns)
    return " (\n" + ",\n".join(shown) + "\n)"


def _comment(facts: Mapping[str, Any], separator: str = "\n") -> str:
    return f"{separator}COMMENT {_one_line(facts['comment'])}" if facts.get("comment") else ""


def _map(words: str, properties: Mapping[str, str]) -> str:
    shown = ", ".join(f"{_one_line(key)} = {_one_line(value)}" for key, value in sorted(properties.items()))
    return f"\n{words} ({shown})" if shown else ""


def _one_line(text: str) -> str:
    return literal(text).replace("\n", "\\n").replace("\r", "\\r")


def _json(facts: Mapping[str, Any]) -> str:
    """JSON with one line for each column and each property, which can stand in a comment."""
    lines = (f"  {json.dumps(key)}: {_lines(value)}" for key, value in facts.items() if value is not None)
    text = "{\n" + ",\n".join(lines) + "\n}"
    return text.replace("*/", "\\u002a/").replace("/*", "/\\u002a")


def _lines(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {_compact(each)}" for each in value) + "\n  ]"
    if isinstance(value, dict) and value:
        pairs = (f"    {_compact(key)}: {_compact(each)}" for key, each in sorted(value.items()))
        return "{\n" + ",\n".join(pairs) + "\n  }"
    return _compact(value)


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- reading -----------------------------------------------------------------------------------------------


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise DamagedError(f"its comment is no JSON: {exc}") from None


def _body(statement: str, word: str) -> str:
    _, mark, body = statement.partition(f"\n{word}\n")
    if not mark:
        raise DamagedError(f"its statement has no line {word}")
    return body


def _as_it_is(statement: str, facts: Facts) -> Facts:
    return facts


def _view_from_text(statement: str, facts: Facts) -> Facts:
    text = _body(statement, "AS")
    schema = json.dumps({"type": "struct", "fields": facts.pop("columns", None)})
    return {"originalText": text, **facts, "text": text, "schema": schema}


def _function_from_text(statement: str, facts: Facts) -> Facts:
    if "body" not in facts:
        return facts
    key = facts.pop("body")
    return {**facts, "properties": {**facts.get("properties", {}), key: _body(statement, "RETURN")}}


_FROM_TEXT = {"schema": _as_it_is, "view": _view_from_text, "external": _as_it_is, "function": _function_from_text}
