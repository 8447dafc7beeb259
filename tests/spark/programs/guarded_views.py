"""Views and functions that do more than read, asked for in a client's session; prints as JSON how each went."""

from __future__ import annotations

import json
import sys

import lakepredict
from lakepredict.serve import _jvm

MADE = [
    "CREATE TABLE plain AS SELECT 1 AS a",
    "CREATE VIEW reader AS SELECT a FROM plain",
    "CREATE VIEW files AS SELECT * FROM text.`/etc/hostname`",
    "CREATE VIEW caller AS SELECT reflect('java.lang.System', 'getenv', 'PATH') AS path",
    "CREATE VIEW nested AS SELECT * FROM files",
    "CREATE FUNCTION doubled(x INT) RETURNS INT RETURN 2 * x",
    "CREATE FUNCTION path() RETURNS STRING RETURN reflect('java.lang.System', 'getenv', 'PATH')",
]
ASKED = [
    "SELECT doubled(a) FROM reader",
    "SELECT * FROM files",
    "SELECT * FROM caller",
    "SELECT * FROM nested",
    "SELECT path()",
]

if __name__ == "__main__":
    conf = {"spark.ui.enabled": "false", "spark.driver.memory": "1g"}
    spark = lakepredict.spark_session(lakehouse=sys.argv[1], conf=conf)
    for each in MADE:
        spark.sql(each)
    _jvm.Servers(spark, f"{sys.argv[1]}/log.jsonl", read_only=True)
    client, told = spark.newSession(), {}
    for each in ASKED:
        try:
            told[each] = str(client.sql(each).first()[0])
        except Exception as exc:
            told[each] = str(exc)
    print(json.dumps(told))
    spark.stop()
