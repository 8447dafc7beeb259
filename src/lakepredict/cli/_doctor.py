"""``lakepredict doctor``: what there is on this machine, what is missing, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from lakepredict._place import locate
from lakepredict.cli._checks import FAILED, OK, WARNING, Check
from lakepredict.cli._examine import examine
from lakepredict.cli._options import lakehouse_option

_MARKS = {OK: ("✓", "+", "green"), WARNING: ("!", "!", "yellow"), FAILED: ("✗", "x", "red")}
"""Status -> its mark, the one where there is no Unicode, and a colour."""


@click.command()
@click.option("--no-spark", is_flag=True, help="Start no Spark session, which takes most of the time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@lakehouse_option
def doctor(no_spark: bool, as_json: bool, lakehouse: str) -> None:
    """Check that what lakepredict needs is there and works, and say what to do where it does not.

    A Spark session is started, a query runs in a Python worker, and a small Delta table is written in the lakehouse,
    read and removed. Nothing is left behind, and no model is called.

    Exit status 0: all is well, or there are only warnings; 1: something fails; 2: an option is wrong.
    """
    console, checks = Console(highlight=False), []
    for each in examine(locate(lakehouse), no_spark, Console(stderr=True)):
        checks.append(each)
        if not as_json:
            _print(each, console)
    failed = any(each.status == FAILED for each in checks)
    if as_json:
        facts = {"ok": not failed, "checks": [asdict(each) for each in checks]}
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    else:
        console.print(f"\n{verdict(checks)}", soft_wrap=True)
    sys.exit(1 if failed else 0)


def _print(check: Check, console: Console) -> None:
    mark, plain, color = _MARKS.get(check.status, ("-", "-", "dim"))
    shown = mark if console.encoding.startswith("utf") else plain
    console.print(Text.assemble((shown, color), f" {check.name:<15}  {check.found}"), soft_wrap=True)
    if check.hint:
        console.print(Text(f"{'':<19}{check.hint}", style=color), soft_wrap=True)


def verdict(checks: Sequence[Check]) -> str:
    """How many checks fail or warn, in a sentence or two."""
    failed, warnings = (sum(each.status == status for each in checks) for status in (FAILED, WARNING))
    warned = f"{warnings} warning{'s' * (warnings > 1)}." if warnings else ""
    if failed:
        return f"{failed} of {len(checks)} checks fail{'s' * (failed == 1)}. {warned}".strip()
    return f"Nothing fails. {warned}" if warnings else "All is well."
