"""One SparkSession on a lakehouse folder: Delta tables, MLflow and PREDICT, with no server to set up.

A lakehouse is a folder with ``Tables/`` (Delta tables, the session's warehouse), ``Views/``, ``Functions/``,
``Schemas/`` and ``ExternalTables/`` (definitions as SQL text), ``mlflow.db`` (MLflow's SQLite store) and ``artifacts/``
(models and plots).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from pyspark.sql import SparkSession

from lakepredict import _delta_fit, _jars, _jvm
from lakepredict import lakehouse as _lakehouse
from lakepredict._session_conf import is_local, session_conf
from lakepredict._tries import unlogged_for_good
from lakepredict.errors import DeltaJarsError, LakehouseMismatchError
from lakepredict.functions import register

__all__ = ["session_conf", "spark_session"]


def spark_session(
    app_name: str = "lakepredict",
    *,
    lakehouse: str | os.PathLike[str] = "./lakehouse",
    master: str | None = None,
    conf: Mapping[str, str] | None = None,
) -> SparkSession:
    """Build, or take the running, SparkSession on a lakehouse folder, ready for PREDICT.

    What happens, in this order: Delta Lake and Spark are compared by their versions; Delta Lake's JARs are fetched if
    they never were, and ``conf`` names none; Spark starts; the lakehouse is
    attached to the session's catalog, so that it sees the tables, views and functions that other processes make, and
    keeps those that it makes itself, unless it has a metastore of its own; MLflow is pointed at
    ``<lakehouse>/mlflow.db`` and ``<lakehouse>/artifacts``, unless ``MLFLOW_TRACKING_URI`` or
    ``mlflow.set_tracking_uri`` says otherwise; PREDICT is registered. Where no session was running, PySpark's two
    loggers that print each error of a query as JSON, before it is raised, are turned off for this process, unless the
    program has set them up itself: ``logging.getLogger("SQLQueryContextLogger").setLevel("ERROR")`` turns one on again.

    Args:
        app_name: the application's name, as Spark's UI shows it.
        lakehouse: a folder, made if it does not exist.
        master: a Spark master URL; None takes that of ``spark-submit`` or ``spark-defaults.conf``, or else
            ``local[*]``.
        conf: further Spark settings; they win over lakepredict's own.

    Returns:
        The session. ``spark.stop()`` ends it; call this again for another.

    Raises:
        SessionError: the folder cannot be made.
        LakehouseMismatchError: a session is running whose warehouse is not in this lakehouse.
        LakehouseUnreadableError: the folder cannot be listed.
        DeltaVersionError: Delta Lake was built for another Spark than the one that runs.
        DeltaJarsError: Delta Lake's JARs cannot be fetched, or are missing in the running session.
        SparkVersionError: Spark is older than 4.1.
        SparkConnectError: a Spark Connect client is asked for.

    Example:
        >>> import lakepredict
        >>> spark = lakepredict.spark_session(lakehouse="./lakehouse")  # doctest: +SKIP
    """
    folder = _lakehouse.locate(lakehouse)
    spark = SparkSession.getActiveSession() or _start(app_name, folder, master, dict(conf or {}))
    _jvm.require_usable(spark)
    _require_delta(spark)
    _require_lakehouse(spark, folder)
    _lakehouse.attach(spark, folder)
    _lakehouse.use_mlflow(folder)
    register(spark)
    return spark


def _start(app_name: str, folder: _lakehouse.Folder, master: str | None, conf: dict[str, str]) -> SparkSession:
    jars = [] if _jvm.is_running() else _jars.jars_for(conf)
    _lakehouse.create(folder)
    builder = SparkSession.builder.appName(app_name)
    if master is not None:
        builder = builder.master(master)
    if is_local(master):
        # Workers need this interpreter and its packages, not whichever python3 is first on the PATH.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for key, value in session_conf(folder, master, conf, jars).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    # Not in a session that was there before: its logging is its owner's.
    unlogged_for_good()
    return spark


def _require_delta(spark: SparkSession) -> None:
    """Refuse a session without Delta Lake, which cannot be added later, or with one of another Spark."""
    place = _jvm.place_of(spark, _jars.DELTA_CLASS)
    delta = _delta_fit.of_jars(place or "")
    if delta is not None:
        _delta_fit.require_fit(spark.version, delta)
    extensions = spark.conf.get("spark.sql.extensions", "") or ""
    if place is not None and _jars.DELTA_CLASS in extensions:
        return
    raise DeltaJarsError(
        "The running session has no Delta Lake.",
        expected=f"{_jars.DELTA_CLASS} in spark.sql.extensions, and its JARs",
        got=f"spark.sql.extensions = {extensions!r}",
        hint=f"stop the session first, or start it with --packages {_jars.delta_coordinate()} and"
        " --properties-file conf/spark-defaults.conf.",
    )


def _require_lakehouse(spark: SparkSession, folder: _lakehouse.Folder) -> None:
    """A warehouse cannot be moved under a running session, and a table must not go to another place unsaid."""
    warehouse = str(spark.conf.get("spark.sql.warehouse.dir", "")).removeprefix("file:").rstrip("/")
    if warehouse == folder.tables.removeprefix("file:"):
        return
    raise LakehouseMismatchError(
        "A session is running whose tables live elsewhere.",
        expected=f"a session with its warehouse at {folder.tables}",
        got=f"a session with its warehouse at {warehouse}",
        hint="call spark.stop() first, or ask for the lakehouse that the session has; to have PREDICT alone in"
        " the running session, call lakepredict.register(spark).",
    )
