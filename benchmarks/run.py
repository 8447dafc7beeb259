"""The command line: ask questions, show the answers, write them into docs/performance.md."""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from cases import CASES
from measure import Answer, Plan, ask
from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

Row = tuple[str, ...]

KEY = ("question", "rows", "cores")
TIMED = ("PREDICT", "`spark_udf`", "ratio", "pairs")
WARM = (*KEY, *TIMED, "scan", "PREDICT to scan", "`transform`", "compiled", "ratio compiled")
FIRST = (*KEY, *TIMED, "memory with PREDICT", "memory with `spark_udf`")


def warm_rows(answers: Sequence[Answer]) -> list[Row]:
    """The lines of the table of later queries."""
    return [
        (
            *key(each.plan),
            *timed(each.warm),
            seconds(each.warm["scan"]),
            ratio(each.warm["scan"], each.warm["PREDICT"]),
            seconds(each.warm.get("transform", [])),
            seconds(each.warm.get("compiled", [])),
            ratio(each.warm["compiled"], each.warm["spark_udf"]) if "compiled" in each.warm else "",
        )
        for each in answers
    ]


def first_rows(answers: Sequence[Answer]) -> list[Row]:
    """The lines of the table of first queries, where there were any."""
    return [
        (*key(each.plan), *timed(each.first), *(megabytes(each.memory[name]) for name in ("PREDICT", "spark_udf")))
        for each in answers
        if each.plan.firsts
    ]


def key(plan: Plan) -> Row:
    """What tells one line from another."""
    found = re.fullmatch(r"local\[(.+)\]", plan.master)
    return f"`{plan.question}`", f"{plan.rows:,}", found.group(1) if found else plan.master


def timed(taken: dict[str, list[float]]) -> Row:
    """PREDICT, its peer, and the ratio of the two."""
    ours, theirs = taken["PREDICT"], taken["spark_udf"]
    return seconds(ours), seconds(theirs), ratio(ours, theirs), str(len(ours))


def seconds(taken: Sequence[float]) -> str:
    """The median, in seconds; nothing for what was not timed."""
    return f"{statistics.median(taken):.2f} s" if taken else ""


def megabytes(peak: int | None) -> str:
    """A worker's memory, or that there was no worker."""
    return "no worker" if peak is None else f"{peak:,} MB"


def ratio(ours: list[float], theirs: list[float]) -> str:
    """How many times as long as the first the second took: the median of the rounds, the smallest and the largest."""
    found = sorted(their / our for our, their in zip(ours, theirs, strict=True))
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def markdown(head: Sequence[str], rows: Sequence[Row]) -> str:
    """A table in Markdown."""
    lines = [tuple(head), ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows_of(table: str) -> list[Row]:
    """The lines of a table that :func:`markdown` made, without its head."""
    return [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in table.splitlines()[2:]]


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """The old lines with the new ones in their place, in the order of the questions."""
    lines = {row[: len(KEY)]: row for row in (*old, *new)}
    order = [f"`{name}`" for name in CASES]
    return sorted(lines.values(), key=lambda row: (order.index(row[0]), int(row[1].replace(",", "")), row[2]))


def block(page: str, name: str) -> str:
    """What stands between the markers of a block."""
    return _find(page, name).group(2)


def with_block(page: str, name: str, text: str) -> str:
    """The page with another text between the markers of a block."""
    found = _find(page, name)
    return f"{page[: found.start(2)]}{text}\n{page[found.end(2) :]}"


def _find(page: str, name: str) -> re.Match[str]:
    found = re.search(rf"(<!-- generated: {name} -->\n)(.*?)(?=<!-- end -->)", page, re.DOTALL)
    if found is None:
        raise ValueError(f"docs/performance.md has no place for {name}")
    return found


def questions() -> str:
    """The table of questions."""
    return markdown(("question", "what is scored"), [(f"`{each.name}`", each.question) for each in CASES.values()])


def updated(page: str, answers: Sequence[Answer]) -> str:
    """The page with the answers in its tables.

    Lines of other questions stay where they were measured on the same machine, versions and day; else the tables
    begin anew.
    """
    machine = answers[-1].machine
    same = block(page, "machine").strip() == machine
    for name, head, new in (("warm", WARM, warm_rows(answers)), ("first", FIRST, first_rows(answers))):
        kept = rows_of(block(page, name)) if same else []
        page = with_block(page, name, markdown(head, merged(kept, new)))
    return with_block(with_block(page, "machine", machine), "questions", questions())


def show(console: Console, answers: Sequence[Answer]) -> None:
    """Print both tables."""
    tables = (
        ("later queries", WARM, warm_rows(answers)),
        ("first query of a session", FIRST, first_rows(answers)),
    )
    for title, head, rows in tables:
        table = Table(title=title)
        for place, name in enumerate(head):
            table.add_column(name.replace("`", ""), justify="right" if place else "left")
        for row in rows:
            table.add_row(*(cell.replace("`", "") for cell in row))
        console.print(table)
    console.print(answers[-1].machine)


def odd(text: str) -> int:
    """An odd number, so that a median is one of the values."""
    number = int(text)
    if number < 1 or number % 2 == 0:
        raise argparse.ArgumentTypeError("an odd number, such as 5, is needed")
    return number


def odd_or_none(text: str) -> int:
    """An odd number, or 0."""
    return 0 if text == "0" else odd(text)


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    options = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    options.add_argument("questions", nargs="*", metavar="question", help=f"of {', '.join(CASES)}; none means all")
    options.add_argument("--rows", type=int, help="rows to score, instead of each question's own number")
    options.add_argument("--rounds", type=odd, default=5, help="how often later queries take turns (5)")
    options.add_argument("--firsts", type=odd_or_none, default=3, help="how many first queries there are of each (3)")
    options.add_argument("--master", default="local[2]", help="where Spark runs (local[2])")
    options.add_argument("--quick", action="store_true", help="a tenth of the rows, to see that it works")
    options.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    return options


def plans(given: argparse.Namespace) -> list[Plan]:
    """What is to be measured."""
    asked = [CASES[name] for name in given.questions or CASES]
    share = 10 if given.quick else 1
    return [
        Plan(case.name, (given.rows or case.rows) // share, given.master, given.rounds, given.firsts) for case in asked
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, show, and write after each question, so that an interrupted run loses one at most."""
    options = parser()
    given = options.parse_args(arguments)
    unknown = sorted(set(given.questions) - set(CASES))
    if unknown:
        options.error(f"no such question: {', '.join(unknown)}")
    console = Console()
    answers = []
    for plan in plans(given):
        console.print(f"{plan.question}: {plan.rows:,} rows on {plan.master} ...")
        answers.append(ask(plan))
        if given.write:
            PAGE.write_text(updated(PAGE.read_text("utf-8"), answers[-1:]), "utf-8")
    show(console, answers)


if __name__ == "__main__":
    main()
