"""The command line: one function per command, each a few lines over the library."""

from lakepredict.cli._main import main

__all__ = ["main"]
