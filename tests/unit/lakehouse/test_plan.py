"""What a scoring job has to do, decided without Spark."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import types as T

from lakepredict.errors import InputUnsuitableError, JobInvalidError, OutputSchemaError
from lakepredict.lakehouse import _plan
from lakepredict.lakehouse._plan import Decision, Job, Source

DOUBLE, LONG, TEXT = T.DoubleType(), T.LongType(), T.StringType()


def job(**others: Any) -> Job:
    """A job that appends ``weekly`` to ``forecast``."""
    return Job(**{"model": "m", "version": 1, "input": "weekly", "output": "forecast", **others})


def after(asked: Job, *done: tuple[str, int, str]) -> list[_plan.Scored]:
    """What the output knows after the job has run for these sources, versions and models."""
    transactions: dict[str, int] = {}
    for source, version, model in done:
        known = _plan.scored_before(asked, transactions)
        transaction = _plan.decide(asked, known, Source(source, version), model).transaction
        assert transaction is not None
        transactions[transaction[0]] = transaction[1]
    return _plan.scored_before(asked, transactions)


@pytest.mark.parametrize("mode", ["append", "merge", "incremental"])
def test_first_time_scores_all(mode: _plan.Mode) -> None:
    """A job whose output knows nothing of it scores all rows."""
    asked = job(mode=mode, key=("id",))

    assert _plan.decide(asked, [], Source("t", 7), "m/1") == Decision("all", None, ("lakepredict:weekly:0:t:m%2F1", 7))


@pytest.mark.parametrize("mode", ["append", "merge", "incremental"])
def test_same_input_adds_nothing(mode: _plan.Mode) -> None:
    """The same input and model version are scored once."""
    asked = job(mode=mode, key=("id",))

    assert _plan.decide(asked, after(asked, ("t", 7, "m/1")), Source("t", 7), "m/1") == Decision("nothing")


def test_overwrite_always_writes() -> None:
    """What replaces all rows may be repeated."""
    asked = job(mode="overwrite")

    assert _plan.decide(asked, [], Source("t", None, ("rand()",)), "m/1") == Decision("all")


def test_another_version_appends_its_own_forecast() -> None:
    """Each model version scores an input once, whichever was used in between."""
    asked = job()
    known = after(asked, ("t", 7, "m/1"), ("t", 7, "m/2"))

    assert _plan.decide(asked, known, Source("t", 7), "m/1") == Decision("nothing")
    assert _plan.decide(asked, known, Source("t", 8), "m/1").transaction == ("lakepredict:weekly:2:t:m%2F1", 8)


def test_incremental_goes_on_after_the_last_version() -> None:
    """Only what changed after the newest scored version is scored, by whatever model version."""
    asked = job(mode="incremental")
    known = after(asked, ("t", 7, "m/1"), ("t", 9, "m/1"))

    assert _plan.decide(asked, known, Source("t", 12), "m/1") == Decision(
        "changes", 9, ("lakepredict:weekly:0:t:m%2F1", 12)
    )
    assert _plan.decide(asked, known, Source("t", 12), "m/2") == Decision(
        "changes", 9, ("lakepredict:weekly:1:t:m%2F2", 12)
    )


def test_rescore_goes_back_to_an_older_model() -> None:
    """With rescore, each change of the model version scores all rows, back to an older one as well."""
    asked = job(mode="incremental", rescore=True, key=("id",))
    known = after(asked, ("t", 7, "m/1"), ("t", 7, "m/2"))

    assert _plan.decide(asked, known, Source("t", 7), "m/2") == Decision("nothing")
    assert _plan.decide(asked, known, Source("t", 7), "m/1").what == "all"


def test_a_table_made_anew_is_scored_anew() -> None:
    """Versions of a table that was dropped do not hide those of the one that took its place."""
    asked = job(mode="incremental")

    assert _plan.decide(asked, after(asked, ("old", 57, "m/1")), Source("new", 0), "m/1").what == "all"


def test_jobs_do_not_see_each_other() -> None:
    """Two jobs with names of their own write to one table independently."""
    first, second = job(name="a:b"), job(name="a")
    transaction = _plan.decide(first, [], Source("t", 7), "m/1").transaction
    assert transaction is not None

    assert _plan.scored_before(first, dict([transaction])) != []
    assert _plan.scored_before(second, dict([transaction])) == []


def test_input_without_a_version() -> None:
    """What may give other rows each time is not appended, unless the batch has a name."""
    asked = job(input="SELECT current_date()")
    source = _plan.source_of(asked, [], ["current_date()"])

    with pytest.raises(InputUnsuitableError, match=r"current_date\(\)"):
        _plan.decide(asked, [], source, "m/1")
    assert _plan.decide(job(mode="merge", key=("id",)), [], source, "m/1") == Decision("all")
    named = job(input="SELECT current_date()", batch="monday")
    assert _plan.source_of(named, [], ["current_date()"]).version == 1


def test_query_over_tables() -> None:
    """The version of a query grows with that of each of its tables; another query is another source."""
    asked = job(input="SELECT * FROM a JOIN b")
    old, new = (_plan.source_of(asked, [("a", 3), ("b", each)], []) for each in (4, 5))

    assert (old.identifier, old.version, new.version) == (new.identifier, 7, 8)
    assert _plan.source_of(job(input="SELECT 1 FROM a JOIN b"), [("a", 3), ("b", 4)], []) != old


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        ("weekly", True),
        ("main.sales.weekly", True),
        ("`my table`.`a``b`", True),
        ("SELECT 1", False),
        ("(SELECT 1)", False),
        ("delta.`/a b/c`", True),
    ],
)
def test_table_or_query(text: str, is_table: bool) -> None:
    """A name is a table, all else a query."""
    assert job(input=text).reads_table is is_table


@pytest.mark.parametrize(
    ("others", "hint"),
    [
        ({"mode": "upsert"}, "append, overwrite, merge, incremental"),
        ({"mode": "merge"}, "give key"),
        ({"replace_where": "week = 1"}, "choose the mode overwrite"),
        ({"rescore": True}, "leave rescore out"),
        ({"prediction": "Run_ID"}, "another name"),
        ({"prediction": "ID", "key": ("id",)}, "another name"),
    ],
)
def test_contradictions(others: dict[str, Any], hint: str) -> None:
    """A job that contradicts itself is refused with what to write instead."""
    with pytest.raises(JobInvalidError, match=hint):
        job(**others).check()


def schema(**columns: T.DataType) -> T.StructType:
    """A schema of columns."""
    return T.StructType([T.StructField(name, kind) for name, kind in columns.items()])


def test_the_same_schema_fits() -> None:
    """Order and case of the columns do not matter."""
    _plan.require_fit("t", schema(a=LONG, b=TEXT), schema(B=TEXT, A=LONG), mode="append", evolve=False)


def test_the_difference_is_shown() -> None:
    """The error says of each column what is wrong with it."""
    with pytest.raises(OutputSchemaError) as caught:
        _plan.require_fit("t", schema(a=LONG, b=TEXT), schema(a=DOUBLE, c=TEXT), mode="append", evolve=False)

    assert "a is DOUBLE now, and was BIGINT; c STRING is new; b STRING is missing" in str(caught.value)


def test_evolution() -> None:
    """Columns may come and go where that is asked for; types change only with all rows."""
    _plan.require_fit("t", schema(a=LONG), schema(a=LONG, b=TEXT), mode="append", evolve=True)
    _plan.require_fit("t", schema(a=LONG), schema(a=DOUBLE), mode="overwrite", evolve=True)
    with pytest.raises(OutputSchemaError, match="only the mode overwrite"):
        _plan.require_fit("t", schema(a=LONG), schema(a=DOUBLE), mode="merge", evolve=True)
