"""Tables and views by name; a wrong name is told what there is."""

from __future__ import annotations

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from lakepredict._names import likest_first, listed, suggestion
from lakepredict._tries import unlogged
from lakepredict.errors import TableNotFoundError


def read_table(spark: SparkSession, name: str) -> DataFrame:
    """A table or view, as ``spark.table`` gives it.

    Raises:
        TableNotFoundError: there is none of that name; the message lists what there is.
        pyspark.errors.AnalysisException: it is there, and cannot be read.
    """
    try:
        with unlogged():
            return spark.table(name)
    except AnalysisException as exc:
        if exc.getCondition() != "TABLE_OR_VIEW_NOT_FOUND" or spark.catalog.tableExists(name):
            raise  # a view's own table may be the one that is not there
        raise _not_found(spark, name) from exc


def _not_found(spark: SparkSession, name: str) -> TableNotFoundError:
    schema = name.rpartition(".")[0]
    if schema and not spark.catalog.databaseExists(schema):
        names = [each.name for each in spark.catalog.listDatabases()]
        return TableNotFoundError(
            f"There is no schema `{schema}`.",
            expected=listed(likest_first(schema, names), "a schema"),
            got=f"`{schema}`, in `{name}`",
            hint=suggestion(schema, names) or "check the name.",
        )
    prefix = f"{schema}." if schema else ""
    names = sorted(f"{prefix}{each.name}" for each in spark.catalog.listTables(schema or None))
    place = spark.conf.get("spark.sql.warehouse.dir")
    return TableNotFoundError(
        f"There is no table or view `{name}`.",
        expected=listed(likest_first(name, names), f"a table, but there is none in {place}"),
        got=f"`{name}`",
        hint=suggestion(name, names) or f"check the name, and that the lakehouse is the right one: {place}.",
    )
