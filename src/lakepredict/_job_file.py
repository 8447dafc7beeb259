"""A scoring job as a YAML file, checked line by line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lakepredict._names import suggestion
from lakepredict.errors import JobInvalidError
from lakepredict.lakehouse._plan import Job

_Path = tuple[str | int, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Input(_Strict):
    table: str | None = None
    query: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> _Input:
        if (self.table is None) == (self.query is None):
            raise ValueError("say either table or query")
        return self


class _Output(_Strict):
    table: str = Field(min_length=1)
    mode: Literal["append", "overwrite", "merge", "incremental"] = "append"
    key: list[str] = []
    columns: list[str] = []
    replace_where: str | None = None
    partition_by: list[str] = []
    evolve: bool = False
    column_mapping: bool = False

    @field_validator("key", "columns", "partition_by", mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class _JobFile(_Strict):
    model: str = Field(min_length=1)
    version: int | str
    input: _Input
    output: _Output
    prediction: str = Field(default="prediction", min_length=1)
    arguments: list[str] = Field(default=["*"], min_length=1)
    rescore: bool = False
    name: str | None = None
    batch: str | None = None
    experiment: str = "scoring"
    runs_table: str = "scoring_runs"

    @field_validator("batch", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        # YAML makes a date of 2026-11-24.
        return None if value is None else str(value)

    def job(self) -> Job:
        """The job that the file describes."""
        output = self.output
        return Job(
            model=self.model,
            version=self.version,
            input=str(self.input.table or self.input.query),
            output=output.table,
            key=tuple(output.key),
            mode=output.mode,
            prediction=self.prediction,
            arguments=tuple(self.arguments),
            columns=tuple(output.columns),
            replace_where=output.replace_where,
            partition_by=tuple(output.partition_by),
            evolve=output.evolve,
            column_mapping=output.column_mapping,
            rescore=self.rescore,
            name=self.name,
            batch=self.batch,
            experiment=self.experiment,
            runs_table=self.runs_table,
        )


_GROUPS: dict[str, type[BaseModel]] = {"": _JobFile, "input": _Input, "output": _Output}
"""The parts of a file, by their key."""


def load(path: str | os.PathLike[str], changes: Sequence[str] = ()) -> Job:
    """Read a job from a file.

    Args:
        path: the YAML file.
        changes: values in place of the file's, as ``output.mode=append``; each value is YAML, too.

    Raises:
        JobInvalidError: the file cannot be read, or says something that a job does not have; with each wrong line.
    """
    shown = os.fspath(path)
    try:
        node = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        lines = {place: f"line {line}" for place, line in _lines(node)} if node is not None else {}
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as exc:
        raise _invalid(shown, f"{exc.strerror}", "a file that can be read", "check its name.") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise _invalid(shown, _unreadable(exc), "YAML", "mend this place.") from exc
    if not isinstance(content, dict):
        raise _invalid(
            shown, "something else", "keys and values, as model: sales_forecast", "write a key in each line."
        )
    for change in changes:
        place = _set(content, change)
        lines.update({place[:end]: f"--set {change}" for end in range(1, len(place) + 1) if place[:end] not in lines})
        lines[place] = f"--set {change}"
    try:
        job = _JobFile.model_validate(content).job()
    except ValidationError as exc:
        got = "\n            ".join(_wrong(each["loc"], each["type"], each["msg"], lines) for each in exc.errors())
        raise _invalid(shown, got, _expected(exc), "mend these lines.") from exc
    job.check()
    return job


def _invalid(path: str, got: str, expected: str, hint: str) -> JobInvalidError:
    return JobInvalidError(f"{path} is not a scoring job.", expected=expected, got=got, hint=hint)


def _unreadable(exc: yaml.YAMLError | UnicodeDecodeError) -> str:
    """Where a file is no YAML, and why."""
    if isinstance(exc, yaml.MarkedYAMLError) and exc.problem_mark is not None:
        return f"line {exc.problem_mark.line + 1}: {exc.problem}"
    return " ".join(str(exc).split())


def _lines(node: yaml.Node, place: _Path = ()) -> Iterator[tuple[_Path, int]]:
    """Where in the file each value is.

    Raises:
        yaml.YAMLError: a key is there twice, of which YAML would take the last.
    """
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: the key {key.value} is there twice")
            seen.add(key.value)
            yield (*place, key.value), key.start_mark.line + 1
            for inner, line in _lines(value, (*place, key.value)):
                if inner != (*place, key.value):
                    yield inner, line
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _lines(value, (*place, position))


def _set(content: dict[str, Any], change: str) -> _Path:
    """Put a value of the command line into the content of a file."""
    name, equals, text = change.partition("=")
    parts = name.strip().split(".")
    if not equals or not all(parts):
        raise JobInvalidError(
            "--set takes a key and a value.",
            expected="--set key=value, as --set output.mode=append",
            got=f"--set {change}",
            hint="write the key with its dots, then =, then the value.",
        )
    inner = content
    for part in parts[:-1]:
        if not isinstance(inner.get(part), dict):
            inner[part] = {}
        inner = inner[part]
    try:
        inner[parts[-1]] = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise JobInvalidError(
            "The value of --set is not YAML.", expected="a value as in the file", got=change, hint="put it in quotes."
        ) from exc
    return tuple(parts)


def _wrong(place: _Path, kind: str, message: str, lines: Mapping[_Path, str]) -> str:
    known = next((lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines), "the file")
    # Of alternatives, pydantic adds the type to the place.
    key = ".".join(str(each) for each in place if each not in ("int", "str"))
    if kind != "extra_forbidden":
        return f"{known}: {key}: {message.removeprefix('Value error, ')}"
    meant = suggestion(str(place[-1]), _GROUPS[".".join(map(str, place[:-1]))].model_fields)
    return f"{known}: {key}: there is no such key{'; ' + meant if meant else ''}"


def _expected(exc: ValidationError) -> str:
    unknown = [each["loc"] for each in exc.errors() if each["type"] == "extra_forbidden"]
    found = dict.fromkeys(".".join(map(str, place[:-1])) for place in unknown)
    fields = {name: ", ".join(_GROUPS[name].model_fields) for name in found}
    known = [f"in {name}: {each}" if name else each for name, each in fields.items()]
    return "; ".join(known) if known else "a value for each key that is needed, of its type"
