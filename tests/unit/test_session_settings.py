"""Which sessions PREDICT lives in, and the settings of a new one; decided without a JVM."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakepredict
from lakepredict import _jvm
from lakepredict.errors import SessionError, SparkConnectError, SparkVersionError
from lakepredict.lakehouse import Folder, create, locate, use_mlflow
from lakepredict.session import session_conf


def connect_session() -> object:
    """An object of the class that a Spark Connect client has, without its packages."""
    return type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})()


@pytest.mark.parametrize(
    ("given", "root", "local"),
    [
        ("/data/lake/", "/data/lake", True),
        ("file:/data/lake", "/data/lake", True),
        ("file:///data/my%20lake/", "/data/my lake", True),
        ("file://localhost/data/lake", "/data/lake", True),
        ("hdfs://host:9000/lake/", "hdfs://host:9000/lake", False),
        ("file://host/lake", "file://host/lake", False),
    ],
)
def test_place_of_a_lakehouse(given: str, root: str, local: bool) -> None:
    """A URI of this machine's file system is a local folder like a path."""
    assert locate(given) == Folder(root, local=local)


def test_spark_connect_is_refused() -> None:
    """A Spark Connect client is told where to register PREDICT instead."""
    with pytest.raises(SparkConnectError) as caught:
        lakepredict.register(connect_session())  # type: ignore[arg-type]
    expected = (
        "[SESSION_IS_SPARK_CONNECT] PREDICT cannot be registered from a Spark Connect client, which has no JVM.\n"
        "  expected: the SparkSession of the driver, with a master such as local[*] or spark://host:7077\n"
        "  got:      a Spark Connect session\n"
        "  hint: call lakepredict.register(spark) in the Spark Connect server; its clients then use PREDICT in"
        " spark.sql(...) and call_function(...) as it is."
    )

    assert expected == str(caught.value)


@pytest.mark.parametrize("session", [None, "local[2]", object()], ids=["None", "text", "object"])
def test_what_is_no_session_is_refused(session: object) -> None:
    """Anything else is shown and refused."""
    with pytest.raises(SessionError, match=r"got: +\S"):
        lakepredict.register(session)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["3.5.6", "4.0.4", "4.0.0-SNAPSHOT"])
def test_old_spark_is_refused(version: str) -> None:
    """A Spark before 4.1 is refused with both versions."""
    with pytest.raises(SparkVersionError) as caught:
        _jvm.require_version(version)

    assert f"expected: Spark 4.1 or newer\n  got:      Spark {version}\n" in str(caught.value)


@pytest.mark.parametrize("version", ["4.1.0", "4.2.0", "4.10.1", "5.0.0.dev1"])
def test_new_spark_is_taken(version: str) -> None:
    """Spark 4.1 and later will do."""
    _jvm.require_version(version)


def test_settings_of_the_caller_win() -> None:
    """The caller's settings replace lakepredict's, and lists are joined."""
    conf = session_conf(
        locate("/data/lake"),
        "local[2]",
        {"spark.sql.shuffle.partitions": "7", "spark.sql.extensions": "org.example.Extension", "spark.jars": "b.jar"},
        ["a.jar"],
    )

    assert conf["spark.sql.shuffle.partitions"] == "7"
    assert conf["spark.sql.extensions"] == "io.delta.sql.DeltaSparkSessionExtension,org.example.Extension"
    assert conf["spark.jars"] == "a.jar,b.jar"
    assert conf["spark.sql.warehouse.dir"] == "/data/lake/Tables"


def test_cluster_keeps_its_own_ways() -> None:
    """What serves a driver that is its own executor is not set for a cluster."""
    conf = session_conf(locate("/data/lake"), "spark://host:7077", {})

    assert "spark.driver.host" not in conf
    assert "spark.sql.shuffle.partitions" not in conf
    assert "spark.jars" not in conf


def test_folder_is_named_before_it_is_made(tmp_path: Path) -> None:
    """Naming a lakehouse makes nothing; creating it makes the folder of its tables."""
    folder = locate(tmp_path / "lake")

    assert not (tmp_path / "lake").exists()
    create(folder)
    assert (tmp_path / "lake" / "Tables").is_dir()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A lakehouse in the place of a file is refused."""
    (tmp_path / "lake").write_text("")

    with pytest.raises(SessionError, match="cannot be made"):
        create(locate(tmp_path / "lake"))


def test_remote_lakehouse_needs_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lakehouse on another file system cannot have MLflow's SQLite store."""
    monkeypatch.setattr("mlflow.is_tracking_uri_set", lambda: False)

    with pytest.raises(SessionError, match="MLFLOW_TRACKING_URI"):
        use_mlflow(locate("hdfs://host/lake/"))
