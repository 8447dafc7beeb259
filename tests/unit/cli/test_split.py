"""Where one statement ends and the next begins, as Spark reads it."""

from __future__ import annotations

import pytest

from lakepredict.cli._split import UnfinishedError, is_complete, split, tokens

SPLIT = {
    "one": ("SELECT 1", ["SELECT 1"]),
    "two": ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
    "nothing": ("", []),
    "semicolons alone": (" ; ;;\n", []),
    "comments alone": ("-- nothing;\n/* and ; nothing */;", []),
    "string": ("SELECT ';'; SELECT 2", ["SELECT ';'", "SELECT 2"]),
    "double quotes": ('SELECT ";"; SELECT 2', ['SELECT ";"', "SELECT 2"]),
    "name": ("SELECT `;``;`; SELECT 2", ["SELECT `;``;`", "SELECT 2"]),
    "escaped quote": (r"SELECT 'it\';s'; SELECT 2", [r"SELECT 'it\';s'", "SELECT 2"]),
    "escaped backslash": (r"SELECT '\\'; SELECT ';'", [r"SELECT '\\'", "SELECT ';'"]),
    "doubled quote": ("SELECT 'it'';s'; SELECT 2", ["SELECT 'it'';s'", "SELECT 2"]),
    "raw string": (r"SELECT r'\'; SELECT R'\d;'", [r"SELECT r'\'", r"SELECT R'\d;'"]),
    "a name before a string": (r"SELECT for'\';'; SELECT 2", [r"SELECT for'\';'", "SELECT 2"]),
    "quotes in quotes": ("""SELECT "'"; SELECT '"';""", ["""SELECT "'\"""", """SELECT '"'"""]),
    "line comment": ("SELECT 1 -- a; b 'c\n + 1; SELECT 2", ["SELECT 1 -- a; b 'c\n + 1", "SELECT 2"]),
    "comment that goes on": ("SELECT 1 -- a \\\n ; b\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
    "comment in a string": ("SELECT '--'; SELECT '/*'; SELECT 3", ["SELECT '--'", "SELECT '/*'", "SELECT 3"]),
    "comment in a comment": ("SELECT 1 /* a; /* b; */ ; */; SELECT 2", ["SELECT 1", "SELECT 2"]),
    "quote in a comment": ("/* don't */ SELECT 1; -- won't\nSELECT 2", ["SELECT 1", "SELECT 2"]),
    "hint": ("SELECT /*+ COALESCE(1) */ 1; SELECT 2", ["SELECT /*+ COALESCE(1) */ 1", "SELECT 2"]),
    "script": ("BEGIN SELECT 1; SELECT 2; END; SELECT 3", ["BEGIN SELECT 1; SELECT 2; END", "SELECT 3"]),
    "script last": ("SELECT 1; begin select 2; end", ["SELECT 1", "begin select 2; end"]),
    "empty script": ("BEGIN END; SELECT 1", ["BEGIN END", "SELECT 1"]),
    "script in a script": ("BEGIN BEGIN SELECT 1; END; END; SELECT 2", ["BEGIN BEGIN SELECT 1; END; END", "SELECT 2"]),
    "label": (
        "BEGIN a: BEGIN SELECT 1; END a; SELECT v:begin; END; SELECT 2",
        ["BEGIN a: BEGIN SELECT 1; END a; SELECT v:begin; END", "SELECT 2"],
    ),
    "blocks": (
        "BEGIN IF true THEN SELECT 1; ELSE BEGIN SELECT 2; END; END IF; WHILE false DO SELECT 3; END WHILE;"
        " REPEAT SELECT 1; UNTIL CASE WHEN true THEN true END END REPEAT; END; SELECT 4",
        [
            "BEGIN IF true THEN SELECT 1; ELSE BEGIN SELECT 2; END; END IF; WHILE false DO SELECT 3; END WHILE;"
            " REPEAT SELECT 1; UNTIL CASE WHEN true THEN true END END REPEAT; END",
            "SELECT 4",
        ],
    ),
    "both cases": (
        "BEGIN CASE 1 WHEN 1 THEN SELECT CASE WHEN true THEN 1 ELSE 2 END; END CASE; END; SELECT 2",
        ["BEGIN CASE 1 WHEN 1 THEN SELECT CASE WHEN true THEN 1 ELSE 2 END; END CASE; END", "SELECT 2"],
    ),
    "handler": (
        "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SELECT 1; END; SELECT 2; END; SELECT 3",
        ["BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SELECT 1; END; SELECT 2; END", "SELECT 3"],
    ),
    "not atomic": ("BEGIN NOT ATOMIC BEGIN END; END; SELECT 1", ["BEGIN NOT ATOMIC BEGIN END; END", "SELECT 1"]),
    "names that are keywords": (
        "BEGIN SELECT w.end, begin, end FROM t; END; SELECT case, end FROM begin; SELECT 2",
        ["BEGIN SELECT w.end, begin, end FROM t; END", "SELECT case, end FROM begin", "SELECT 2"],
    ),
    "CASE outside of a script": (
        "SELECT CASE WHEN a THEN 1 END; SELECT 2",
        ["SELECT CASE WHEN a THEN 1 END", "SELECT 2"],
    ),
}
"""What it shows -> a text, and its statements. Spark's own lexer and parser are asked in tests/spark."""


@pytest.mark.parametrize("name", SPLIT)
def test_split(name: str) -> None:
    """A semicolon ends a statement, unless it is quoted, in a comment or in a script."""
    text, expected = SPLIT[name]

    assert expected == [each.text for each in split(text)]


def test_lines() -> None:
    """A statement begins where its first word is, not where the comment before it is."""
    text = "-- first\nSELECT 1;\n\n/* second\n */ SELECT\n 2; SELECT 3"

    assert [(each.line, each.verb, each.ended) for each in split(text)] == [
        (2, "SELECT", True),
        (5, "SELECT", True),
        (6, "SELECT", False),
    ]


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("SELECT 1;\nSELECT 'a;\n", "a string", 2),
        ('SELECT "a', "a string", 1),
        ("SELECT `a; SELECT 2", "a quoted name", 1),
        ("SELECT 1;\n\n/* a /* b */", "a comment", 3),
        ("SELECT 1;\nBEGIN SELECT 1;", "a BEGIN", 2),
        ("BEGIN IF true THEN SELECT 1; END IF;", "a BEGIN", 1),
    ],
)
def test_what_has_no_end(text: str, what: str, line: int) -> None:
    """A text that ends too early says what has no end, and where that begins."""
    with pytest.raises(UnfinishedError) as caught:
        split(text)

    assert (what, line) == (caught.value.what, caught.value.line)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", True),
        ("-- a comment", True),
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT 1; -- the end", True),
        ("SELECT 1; SELECT 2", False),
        ("SELECT ';", False),
        ("BEGIN SELECT 1;", False),
        ("BEGIN SELECT 1; END", False),
        ("BEGIN SELECT 1; END;", True),
    ],
)
def test_complete(text: str, complete: bool) -> None:
    """At the prompt, Enter runs what a semicolon ends, and goes on to the next line otherwise."""
    assert complete == is_complete(text)


def test_words_are_in_capitals() -> None:
    """Keywords are the same in any case; quoted texts stay as they are."""
    assert [each.text for each in tokens("select 'a', b")] == ["SELECT", "'a'", ",", "B"]
