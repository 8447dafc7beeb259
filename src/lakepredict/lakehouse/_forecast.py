"""The rows that a scoring job writes: columns of the input, the prediction, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakepredict import _registry
from lakepredict._sql import quoted
from lakepredict.errors import JobInvalidError
from lakepredict.lakehouse import _column_names, _prediction
from lakepredict.lakehouse._column_names import OutputTable
from lakepredict.lakehouse._plan import FACTS, Job


def forecast(
    rows: DataFrame, job: Job, model: _registry.ResolvedModel, facts: Mapping[str, Column], table: OutputTable
) -> DataFrame:
    """Return the kept columns, the prediction and the facts; no row is scored yet.

    Raises:
        OutputNamesError: the table cannot have columns of such names.
        JobInvalidError: a column of the input has the name of another one, or there is none to partition by.
        PredictError: PREDICT cannot be bound to the rows.
    """
    kept = _kept(job, rows.columns)
    # Spark itself would call a name ambiguous that stands for two columns.
    _column_names.require_distinct(kept)
    scored = rows.select(
        *(F.col(quoted(column)) for column in kept),
        _prediction.prediction(model, job.arguments).alias(job.prediction),
        *(column.alias(fact) for fact, column in facts.items()),
    )
    _column_names.require_names(table, scored.schema, job.prediction)
    if not table.exists:
        _require_partitions(job, scored.columns)
    return scored


def _kept(job: Job, columns: Sequence[str]) -> Sequence[str]:
    """Return the columns of the input that the output has.

    Raises:
        JobInvalidError: one has the name of a column that the job adds.
    """
    kept = job.columns or job.key or columns
    added = [job.prediction, *FACTS]
    taken = [column for column in kept if column.lower() in map(str.lower, added)]
    if taken:
        raise JobInvalidError(
            "A column of the input has a name that a column of the forecast has.",
            expected=f"other names than {', '.join(added)}",
            got=", ".join(taken),
            hint="name the columns to keep, with columns=[...]; or choose another name for the prediction.",
        )
    return kept


def _require_partitions(job: Job, columns: Sequence[str]) -> None:
    missing = [name for name in job.partition_by if name.lower() not in map(str.lower, columns)]
    if missing:
        raise JobInvalidError(
            "The output is to be partitioned by a column that it does not have.",
            expected=f"columns of the output: {', '.join(columns)}",
            got=", ".join(missing),
            hint="check partition_by; or add the column to those to keep, with columns=[...].",
        )
