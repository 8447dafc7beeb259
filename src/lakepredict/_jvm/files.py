"""Files and folders on any Hadoop file system, and the driver's file of a broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyspark import Broadcast, SparkContext
from pyspark.sql import SparkSession

from lakepredict._jvm.gateway import Gateway


def delete_folder(spark: SparkSession, uri: str) -> None:
    """Delete a folder and all that is in it, on any Hadoop file system, if it is there."""
    path = Gateway.of(spark)("org.apache.hadoop.fs.Path")(uri)
    path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).delete(path, True)


@contextmanager
def staged(spark: SparkSession, source: Path, folder: str) -> Iterator[str]:
    """The URI of a copy of the local folder ``source`` on a Hadoop file system, for as long as the context lasts.

    Args:
        spark: the session.
        source: what to copy.
        folder: where to make a hidden folder for it; any file system that driver and executors see.
    """
    path = Gateway.of(spark)("org.apache.hadoop.fs.Path")
    copy = path(folder, f".lakepredict-{uuid4().hex}")
    system = copy.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    try:
        system.copyFromLocalFile(path(f"file://{source}"), copy)
        yield str(system.makeQualified(copy).toString())
    finally:
        system.delete(copy, True)


def delete_file_with(context: SparkContext, broadcast: Broadcast[Any]) -> None:
    """Have the driver's file of a broadcast deleted when no plan and no Python object uses the broadcast any more.

    Spark's cleaner drops what executors and the driver's block manager have then; PySpark's file is left.
    """
    _file_deleter(Gateway(context).py4j).track(broadcast._path, broadcast._python_broadcast)


@lru_cache(maxsize=1)
def _file_deleter(py4j_gateway: Any) -> Any:
    return py4j_gateway.jvm.org.apache.commons.io.FileCleaningTracker()
