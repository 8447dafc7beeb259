"""Facts as tables for people, or as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Facts = Mapping[str, Any]

_WIDE = 200
"""Columns where standard output is no terminal: lines that a program reads do not break early."""

_MOST = 4
"""How many metrics, and how many parameters, a table of runs shows at most."""

_WIDEST = 40
"""Characters of a parameter in a table of runs."""

_NONE = "[dim]-[/dim]"


@dataclass(frozen=True)
class _Column:
    """A column of a table that leaves out what the terminal has no room for.

    Attributes:
        head: what stands above it.
        cells: its values, one for each row, None for none.
        worth: columns of the least worth are left out first; those of 0 never.
        right: whether it is of numbers.
    """

    head: str
    cells: list[str | None]
    worth: int = 0
    right: bool = False

    @property
    def width(self) -> int:
        """How wide it is, with the line at its side."""
        return max(cell_len(each or "-") for each in [self.head, *self.cells]) + 3


def show(facts: Facts, tables: Callable[[Facts], Iterable[RenderableType]], as_json: bool) -> None:
    """Print facts, as JSON or as the tables made of them."""
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return
    console = _console()
    for each in tables(facts):
        console.print(each, soft_wrap=isinstance(each, Text))  # text is pasted; tables keep to the terminal


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    return console


def runs(facts: Facts) -> Iterator[RenderableType]:
    """A line for each run, with as many metrics and parameters as there is room for."""
    shown = facts["runs"]
    if not shown:
        yield Text(f"The experiment {facts['experiment']['name']} has no runs.")
        return
    metrics, params = _most_common(facts["metric"], shown), _most_telling(facts["differing_params"], shown)
    columns = _fitting(_run_columns(facts, metrics[:_MOST], params[:_MOST]), _console().width)
    table = Table()
    for each in columns:
        table.add_column(escape(each.head), justify="right" if each.right else "left", overflow="fold")
    for position, run in enumerate(shown):
        style = "bold green" if run["rank"] == 1 else "dim" if run["rank"] is None and facts["metric"] else None
        table.add_row(*(_safe(each.cells[position]) for each in columns), style=style)
    yield table
    heads = {each.head for each in columns}
    hidden = len([each for each in metrics if each not in heads]), len([each for each in params if each not in heads])
    yield Text(_runs_note(facts, *hidden), style="dim")


def _run_columns(facts: Facts, metrics: list[str], params: list[str]) -> list[_Column]:
    shown = facts["runs"]
    return [
        _Column("", ["" if each["rank"] is None else str(each["rank"]) for each in shown], right=True),
        _Column("run", [each["name"] for each in shown]),
        _Column("run id", [each["run_id"][:8] for each in shown]),
        _Column("status", [each["status"] for each in shown], worth=9),
        _Column("started", [each["started"] and _local(each["started"]) for each in shown], worth=6),
        _Column("seconds", [_seconds(each) for each in shown], worth=1, right=True),
        *(
            _Column(name, [_metric(each, name) for each in shown], worth=position and 9 - 2 * position, right=True)
            for position, name in enumerate(metrics)
        ),
        *(
            _Column(name, [_param(each, name) for each in shown], worth=8 - 2 * position)
            for position, name in enumerate(params)
        ),
    ]


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """The columns that fit side by side, those of the greatest worth."""
    kept = list(columns)
    while sum(each.width for each in kept) + 1 > width and any(each.worth for each in kept):
        kept.remove(min((each for each in kept if each.worth), key=lambda each: each.worth))
    return kept


def _seconds(run: Facts) -> str | None:
    return None if run["seconds"] is None else f"{run['seconds']:.1f}"


def _metric(run: Facts, name: str) -> str | None:
    return _figure(run["metrics"][name]) if name in run["metrics"] else None


def _param(run: Facts, name: str) -> str | None:
    value: str | None = run["params"].get(name)
    return value if value is None or len(value) <= _WIDEST else f"{value[: _WIDEST - 1]}…"


def _most_common(first: str | None, shown: list[Facts]) -> list[str]:
    """The metrics of runs: that which ranks, then the others, those that most runs have first, and durations last."""
    from lakepredict.tracking._metrics import is_duration

    counts = Counter(name for each in shown for name in each["metrics"])
    others = sorted(counts.keys() - {first}, key=lambda name: (is_duration(name), -counts[name], name))
    return [*([first] if first else []), *others]


def _most_telling(names: list[str], shown: list[Facts]) -> list[str]:
    """Parameters: those that were chosen differently, then those of the best run, then those that some runs have."""

    def rank(name: str) -> tuple[bool, bool]:
        values = {each["params"][name] for each in shown if name in each["params"]}
        return len(values) < 2, name not in shown[0]["params"]

    return sorted(names, key=rank)


def _runs_note(facts: Facts, metrics: int, params: int) -> str:
    way = {"min": "less is better", "max": "more is better", None: ""}[facts["mode"]]
    parts = [f"best first by {facts['metric']} ({way})" if facts["metric"] else "newest first; --metric compares them"]
    if facts["total"] > len(facts["runs"]):
        parts.append(f"{len(facts['runs'])} of {facts['total']} runs, --limit shows more")
    kinds = ((metrics, "metric"), (params, "parameter"))
    hidden = [f"{count} {kind}{'s' * (count > 1)}" for count, kind in kinds if count]
    if hidden:
        parts.append(f"{' and '.join(hidden)} more with --json")
    return "; ".join(parts)


def run(facts: Facts) -> Iterator[RenderableType]:
    """A run's facts one below the other, then a table for each kind that it has."""
    yield _pairs(
        {
            "run": facts["name"],
            "run id": facts["run_id"],
            "experiment": facts["experiment"]["name"],
            "parent run": facts["parent_run_id"],
            "status": facts["status"],
            "started": _local(facts["started"]),
            "seconds": _seconds(facts),
            "user": facts["user"],
            "models": ", ".join(each["name"] for each in facts["models"]),
            "registered as": ", ".join(f"{each['name']} version {each['version']}" for each in facts["registered"]),
        }
    )
    yield from _table("metrics", ("metric", "value>"), ((name, _figure(v)) for name, v in facts["metrics"].items()))
    yield from _table("parameters", ("parameter", "value"), ((n, _safe(v)) for n, v in facts["params"].items()))
    yield from _table("tags", ("tag", "value"), ((n, _safe(v)) for n, v in facts["tags"].items()))
    yield from _table(
        "datasets",
        ("dataset", "context", "table", "version>"),
        ([_safe(each[key]) for key in ("name", "context", "table", "version")] for each in facts["datasets"]),
    )
    yield from _table(
        "artifacts",
        ("file", "bytes>"),
        ((_safe(each["path"]), f"{each['bytes'] or 0:,}") for each in facts["artifacts"]),
    )


