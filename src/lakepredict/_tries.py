"""Trying something that Spark may refuse, where a refusal is an answer and not an error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from pyspark.logger import PySparkLogger

_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""PySpark logs each error of a query to one of these, as a line of JSON on standard error, before it raises it."""


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep PySpark from logging the errors that it raises in this thread."""
    thread = get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = [PySparkLogger.getLogger(name) for name in _LOGGERS]
    for each in loggers:
        each.addFilter(of_others)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(of_others)
