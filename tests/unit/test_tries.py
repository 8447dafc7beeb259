"""Errors of Spark's that are an answer are not logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Thread

import pytest
from pyspark.logger import PySparkLogger

from lakepredict._tries import unlogged, unlogged_for_good

NAME = "SQLQueryContextLogger"


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.messages.append(record.getMessage())


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What PySpark logs of the errors of queries."""
    handler = Kept()
    PySparkLogger.getLogger(NAME).addHandler(handler)
    yield handler
    PySparkLogger.getLogger(NAME).removeHandler(handler)


def _log(message: str) -> None:
    # As PySpark does, with a keyword that only its own class of loggers takes.
    PySparkLogger.getLogger(NAME).exception(message, errorClass="X")  # type: ignore[call-arg]


def test_silent_inside_and_after_it_as_before(kept: Kept) -> None:
    """Nothing of this thread is logged inside, also where an error leaves it."""
    with pytest.raises(ValueError, match="left"), unlogged():  # noqa: PT012
        _log("inside")
        raise ValueError("left")
    _log("after")

    assert kept.messages == ["after"]


def test_other_threads_are_heard(kept: Kept) -> None:
    """A query that fails beside it, in another thread, is logged."""
    with unlogged():
        other = Thread(target=_log, args=("beside",))
        other.start()
        other.join()

    assert kept.messages == ["beside"]


@pytest.fixture
def new_logger(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """A logger as PySpark makes it, under a name that only this test has."""
    name = "lakepredict.tests.of_queries"
    logging.Logger.manager.loggerDict.pop(name, None)
    monkeypatch.setattr("lakepredict._tries._LOGGERS", (name,))
    return PySparkLogger.getLogger(name)


def test_silent_for_good(new_logger: logging.Logger) -> None:
    """A logger as PySpark made it is turned off, until the program gives it a level."""
    unlogged_for_good()
    off = new_logger.isEnabledFor(logging.CRITICAL)
    new_logger.setLevel(logging.ERROR)

    assert (off, new_logger.isEnabledFor(logging.ERROR)) == (False, True)


def test_level_of_the_program_stays(new_logger: logging.Logger) -> None:
    """A logger to which the program has given a level is left alone."""
    new_logger.setLevel(logging.INFO)
    unlogged_for_good()

    assert new_logger.level == logging.INFO


def test_handler_of_the_program_stays(new_logger: logging.Logger) -> None:
    """A logger to which the program has given a handler is left alone."""
    new_logger.addHandler(Kept())
    unlogged_for_good()

    assert new_logger.isEnabledFor(logging.ERROR)
