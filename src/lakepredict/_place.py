"""Where a lakehouse keeps what; known without Spark and MLflow."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

_FILE_URI = re.compile(r"file:(//(localhost)?(?=/))?(?P<path>(?!//).*)", re.DOTALL)
"""``file:///path``, or ``file:/path`` as Hadoop writes it."""


@dataclass(frozen=True)
class Folder:
    """Where a lakehouse keeps what.

    Attributes:
        root: an absolute path, or the URI of a folder on another file system.
        local: whether it is on this machine's file system.
    """

    root: str
    local: bool

    @property
    def tables(self) -> str:
        """The Delta tables: the session's warehouse."""
        return f"{self.root}/Tables"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking URI: a SQLite store in the folder."""
        return f"sqlite:///{self.root}/mlflow.db"

    @property
    def artifacts(self) -> str:
        """Models, plots and other files of MLflow runs."""
        return f"{self.root}/artifacts"


def locate(lakehouse: str | os.PathLike[str]) -> Folder:
    """Name the parts of a lakehouse folder, which need not exist yet: a path, or a URI of any Hadoop file system."""
    text = os.fspath(lakehouse)
    on_this_machine = _FILE_URI.fullmatch(text)
    if on_this_machine:
        text = unquote(on_this_machine["path"])
    elif "://" in text:
        return Folder(text.rstrip("/"), local=False)
    return Folder(str(Path(text).expanduser().resolve()), local=True)
