"""Splits a text into SQL statements at its semicolons, as Spark reads it; pure.

Strings, quoted names and comments are those of Spark's own lexer, with which the tests compare them. Spark's own
splitter is not used: for it a text is either one ``BEGIN ... END`` script or has none, a raw string has escapes, and a
statement has no line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

_TOKEN = re.compile(
    r"""
      (?P<space>\s+ | --(?:\\\n|[^\r\n])*)
    | (?P<comment>/\*(?!\+))
    | (?P<quoted>
          [rR]'[^']*' | [rR]"[^"]*"
        | '(?:[^'\\]|\\.|'')*'
        | "(?:[^"\\]|\\.|"")*"
        | `(?:[^`]|``)*`
      )
    | (?P<open>['"`])
    | (?P<end>;)
    | (?P<word>\w+)
    | (?P<other>/\*\+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*(?!\+)|\*/")

_OPENING = {"'": "a string", '"': "a string", "`": "a quoted name", "/": "a comment"}

_BEFORE_STATEMENT = {";", "BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "ATOMIC"}
"""After which, in a script, a statement begins, or its block ends."""

_OTHER_BLOCKS = {"IF", "CASE", "WHILE", "REPEAT", "LOOP", "FOR"}
"""What an END may end besides BEGIN; since all blocks are nested in each other, these need not be counted."""


@dataclass(frozen=True)
class Token:
    """A word, a quoted text or a sign; comments and spaces are none.

    Attributes:
        start: where it begins.
        stop: where it ends.
        text: what it is; words in capitals.
    """

    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class Statement:
    """One statement, without comments around it and without its semicolon.

    Attributes:
        text: as it is given to Spark.
        line: the line that it begins on, from 1.
        ended: whether a semicolon ends it.
    """

    text: str
    line: int
    ended: bool

    @property
    def verb(self) -> str:
        """Its first word, in capitals, or its first sign."""
        return next(tokens(self.text)).text


class UnfinishedError(ValueError):
    """A string, a quoted name, a comment or a BEGIN that the text does not end.

    Attributes:
        what: which of them.
        line: the line that it begins on, from 1.
    """

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what} has no end")
        self.what = what
        self.line = line


def split(text: str) -> list[Statement]:
    """The statements of a text. A ``BEGIN ... END`` script is one.

    Raises:
        UnfinishedError: the text ends within a string, a quoted name, a comment or a script.
    """
    statements = []
    current: list[Token] = []
    depth = _Depth()
    found = list(tokens(text))
    for token, following in zip_longest(found, found[1:]):
        if token.text == ";" and depth.blocks == 0:
            if current:
                statements.append(_statement(text, current, ended=True))
            current, depth = [], _Depth()
        else:
            current.append(token)
            depth.see(token.text, following.text if following else "")
    if depth.blocks:
        raise UnfinishedError("a BEGIN", _line(text, current[0].start))
    if current:
        statements.append(_statement(text, current, ended=False))
    return statements


def is_complete(text: str) -> bool:
    """Whether what was typed may be run: nothing, or statements of which the last is ended."""
    try:
        statements = split(text)
    except UnfinishedError:
        return False
    return all(each.ended for each in statements)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text.

    Raises:
        UnfinishedError: the text ends within one, or within a comment.
    """
    at = 0
    while found := _TOKEN.match(text, at):
        kind, start, at = found.lastgroup, at, found.end()
        if kind == "comment":
            at = _comment_end(text, start)
        elif kind == "open":
            raise UnfinishedError(_OPENING[text[start]], _line(text, start))
        elif kind != "space":
            token = found.group()
            yield Token(start, at, token.upper() if kind == "word" else token)


def _comment_end(text: str, start: int) -> int:
    """Where a comment ends, which may have others in it."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise UnfinishedError(_OPENING["/"], _line(text, start))


class _Depth:
    """How deep the tokens seen so far are in the BEGINs of a script.

    BEGIN, END and CASE are names as well. As keywords of a script they stand where a statement may begin; an END
    elsewhere ends a CASE expression.
    """

    def __init__(self) -> None:
        self.blocks = 0
        self._last = ""
        self._label = False
        self._cases = 0
        self._handler = False

    def see(self, text: str, following: str) -> None:
        """Take the next token of a statement, and look at the one after it."""
        begins = self._label if self._last == ":" else self._last in _BEFORE_STATEMENT and not self._cases
        if not self._last:
            self.blocks = int(text == "BEGIN")
        elif self.blocks:
            self._count(text, following, begins)
        self._handler = text == "HANDLER" or (self._handler and text not in (";", "BEGIN"))
        self._label = begins if text != ":" else self._label
        self._last = text

    def _count(self, text: str, following: str, begins: bool) -> None:
        if text == "BEGIN" and (begins or self._handler):
            self.blocks += 1
        elif text == "END" and begins:
            self.blocks -= following not in _OTHER_BLOCKS
        elif text == "END" and self._cases:
            self._cases -= 1
        elif text == "CASE" and not begins and self._last != "END":
            self._cases += 1


def _statement(text: str, parts: list[Token], *, ended: bool) -> Statement:
    start = parts[0].start
    return Statement(text[start : parts[-1].stop], _line(text, start), ended)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
