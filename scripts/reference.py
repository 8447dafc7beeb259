"""Write the tables of docs/types.md and docs/errors.md, and docs/sql.md, from the code, without starting Spark.

What is written stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_type

from lakepredict import _evaluate_table, _mlflow_tables, errors, functions
from lakepredict._arrow_types import arrow_type
from lakepredict._casts import WIDENINGS, is_safe
from lakepredict._signature import SPARK_TYPES, TENSOR_TYPES, UNSUPPORTED, read_signature, spark_type
from lakepredict._sql import sql_type
from lakepredict._worker.batch import Feature
from lakepredict._worker.inputs import to_numpy

ROOT = Path(__file__).parents[1]
PAGES = tuple(ROOT / "docs" / name for name in ("types.md", "errors.md", "sql.md"))
GOLDEN = ROOT / "tests" / "golden"

_BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

SPARK_SCALARS: tuple[T.DataType, ...] = (
    T.BooleanType(),
    T.ByteType(),
    T.ShortType(),
    T.IntegerType(),
    T.LongType(),
    T.FloatType(),
    T.DoubleType(),
    T.DecimalType(10, 2),
    T.StringType(),
    T.BinaryType(),
    T.DateType(),
    T.TimestampType(),
    T.TimestampNTZType(),
    T.TimeType(),
    T.DayTimeIntervalType(),
    T.YearMonthIntervalType(),
    T.VariantType(),
    T.NullType(),
)
"""The types that an argument can have."""

NESTED = {
    "Array(t)": Array(DataType.double),
    "Array(Array(t))": Array(Array(DataType.double)),
    "Object": Object([Property("label", DataType.string), Property("score", DataType.double)]),
    "Array(Object)": Array(Object([Property("label", DataType.string), Property("score", DataType.double)])),
    "Map(t)": Map(DataType.long),
}
"""An example of each nested type of MLflow."""

SHAPES = ((-1,), (-1, 1), (-1, 3), (-1, -1), (-1, 2, 2))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def name(kind: T.DataType) -> str:
    """A Spark type as the tables show it."""
    shown = {T.DecimalType: "DECIMAL", T.NullType: "NULL", T.TimeType: "TIME"}
    return f"`{shown.get(type(kind), sql_type(kind))}`"


def inputs() -> str:
    """Spark type of an argument against MLflow type of an input."""
    rows = [[name(given), *(_fate(given, wanted) for wanted in SPARK_TYPES.values())] for given in SPARK_SCALARS]
    return table(["", *(f"`{kind.name}`" for kind in SPARK_TYPES)], rows)


def _fate(given: T.DataType, wanted: T.DataType) -> str:
    if given == wanted:
        return "as is"
    return "cast" if is_safe(given, wanted) else "refused"


def seen() -> str:
    """What the model sees of each MLflow type."""
    head = ["MLflow type", "SQL type", "pandas column", "NULL", "NULL with `onNull = pass`"]
    return table(head, (_seen(kind, spark) for kind, spark in SPARK_TYPES.items()))


def _seen(kind: DataType, spark: T.DataType) -> Iterator[str]:
    column = pa.nulls(1, arrow_type(spark))
    plain, nullable = to_numpy(column.slice(1), "UTC"), to_numpy(column, "UTC", nullable=True)
    missing = f"`{'NaT' if plain.dtype.kind == 'M' else to_numpy(column, 'UTC')[0]}`"
    yield f"`{kind.name}`"
    yield name(spark)
    yield f"`{plain.dtype}`"
    if Feature("x").may_be_missing(column.type):
        yield missing
        yield missing
    else:
        yield "the row gives NULL"
        yield f"`NA`; the column is `{nullable.dtype}`"


def nested() -> str:
    """Nested types of MLflow."""
    rows = [[f"`{form}`", name(spark_type(kind)), _python(spark_type(kind))] for form, kind in NESTED.items()]
    return table(["MLflow type", "SQL type, for example", "the model sees, and gives"], rows)


def _python(kind: T.DataType) -> str:
    if isinstance(kind, T.ArrayType):
        inner = _python(kind.elementType)
        return "a `list`" if inner == "a value" else f"a `list`, each element {inner}"
    if isinstance(kind, (T.StructType, T.MapType)):
        return "a `dict`"
    return "a value"


def results() -> str:
    """SQL type of each MLflow output."""
    rows = [[f"`{kind.name}`", name(spark), TAKEN[kind]] for kind, spark in SPARK_TYPES.items()]
    return table(["output", "SQL type", "values that fit"], rows)


_WHOLE = "whole numbers in the range of the type, as integers, floats or decimals; booleans as 1 and 0"
_REAL = "numbers, booleans as 1 and 0; whole numbers up to 2^{bits}, for a larger one may have no equal"
TAKEN = {
    DataType.boolean: "booleans; the numbers 0 and 1",
    DataType.integer: _WHOLE,
    DataType.long: _WHOLE,
    DataType.float: _REAL.format(bits=24) + "; a float of more digits is rounded, one out of range refused",
    DataType.double: _REAL.format(bits=53),
    DataType.string: "text; nothing is turned into text",
    DataType.binary: "bytes",
    DataType.datetime: "dates and times of Python, pandas and NumPy, with a time zone or without",
}
"""What an output takes; tests/spark/test_results.py tries each."""


def tensors() -> str:
    """SQL type of each NumPy type of a tensor."""
    rows = [[f"`{dtype}`", name(spark), _missing_in_tensor(dtype, spark)] for dtype, spark in _tensor_types()]
    return table(["NumPy type", "SQL type", "NULL in an input"], rows)


def _tensor_types() -> list[tuple[str, T.DataType]]:
    others = [(dtype, result(TensorSpec(np.dtype(dtype), (-1,)))) for dtype in ("str", "object", "S")]
    return [*TENSOR_TYPES.items(), *((np.dtype(dtype).name, kind) for dtype, kind in others)]


def _missing_in_tensor(dtype: str, spark: T.DataType) -> str:
    if not Feature(None, dtype).may_be_missing(arrow_type(spark)):
        return "the row gives NULL"
    return "`None`" if dtype == "object" else "`nan`"


def shapes() -> str:
    """SQL type of each shape of a tensor."""
    rows = []
    for shape in SHAPES:
        kind = result(TensorSpec(np.dtype("float64"), shape))
        rows.append([f"`{shape}`", name(kind)])
    return table(["shape", "SQL type of an output of `float64`"], rows)


def result(output: TensorSpec) -> T.DataType:
    """The type of PREDICT for a model of one output."""
    return read_signature(ModelSignature(Schema([ColSpec("double", "x")]), Schema([output]))).result


def unsupported() -> str:
    """What has no SQL type."""
    return f"No SQL type: {UNSUPPORTED} (`{errors.SignatureUnsupportedError.condition}`)."


def widenings() -> str:
    """The casts that the plan makes."""
    rows = [[name(given()), ", ".join(name(each()) for each in to)] for given, to in WIDENINGS.items()]
    return table(["from", "to"], rows)


def analysis_errors() -> str:
    """The errors of calls that cannot be bound."""
    rows = [[link(kind), f"`{kind.sqlstate}`", meaning(kind)] for kind in errors.predict_errors()]
    return table(["condition", "SQLSTATE", "meaning"], rows)


def scoring_errors() -> str:
    """The errors of batches that cannot be scored."""
    return table(["condition", "meaning"], ([link(kind), meaning(kind)] for kind in errors.scoring_errors()))


def link(kind: type[errors.PredictError | errors.ScoringError]) -> str:
    """A condition that leads to its text."""
    return f"[`{kind.condition}`](#{kind.condition.lower()})"


def other_errors() -> str:
    """The errors outside of queries."""
    rows = [[f"`{kind.name}`", f"`{kind.__name__}`", meaning(kind)] for kind in named_errors()]
    return table(["name", "class", "meaning"], rows)


def texts() -> str:
    """An example of each error of a query."""
    known = [*errors.predict_errors(), *errors.scoring_errors()]
    return "\n\n".join(
        f"### {kind.condition}\n\n{meaning(kind)}\n\n```text\n{example(kind)}\n```"
        for kind in sorted(known, key=lambda kind: kind.condition)
    )


def meaning(kind: type[Exception]) -> str:
    """What an error stands for: the first sentence of its class."""
    text = " ".join((kind.__doc__ or "").replace("``", "`").split())
    return text.partition(". ")[0].rstrip(".") + "."


def named_errors() -> list[type[errors.LakepredictError]]:
    """The errors outside of queries, sorted by name."""
    found = [kind for kind in _below(errors.LakepredictError) if "name" in vars(kind)]
    return sorted(found, key=lambda kind: str(vars(kind)["name"]))


def all_errors() -> list[type[errors.LakepredictError]]:
    """Every error that can reach a user."""
    return [*errors.predict_errors(), *errors.scoring_errors(), errors.ReadOnlyError, *named_errors()]


def _below(kind: type[errors.LakepredictError]) -> Iterator[type[errors.LakepredictError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def example(kind: type[errors.LakepredictError]) -> str:
    """The golden text of a condition, the plainest if there are several; its template if there is none."""
    start = f"[{kind.condition}]"
    paths = sorted(GOLDEN.glob("*/*.txt"), key=lambda path: (path.parent.name != "errors", len(path.stem), path.stem))
    found = (text for text in (path.read_text("utf-8") for path in paths) if text.startswith(start))
    return next(found, f"{start} {kind.template}").rstrip("\n")


SCALARS = {
    "predict": functions._PREDICT,
    "try_predict": functions._TRY_PREDICT,
    "predict_proba": functions._PREDICT_PROBA,
    "predict_version": functions._PREDICT_VERSION,
}
TABLES = {**functions._TABLES, _evaluate_table.NAME: functions._EVALUATE}
NOT_RUN = {"mlflow_metrics": "the run's id is another one in each store"}
"""The functions whose examples no test can run as they are, and why."""

_TYPE = re.compile(r"\b(?:MAP|ARRAY)<[^>]+>")
_MARKS = re.compile(r"^ *(?:Arguments|Examples):\n", re.MULTILINE)


def scalar_functions() -> str:
    """PREDICT and its kin, with the texts of DESCRIBE FUNCTION EXTENDED."""
    return "\n\n".join(part for name in SCALARS for part in scalar_function(name))


def scalar_function(name: str) -> Iterator[str]:
    """The section of a function of rows."""
    texts, shown = SCALARS[name], name.upper()
    yield from usage(shown, texts["usage"])
    yield from arguments(texts["arguments"])
    yield from note(texts["note"])
    yield examples(name, shown, texts["examples"])


def table_functions() -> str:
    """The table functions, with the texts of DESCRIBE FUNCTION EXTENDED, and the columns of those of MLflow."""
    return "\n\n".join(part for name in TABLES for part in table_function(name))


def table_function(name: str) -> Iterator[str]:
    """The section of a table function."""
    text, given = TABLES[name]
    yield from usage(name, text)
    yield from columns(name)
    yield examples(name, name, given)


def usage(shown: str, text: str) -> tuple[str, str, str]:
    """The heading of a function, how it is called, and what it gives."""
    call, _, meaning = text.replace("_FUNC_", shown).partition(" - ")
    return f"### {shown}", f"`{call}`", prose(meaning)


def arguments(text: str) -> Iterator[str]:
    """The arguments as a list."""
    items = [" ".join(each.split()) for each in _MARKS.sub("", text).split("* ", 1)[-1].split("\n      * ")]
    if " - " not in items[0]:
        yield f"Arguments: {items[0]}"
        return
    parts = (each.partition(" - ") for each in items)
    yield "\n".join(f"- `{each}`: {prose(meaning)}" for each, _, meaning in parts)


def note(text: str) -> Iterator[str]:
    """The notes as paragraphs; there may be none."""
    if text.strip():
        yield prose(" ".join(text.split()))


def prose(text: str) -> str:
    """A text with its SQL types as code: in Markdown, what is in angle brackets would be lost."""
    return _TYPE.sub(lambda found: f"`{found[0]}`", text)


def examples(name: str, shown: str, text: str) -> str:
    """The examples as one block of SQL."""
    lines = dedent(_MARKS.sub("", text)).strip("\n ").replace("_FUNC_", shown).splitlines()
    code = "\n".join(line[2:] for line in lines)
    mark = f"<!-- not run: {NOT_RUN[name]} -->\n" if name in NOT_RUN else ""
    return f"{mark}```sql\n{code}\n```"


def columns(function: str) -> Iterator[str]:
    """The columns of a table function of MLflow's; those of others depend on their arguments."""
    if function in _mlflow_tables.TABLES:
        fields = _mlflow_tables.TABLES[function].schema
        yield table(["column", "type"], ([f"`{each.name}`", name(from_arrow_type(each.type))] for each in fields))


BLOCKS: dict[str, Callable[[], str]] = {
    "inputs": inputs,
    "widenings": widenings,
    "seen": seen,
    "nested": nested,
    "results": results,
    "tensors": tensors,
    "shapes": shapes,
    "unsupported": unsupported,
    "analysis-errors": analysis_errors,
    "scoring-errors": scoring_errors,
    "other-errors": other_errors,
    "texts": texts,
    "scalar-functions": scalar_functions,
    "table-functions": table_functions,
}
"""Name of a block in the pages -> what is written there."""


def updated(page: str) -> str:
    """A page with each generated block as the code has it now."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", page)


def main() -> None:
    """Write the pages."""
    for path in PAGES:
        path.write_text(updated(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
