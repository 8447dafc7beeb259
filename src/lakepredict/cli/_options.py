"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])

PORT = click.IntRange(0, 65535)


def lakehouse_option(command: _F) -> _F:
    """``--lakehouse``, which every command takes."""
    return click.option(
        "--lakehouse",
        envvar="LAKEPREDICT_LAKEHOUSE",
        default="./lakehouse",
        show_default=True,
        show_envvar=True,
        metavar="DIR",
        help="Folder with the tables, the MLflow store and its artifacts.",
    )(command)


def json_option(command: _F) -> _F:
    """``--json``, of every command that tells facts."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(command)


def mode_option(command: _F) -> _F:
    """``--mode``, where runs are compared."""
    return click.option(
        "--mode",
        type=click.Choice(["min", "max"]),
        help="Whether less or more of the metric is better. Default: what its name says.",
    )(command)


def children_option(command: _F) -> _F:
    """``--children``, where runs are compared."""
    return click.option("--children", is_flag=True, help="Also the child runs that their parent run stands for.")(
        command
    )


def limit_option(what: str) -> Callable[[_F], _F]:
    """``--limit``, where there may be many of something."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=50,
        show_default=True,
        metavar="N",
        help=f"Show at most so many {what}.",
    )
