"""Definitions as files of SQL text, and what a look at a lakehouse's folders brings."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lakepredict._jvm import Listed
from lakepredict.lakehouse._attach import Key, differences, present
from lakepredict.lakehouse._definitions import DamagedError, Facts, damaged, from_text, to_text

QUERY = "SELECT store, PREDICT('sales', 'champion', *) AS forecast\nFROM next_week -- the newest"


def column(name: str, kind: str, **metadata: str) -> dict[str, object]:
    """A column as Spark keeps it."""
    return {"name": name, "type": kind, "nullable": True, "metadata": metadata}


def view(text: str = QUERY, comment: str | None = "what will be sold", **properties: str) -> Facts:
    """Facts of a view as the catalog tells them."""
    own = {
        "view.query.out.numCols": "2",
        "view.query.out.col.0": "store",
        "view.query.out.col.1": "forecast",
        "view.schemaMode": "COMPENSATION",
    }
    fields = [column("shop", "integer", comment="its number"), column("forecast", "double")]
    return {
        "schema": json.dumps({"type": "struct", "fields": fields}),
        "properties": {**own, **properties},
        "text": text,
        "originalText": text,
        "comment": comment,
        "owner": "",
        "createTime": 1764028800000,
        "createVersion": "4.2.0",
    }


FUNCTION = {
    "class": "sqlFunction.",
    "properties": {
        "sqlFunction.inputParam": "x DOUBLE COMMENT 'a price'",
        "sqlFunction.returnType": "DOUBLE",
        "sqlFunction.comment": "it's a forecast",
        "sqlFunction.isTableFunc": "false",
        "sqlFunction.expression": "PREDICT('sales', 1, x)",
    },
}
TABLE_FUNCTION = {
    "class": "sqlFunction.",
    "properties": {
        "sqlFunction.inputParam": "least DOUBLE",
        "sqlFunction.returnType": "store INT",
        "sqlFunction.isTableFunc": "true",
        "sqlFunction.query": "SELECT store FROM forecasts WHERE forecast > least",
    },
}
JAVA_FUNCTION = {"class": "org.example.Upper", "resources": [["jar", "hdfs://host/upper.jar"]]}
EXTERNAL = {"location": "hdfs://host/it's/forecast"}
SCHEMA = {"comment": "of the shops", "location": "hdfs://host/shops", "properties": {"owner": "ann", "k": "v"}}


@pytest.mark.parametrize(
    ("name", "kind", "facts"),
    [
        ("view", "view", view(k="it's")),
        ("function", "function", FUNCTION),
        ("table_function", "function", TABLE_FUNCTION),
        ("java_function", "function", JAVA_FUNCTION),
        ("schema", "schema", SCHEMA),
        ("external", "external", EXTERNAL),
    ],
)
def test_files(golden: Callable[[str, str], None], name: str, kind: str, facts: Facts) -> None:
    """A file is a statement that a person can read, and then what goes with it."""
    golden(f"lakehouse/{name}.sql", to_text(kind, "shops", "forecast", facts).removesuffix("\n"))


@pytest.mark.parametrize(
    "text",
    [
        QUERY,
        "SELECT 1 AS store, '\nAS\n' AS forecast",
        "SELECT 1 AS store, 'a\r\nb\t\u00e9\u2028' AS forecast",
        "SELECT 1 AS store, 2 AS forecast\n/* lakepredict\n{}\n*/",
        "/* a */ SELECT 1 AS store, /* b */ 2 AS forecast /* c",
        "",
    ],
)
def test_query_comes_back_to_the_letter(text: str) -> None:
    """Whatever is in a query, it is read as it was written."""
    assert from_text("view", to_text("view", "s", "v", view(text))) == {**view(text), "comment": "what will be sold"}


def test_external_table_comes_back() -> None:
    """An external table is where it was."""
    assert from_text("external", to_text("external", "s", "t", EXTERNAL)) == EXTERNAL


@pytest.mark.parametrize("facts", [FUNCTION, TABLE_FUNCTION, JAVA_FUNCTION])
def test_function_comes_back(facts: Facts) -> None:
    """A function is what it was."""
    assert from_text("function", to_text("function", "s", "f", facts)) == facts


def test_comment_cannot_end_too_early() -> None:
    """What would begin or end a comment of SQL does not do so in the facts."""
    facts = view(comment="/* one */ /*/", k="*/ DROP TABLE sales; /*")
    text = to_text("view", "s", "v", facts)

    assert text.count("\n*/") == 1
    assert "/*" not in text.rpartition("\n/* lakepredict\n")[2]
    assert from_text("view", text) == facts


def test_line_break_in_a_name_is_no_line() -> None:
    """A comment of several lines stands in one, so that the query's line can be told."""
    facts = view(comment="one\nAS\ntwo")

    assert from_text("view", to_text("view", "s", "v", facts)) == facts


