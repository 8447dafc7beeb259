"""Where a lakehouse keeps what: Delta tables, MLflow's store and its artifacts, all in one folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from pyspark.sql import SparkSession

from lakepredict import _jvm
from lakepredict._place import Folder, locate
from lakepredict.errors import SessionError

__all__ = ["Folder", "attach_tables", "create", "locate", "use_mlflow"]

_ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""What MLflow's own server sets: where experiments that are made without a location keep their artifacts."""

_TABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
"""The names that Spark's own catalog takes; a folder with another one cannot be a table of it."""

_given_uri: str | None = None


def create(folder: Folder) -> None:
    """Make a local lakehouse folder, if it does not exist; on other file systems Spark does.

    Raises:
        SessionError: it cannot be made.
    """
    if not folder.local:
        return
    try:
        Path(folder.tables).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SessionError(
            f"The lakehouse folder {folder.root} cannot be made.",
            expected="a folder, or a place where one may be made",
            got=f"{type(exc).__name__}: {exc.strerror}",
            hint="give another folder with --lakehouse or spark_session(lakehouse=...).",
        ) from exc


def attach_tables(spark: SparkSession, folder: Folder) -> None:
    """Add the Delta tables found in the folder to the session's catalog, where it does not have them yet.

    ``Tables/<name>`` becomes ``<name>`` and ``Tables/<schema>.db/<name>`` becomes ``<schema>.<name>``, which is
    where Spark puts managed tables, and managed they are: DROP TABLE deletes them. No table's data is read.
    A session with a metastore of its own (``spark.sql.catalogImplementation=hive``) is left as it is.
    """
    if spark.conf.get("spark.sql.catalogImplementation") != "in-memory":
        return
    for name in _jvm.list_folders(spark, folder.tables):
        schema = name.removesuffix(".db")
        if name != schema and _TABLE_NAME.fullmatch(schema):
            spark.sql(f"CREATE SCHEMA IF NOT EXISTS `{schema}`")
            for table in _jvm.list_folders(spark, f"{folder.tables}/{name}"):
                _attach(spark, f"{folder.tables}/{name}/{table}", schema, table)
        else:
            _attach(spark, f"{folder.tables}/{name}", "default", name)


def _attach(spark: SparkSession, path: str, schema: str, table: str) -> None:
    if _TABLE_NAME.fullmatch(table) and "_delta_log" in _jvm.list_folders(spark, path):
        _jvm.attach_table(spark, schema, table, path)


def use_mlflow(folder: Folder) -> None:
    """Point MLflow at the lakehouse's own store, unless it was pointed elsewhere by other than this function.

    Raises:
        SessionError: the lakehouse is on another file system, where SQLite cannot live, and no URI is set.
    """
    global _given_uri
    is_set: bool = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
    if is_set and mlflow.get_tracking_uri() != _given_uri:
        return
    if not folder.local:
        raise SessionError(
            "MLflow's SQLite store cannot live on another file system than this machine's.",
            expected="MLFLOW_TRACKING_URI, for a lakehouse with a URI",
            got=f"lakehouse {folder.root} and no MLFLOW_TRACKING_URI",
            hint="start mlflow server and set MLFLOW_TRACKING_URI to its address.",
        )
    mlflow.set_tracking_uri(folder.mlflow_uri)
    # MLflow reads the variable when it opens the store; a process that keeps it is taken for a tracking server,
    # which reads no models from HDFS or a cloud.
    os.environ[_ARTIFACT_ROOT] = folder.artifacts
    MlflowClient().search_experiments(max_results=1)
    del os.environ[_ARTIFACT_ROOT]
    _given_uri = folder.mlflow_uri
