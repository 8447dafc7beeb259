"""What a scoring job asks for, and what is to be done for it, decided from plain values; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from urllib.parse import quote, unquote

from pyspark.sql import types as T

from lakepredict._sql import sql_type
from lakepredict.errors import InputUnsuitableError, JobInvalidError, OutputSchemaError
from lakepredict.lakehouse._column_names import repetitions

Mode = Literal["append", "overwrite", "merge", "incremental"]
MODES: tuple[Mode, ...] = ("append", "overwrite", "merge", "incremental")

FACTS = ("model_name", "model_version", "run_id", "scored_at", "input_version")
"""The columns that say where a prediction comes from."""

_PART = r"(?:[^\s`.()]+|`(?:[^`]|``)+`)"
_TABLE = re.compile(rf"{_PART}(?:\.{_PART})*")
_APPLICATION = "lakepredict"


def is_table(text: str) -> bool:
    """Whether a text is the name of a table or view, and not a query."""
    return _TABLE.fullmatch(text.strip()) is not None


@dataclass(frozen=True)
class Job:
    """What is to be scored, by which model, and where it goes; see :func:`lakepredict.lakehouse.score`."""

    model: str
    version: int | str
    input: str
    output: str
    key: tuple[str, ...] = ()
    mode: Mode = "append"
    prediction: str = "prediction"
    arguments: tuple[str, ...] = ("*",)
    columns: tuple[str, ...] = ()
    replace_where: str | None = None
    partition_by: tuple[str, ...] = ()
    evolve: bool = False
    column_mapping: bool = False
    rescore: bool = False
    name: str | None = None
    batch: str | None = None
    experiment: str = "scoring"
    runs_table: str = "scoring_runs"

    @property
    def reads_table(self) -> bool:
        """Whether the input is the name of a table or view, and not a query."""
        return is_table(self.input)

    @property
    def title(self) -> str:
        """What tells the job from others that write to its output."""
        return self.name or (self.input if self.reads_table else f"query {digest(self.input)}")

    @property
    def merges(self) -> bool:
        """Whether rows of the output with the same key are replaced."""
        return bool(self.key) and self.mode in ("merge", "incremental")

    def check(self) -> None:
        """Refuse a job that contradicts itself.

        Raises:
            JobInvalidError: it does.
        """
        repeated = next(iter([*repetitions(self.key), *repetitions(self.columns)]), [])
        for wrong, what, expected, got, hint in (
            (self.mode not in MODES, "There is no such mode.", ", ".join(MODES), repr(self.mode), "choose one."),
            (
                self.mode == "merge" and not self.key,
                "To merge, a key must say which rows are the same.",
                "one or more columns of the input as key",
                "no key",
                "give key=['store', 'week'], or another mode.",
            ),
            (
                self.replace_where is not None and self.mode != "overwrite",
                "replace_where says which rows are overwritten, and nothing is overwritten.",
                "mode overwrite with replace_where",
                f"mode {self.mode}",
                "leave replace_where out, or choose the mode overwrite.",
            ),
            (
                self.rescore and self.mode != "incremental",
                "Only the mode incremental scores all rows again for a new model version.",
                "mode incremental with rescore",
                f"mode {self.mode}",
                "leave rescore out: the other modes score all rows in any case.",
            ),
            (
                self.prediction.lower() in FACTS or self.prediction.lower() in map(str.lower, self.key),
                "The prediction has the name of another column.",
                f"a name that is none of {', '.join([*FACTS, *self.key])}",
                self.prediction,
                "choose another name for the prediction.",
            ),
            (
                bool(repeated),
                "A column is named twice.",
                "names that differ in more than upper and lower case, in key and in columns",
                " and ".join(repeated),
                "leave one of them out.",
            ),
        ):
            if wrong:
                raise JobInvalidError(what, expected=expected, got=got, hint=hint)


@dataclass(frozen=True)
class Source:
    """What a job reads, held at its versions.

    Attributes:
        identifier: equal where it is the same tables and the same query.
        version: grows with each version of any of the tables; None where something in it has no version.
        unversioned: what has none.
    """

    identifier: str
    version: int | None
    unversioned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """One transaction of the job that the output table has seen."""

    generation: int
    source: str
    model: str
    version: int


@dataclass(frozen=True)
class Decision:
    """What is to be done.

    Attributes:
        what: score all rows, those that changed after the version ``since``, or nothing.
        since: the version of the input that was scored last.
        transaction: ``txnAppId`` and ``txnVersion`` of the commit; None where a repetition does no harm.
    """

    what: Literal["all", "changes", "nothing"]
    since: int | None = None
    transaction: tuple[str, int] | None = None


def source_of(job: Job, tables: Sequence[tuple[str, int]], unversioned: Sequence[str]) -> Source:
    """What a job reads, from id and version of its Delta tables and from what else it reads."""
    text = "" if job.reads_table else job.input
    ids = ",".join(sorted(each for each, _ in tables))
    if job.batch is not None:
        return Source(digest(f"{text}|{ids}|{job.batch}"), 1)
    others = tuple(unversioned) if unversioned else () if tables else ("no table",)
    version = None if others else sum(version for _, version in tables)
    return Source(ids if len(tables) == 1 and not text else digest(f"{text}|{ids}"), version, others)


def scored_before(job: Job, transactions: Mapping[str, int]) -> list[Scored]:
    """The transactions of a job among those that its output table has seen, the last one last."""
    found = []
    for application, version in transactions.items():
        parts = application.split(":")
        if len(parts) == 5 and parts[:2] == [_APPLICATION, quote(job.title, safe="")]:
            found.append(Scored(int(parts[2]), parts[3], unquote(parts[4]), version))
    return sorted(found, key=lambda each: (each.generation, each.version))


def decide(job: Job, before: Sequence[Scored], source: Source, model: str) -> Decision:
    """Say what a job has to do.

    A model that is used again after another one gets a generation of its own, since Delta takes transactions of one
    application in ascending order alone.

    Raises:
        InputUnsuitableError: what was scored before cannot be told.
    """
    if job.mode == "overwrite":
        return Decision("all")
    if source.version is None:
        if job.mode == "merge":
            return Decision("all")
        raise InputUnsuitableError(
            "Whether the input was scored before cannot be told.",
            expected="an input that reads Delta tables alone, and the same rows at any time",
            got=f"an input with {', '.join(source.unversioned[:3])}",
            hint="give the batch a name, as batch='2026-11-24', which is scored once; or merge on a key.",
        )
    last = before[-1] if before else None
    same = last is not None and (last.source, last.model) == (source.identifier, model)
    generation = 0 if last is None else last.generation if same else last.generation + 1
    parts = (_APPLICATION, quote(job.title, safe=""), str(generation), source.identifier, quote(model, safe=""))
    transaction = (":".join(parts), source.version)
    of_source = [each for each in before if each.source == source.identifier]
    if job.mode != "incremental":
        done = any(each.model == model and each.version >= source.version for each in of_source)
        return Decision("nothing") if done else Decision("all", None, transaction)
    if last is None or last.source != source.identifier or (job.rescore and last.model != model):
        return Decision("all", None, transaction)
    since = max(each.version for each in of_source)
    return Decision("nothing") if since >= source.version else Decision("changes", since, transaction)


def require_fit(output: str, there: T.StructType, new: T.StructType, *, mode: Mode, evolve: bool) -> None:
    """Refuse a forecast that does not fit the table that is there.

    Raises:
        OutputSchemaError: columns are missing, are too many, or are of other types, and are not let change.
    """
    differences, changed = schema_differences(there, new)
    if not differences or (evolve and (mode == "overwrite" or not changed)):
        return
    raise OutputSchemaError(
        f"The forecast does not fit the table `{output}`.",
        expected=", ".join(f"{each.name} {sql_type(each.dataType)}" for each in there),
        got="; ".join(differences),
        hint=_hint_to_fit(there, new, changed=changed, evolve=evolve),
    )


def _hint_to_fit(there: T.StructType, new: T.StructType, *, changed: bool, evolve: bool) -> str:
    if changed and evolve:
        return "only the mode overwrite can change types; write to another table."
    gone = ", ".join(each.name for each in _gone(there, new))
    named = f"if the input has {gone}, name it in key or columns; " if gone else ""
    return f"{named}evolve (evolve: true below output: in a file) has the table changed; or write to another table."


def schema_differences(there: T.StructType, new: T.StructType) -> tuple[list[str], bool]:
    """How new columns differ from those of a table, in words, and whether the type of one does."""
    old, ours = ({each.name.lower(): each for each in schema} for schema in (there, new))
    changed = [
        f"{each.name} is {sql_type(each.dataType)} now, and was {sql_type(old[name].dataType)}"
        for name, each in ours.items()
        if name in old and sql_type(old[name].dataType) != sql_type(each.dataType)
    ]
    added = [f"{each.name} {sql_type(each.dataType)} is new" for name, each in ours.items() if name not in old]
    gone = [f"{each.name} {sql_type(each.dataType)} is missing" for each in _gone(there, new)]
    return [*changed, *added, *gone], bool(changed)


def _gone(there: T.StructType, new: T.StructType) -> list[T.StructField]:
    """The columns of a table that new ones lack."""
    ours = {each.name.lower() for each in new}
    return [each for each in there if each.name.lower() not in ours]


def digest(text: str) -> str:
    """Sixteen characters that are the same for the same text."""
    return sha256(text.encode()).hexdigest()[:16]