def test_text_mended_by_hand() -> None:
    """A query that somebody has changed in the file counts."""
    text = to_text("view", "s", "v", view()).replace("next_week", "this_week").replace("what will be sold", "x", 1)
    found = from_text("view", text)

    assert found["text"] == found["originalText"] == QUERY.replace("next_week", "this_week")
    assert found["comment"] == "what will be sold"


GOOD = to_text("view", "s", "v", view())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not end with the comment"),
        ("CREATE VIEW v AS SELECT 1", "does not end with the comment"),
        (GOOD[: len(GOOD) // 2], "is no JSON"),
        (GOOD.replace('"format": 1', '"format": 2'), "newer lakepredict"),
        (GOOD.replace('"kind": "view"', '"kind": "schema"'), "is no view"),
        (GOOD.replace("\nAS\n", "\n"), "no line AS"),
        (GOOD.replace('"owner"', '"owned"'), "has no owner"),
        ("\n/* lakepredict\n[]\n*/", "does not end with the comment"),
    ],
)
def test_damaged_files(text: str, reason: str) -> None:
    """What is wrong with a file is said."""
    with pytest.raises(DamagedError, match=reason):
        from_text("view", text)


@pytest.mark.parametrize("kind", ["schema", "view", "external", "function"])
def test_stand_ins_for_damaged_files(kind: str) -> None:
    """What stands for a damaged file has all facts that a definition needs, and names the file."""
    facts = {"originalText": None, **damaged(kind, "the file /x.sql is damaged", "/x.sql")}

    assert "/x.sql" in to_text(kind, "s", "x", facts)
    assert from_text(kind, to_text(kind, "s", "x", facts))


def listed(*paths: str) -> list[Listed]:
    """Entries of a folder: those that end with a slash are folders."""
    return [Listed(each.removesuffix("/"), each.endswith("/"), 7, len(each)) for each in paths]


def test_what_is_present() -> None:
    """Folders are tables and schemas, files are definitions; what cannot be either is left out."""
    tables = listed("sales/", "shops.db/", "shops.db/visits/", "not-a-name/", "a.file", "_hidden/", "shops.db/x.sql")
    views = listed("default/", "default/v.sql", "other/w.sql", "default/.v.sql.tmp", "default/v.sql.bak", "top.sql/")
    functions = listed("default/a%2Fb.sql")
    found = present(tables, {"view": views, "function": functions, "schema": listed("named.sql")})

    assert set(found) == {
        Key("table", "default", "sales"),
        Key("table", "default", "_hidden"),
        Key("table", "shops", "visits"),
        Key("schema", "shops", "shops"),
        Key("schema", "other", "other"),
        Key("schema", "named", "named"),
        Key("view", "default", "v"),
        Key("view", "other", "w"),
        Key("function", "default", "a/b"),
    }
    assert found[Key("view", "default", "v")] == (7, len("default/v.sql"))
    assert found[Key("schema", "shops", "shops")] is None


def test_differences_are_ordered() -> None:
    """Schemas come before what is in them and go after it; what has not changed is let alone."""
    schema, table, old, new = (
        Key("schema", "s", "s"),
        Key("table", "s", "t"),
        Key("view", "s", "v"),
        Key("view", "s", "w"),
    )
    known = {old: (1, 1), table: None, Key("view", "s", "same"): (2, 2)}
    found = {new: (1, 1), schema: None, old: (1, 2), Key("view", "s", "same"): (2, 2)}

    assert differences(known, found) == ([schema, old, new], [table])
    assert differences({schema: None, table: None, old: (1, 1)}, {}) == ([], [old, table, schema])


def test_the_default_schema_stays() -> None:
    """Spark cannot be without it, even if its file is gone."""
    assert differences({Key("schema", "default", "default"): (1, 1)}, {}) == ([], [])
