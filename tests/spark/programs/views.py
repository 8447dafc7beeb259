"""A process of its own on a lakehouse: runs the statements that it is given, as JSON, and tells what they gave."""

from __future__ import annotations

import json
import sys

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

import lakepredict


def told(spark: SparkSession, statement: str) -> object:
    """The rows of a statement, or the condition of its error."""
    try:
        return [list(row) for row in spark.sql(statement).collect()]
    except PySparkException as exc:
        return exc.getCondition()


lakehouse, conf, statements = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
conf = {"spark.driver.memory": "1g", "spark.ui.enabled": "false", **conf}
spark = lakepredict.spark_session(lakehouse=lakehouse, master="local[2]", conf=conf)
answers = [told(spark, each) for each in statements]
spark.stop()
print("TOLD " + json.dumps(answers, default=str))