def models(facts: Facts) -> Iterator[RenderableType]:
    """A line for each registered model."""
    if not facts["models"]:
        yield Text("No model is registered.")
    yield from _table(
        None,
        ("model", "versions>", "latest>", "aliases", "updated", "description"),
        (
            (
                _safe(each["name"]),
                str(each["version_count"]),
                _safe(each["latest"]),
                _safe(", ".join(f"{alias}: {version}" for alias, version in each["aliases"].items())),
                _local(each["updated"]),
                _safe(each["description"]),
            )
            for each in facts["models"]
        ),
    )


def model(facts: Facts) -> Iterator[RenderableType]:
    """The versions, then the signature of one and a statement that calls it."""
    yield _pairs({"model": facts["name"], "description": facts["description"]})
    listed, total = len(facts["versions"]), facts["version_count"]
    title = "versions" if listed == total else f"versions, the newest {listed} of {total}"
    yield from _table(
        title,
        ("version>", "aliases", "created", "run", "run id", "learnt from"),
        (
            (
                str(each["version"]),
                _safe(", ".join(each["aliases"])),
                _local(each["created"]),
                _safe(each["run_name"]),
                _safe(each["run_id"] and each["run_id"][:8]),
                _safe(_learnt_from(each)),
            )
            for each in facts["versions"]
        ),
    )
    shown = facts["shown"]
    if shown is None:
        yield Text("The model has no version.")
    elif shown["problem"]:
        yield Text(f"\nPREDICT cannot use version {shown['version']}:\n{shown['problem']}")
    else:
        yield from _version(shown)


def _version(shown: Facts) -> Iterator[RenderableType]:
    # A model of MLflow's Python functions alone has no other form.
    flavors = ", ".join(shown["flavors"]) or "python_function"
    yield from _table(
        f"version {shown['version']} ({flavors}) gives {shown['result']}",
        ("input", "type", "required"),
        (
            (_safe(each["name"] or f"position {position}"), each["type"], "yes" if each["required"] else "no")
            for position, each in enumerate(shown["inputs"], 1)
        ),
    )
    for note in shown["notes"]:
        yield Text(f"note: {note}", style="yellow")
    yield Text()
    yield Text(f"{shown['predict']};", style="cyan")


def _learnt_from(version: Facts) -> str | None:
    training = version["training"]
    if training is None:
        return None
    at = "" if training["version"] is None else f" version {training['version']}"
    return f"{training['table']}{at}"


def _pairs(values: Mapping[str, str | None]) -> Table:
    """Names and values one below the other, without those that have none."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in values.items():
        if value:
            table.add_row(name, _safe(value))
    return table


def _table(title: str | None, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[RenderableType]:
    """A line and a table, or nothing where there are no rows; a head that ends in ``>`` is of numbers."""
    table = Table()
    for head in heads:
        right = head.endswith(">")
        table.add_column(head.rstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        if title:
            yield Text(f"\n{title}", style="bold")
        yield table


def _figure(value: float | None) -> str:
    """A metric to six digits."""
    return "no number" if value is None else f"{value:,.6g}"


def _safe(value: object) -> str:
    """A value as text that rich does not read as markup."""
    return _NONE if value in (None, "") else escape(str(value))


def _local(time: str | None) -> str:
    """A time of UTC as the clock of this machine shows it, to the minute."""
    if time is None:
        return _NONE
    return datetime.fromisoformat(time.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M")
