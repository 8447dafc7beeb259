"""Keep PySpark from logging the errors of queries: where a refusal is an answer, and in sessions of lakepredict."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from pyspark.logger import PySparkLogger

_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""PySpark logs each error of a query to one of these, as a line of JSON on standard error, before it raises it."""

_OFF = logging.CRITICAL + 1


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


def unlogged_for_good() -> None:
    """Keep PySpark from logging the errors that it raises, in this process and from now on.

    The exception says all that the line of JSON does. A logger that the program has set up for itself, with a level or
    a handler, is left alone; so is one that gets a level later.
    """
    for name in _LOGGERS:
        logger = PySparkLogger.getLogger(name)
        if _is_as_made(logger):
            logger.setLevel(_OFF)


def _is_as_made(logger: logging.Logger) -> bool:
    """Tell whether a logger has the level and the one handler that PySpark gives it."""
    return logger.level == logging.WARNING and all(
        type(handler) is logging.StreamHandler for handler in logger.handlers
    )
