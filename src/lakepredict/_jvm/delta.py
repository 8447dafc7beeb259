"""What Delta Lake knows of a table, for which it has no public way."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from lakepredict._jvm.gateway import Gateway, items, new


@dataclass(frozen=True)
class TableVersion:
    """A Delta table that a query reads.

    Attributes:
        name: in the catalog, or its path.
        identifier: the table's own id, which a table that is made anew has not.
        version: the version that is read.
    """

    name: str
    identifier: str
    version: int


def pinned(frame: DataFrame) -> tuple[DataFrame, list[TableVersion], list[str]]:
    """A data frame that reads the Delta tables as they are now, whenever it runs.

    Returns:
        the data frame, the Delta tables that it reads, and what in it has no version: other tables, and expressions
        whose value depends on the moment.
    """
    gateway = Gateway.of(frame.sparkSession)
    tables = new(gateway, "org.lakepredict.PinnedTables")
    plan = tables.pinned(frame._jdf.queryExecution().analyzed())
    rows = gateway("org.apache.spark.sql.classic.Dataset").ofRows(frame.sparkSession._jsparkSession, plan)
    java = tables.getClass()
    found = {TableVersion(each[0], each[1], int(each[2])) for each in java.getField("tables").get(tables)}
    others = [str(each) for each in java.getField("others").get(tables)]
    return DataFrame(rows, frame.sparkSession), sorted(found, key=lambda each: each.name), others


def transactions(spark: SparkSession, table: str) -> dict[str, int]:
    """The last version of each application that wrote to a Delta table with ``txnAppId`` and ``txnVersion``."""
    gateway = Gateway.of(spark)
    name = spark._jsparkSession.sessionState().sqlParser().parseTableIdentifier(table)
    log = gateway("org.apache.spark.sql.delta.DeltaLog").forTableWithSnapshot(spark._jsparkSession, name)
    found = log._2().setTransactions()
    return {str(each.appId()): int(each.version()) for each in items(found)}
