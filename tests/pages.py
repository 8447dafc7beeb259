"""The pages of the documentation, and the fenced blocks in them; for the tests that hold them to be true."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|run by): (?P<reason>[^\n]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$"
    r"(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the file that it stands in.
        line: the number of its first line of code.
        language: what the fence calls it.
        code: what it says.
        mark: ``not run`` or ``run by``, if a comment before the fence says so.
        reason: why it is not run, or by which test.
        output: the block of text that follows it, if there is one.
    """

    page: Path
    line: int
    language: str
    code: str
    mark: str | None
    reason: str | None
    output: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in their order; what a query gives belongs to the query's block."""
    text = page.read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, found.start("code")) + 1, **found.groupdict())  # type: ignore[arg-type]
        for found in _BLOCK.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks(page)]


def of_language(*languages: str) -> list[Block]:
    """The blocks that a test is to run."""
    return [block for block in BLOCKS if block.language in languages and block.mark is None]
