"""The batch job: ``spark-submit src/lakepredict/job.py conf/score_weekly_sales.yaml [--set key=value]``.

Exit status: 0 where the rows were scored, or nothing was new; 1 where the job failed and wrote nothing, or a later
part of its record failed; 2 where the file or the arguments are wrong; 130 after Ctrl-C.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # As a script, its own folder comes first, whose modules have names that others may use.
    del sys.path[0]

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

import lakepredict
from lakepredict.cli._ends import Command
from lakepredict.cli._options import json_option, lakehouse_option
from lakepredict.cli._sessions import reported

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakepredict.lakehouse import Scoring

_EVERY = 10.0
"""Seconds between two lines about the progress."""

_log = logging.getLogger("lakepredict.job")


@click.command("score", cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("job")
@click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="A value in place of the file's.")
@json_option
@lakehouse_option
def main(job: str, changes: tuple[str, ...], as_json: bool, lakehouse: str) -> None:
    """Run the scoring job that the YAML file JOB describes."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("lakepredict").setLevel(logging.INFO)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with reported(status=2):
        from lakepredict import _job_file
        from lakepredict.lakehouse._score import run_job

        described = _job_file.load(job, changes)
    with reported():
        spark = lakepredict.spark_session(f"lakepredict {described.title}", lakehouse=lakehouse)
        try:
            with progress(spark):
                scoring = run_job(spark, described)
            click.echo(json.dumps(facts(scoring)) if as_json else summary(scoring))
        finally:
            spark.stop()


def facts(scoring: Scoring) -> dict[str, object]:
    """What a job did, for JSON: times in ISO 8601."""
    return {
        name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for name, value in asdict(scoring).items()
    }


def summary(scoring: Scoring) -> str:
    """What a job did, for people: one fact a line."""
    version = "" if scoring.input_version is None else f" (version {scoring.input_version})"
    lines = {
        "status": scoring.status,
        "model": f"{scoring.model_name} v{scoring.model_version}",
        "input": " ".join(scoring.input.split()) + version,
        "output": scoring.output + ("" if scoring.output_version is None else f" (version {scoring.output_version})"),
        "mode": scoring.mode,
        "rows in": f"{scoring.rows_in:,}",
        "scored": f"{scoring.rows_scored:,}",
        "NULL": f"{scoring.null_predictions:,}",
        "seconds": f"{scoring.seconds:.1f}",
        "run": scoring.scoring_run_id,
    }
    return "\n".join(f"{name:<8} {value}" for name, value in lines.items())


@contextmanager
def progress(spark: SparkSession) -> Iterator[None]:
    """Log how many tasks of the running stages are done, now and then, for as long as the context lasts."""
    done = Event()
    tracker = spark.sparkContext.statusTracker()

    def watch() -> None:
        while not done.wait(_EVERY):
            stages = [tracker.getStageInfo(each) for each in tracker.getActiveStageIds()]
            known = [each for each in stages if each is not None]
            if known:
                tasks, ready = sum(each.numTasks for each in known), sum(each.numCompletedTasks for each in known)
                _log.info("%d of %d tasks done", ready, tasks)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
