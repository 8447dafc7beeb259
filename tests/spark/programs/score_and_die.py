"""Run the job of test_score.py, and die where the first argument says: by SIGKILL, of Python and of the JVM alike."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread

import lakepredict
from lakepredict import lakehouse
from lakepredict.lakehouse import _output

POINT, LAKEHOUSE = sys.argv[1:]
TABLE = Path(LAKEHOUSE, "Tables", "killed")


def die() -> None:
    """Leave no process of this group the time to do anything."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def die_before_the_commit() -> None:
    """Wait until data files of the write are there, and its commit is not."""
    known = set(TABLE.glob("*.parquet"))
    commits = len(list(TABLE.glob("_delta_log/*.json")))
    while True:
        if set(TABLE.glob("*.parquet")) - known:
            print("files", len(list(TABLE.glob("_delta_log/*.json"))) - commits, flush=True)
            die()
        time.sleep(0.001)


def die_while_scoring(tracker) -> None:
    """Wait until tasks run."""
    while True:
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info is not None and info.numActiveTasks:
                print("tasks", flush=True)
                die()
        time.sleep(0.001)


spark = lakepredict.spark_session(
    lakehouse=LAKEHOUSE, master="local[2]", conf={"spark.driver.memory": "1g", "spark.ui.enabled": "false"}
)
write = _output.write


def written(forecast, job, decision, facts) -> None:
    """The write, and what is asked for around it."""
    if POINT == "scoring":
        Thread(target=die_while_scoring, args=[spark.sparkContext.statusTracker()], daemon=True).start()
    if POINT == "files":
        Thread(target=die_before_the_commit, daemon=True).start()
    write(forecast, job, decision, facts)
    if POINT == "commit":
        print("commit", flush=True)
        die()


_output.write = written
print("ready", flush=True)
if POINT == "together":
    sys.stdin.readline()
scoring = lakehouse.score(spark, "killed", 1, "killed_input", "killed", mode="incremental", key=["id"])
print(scoring.status, flush=True)
spark.stop()
