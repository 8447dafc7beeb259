"""Which failures of a write are conflicts with another writer."""

from __future__ import annotations

import delta.exceptions
import pytest
from pyspark.errors import AnalysisException

from lakepredict.lakehouse import _output


class Named(AnalysisException):
    """An analysis error of the JVM, of which only the condition matters."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self._named = condition

    def getCondition(self) -> str:  # noqa: N802
        return self._named


@pytest.mark.parametrize("name", delta.exceptions.__all__)
def test_delta_says_conflict(name: str) -> None:
    """Each exception that Delta Lake has for conflicts is one."""
    assert _output.is_conflict(getattr(delta.exceptions, name)("another commit"), existed=True)


@pytest.mark.parametrize(
    "exc",
    [
        Named("COLUMN_ALREADY_EXISTS"),
        Named("LOCATION_ALREADY_EXISTS"),
        Named("TABLE_OR_VIEW_NOT_FOUND"),
        ValueError("TABLE_OR_VIEW_ALREADY_EXISTS"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("existed", [True, False])
def test_no_conflict(exc: Exception, existed: bool) -> None:
    """A name that is taken by something else is none."""
    assert not _output.is_conflict(exc, existed=existed)


@pytest.mark.parametrize("existed", [True, False])
def test_a_table_made_meanwhile(existed: bool) -> None:
    """A table that was not there when the write began was made by another writer."""
    assert _output.is_conflict(Named("TABLE_OR_VIEW_ALREADY_EXISTS"), existed=existed) is not existed
