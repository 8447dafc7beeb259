"""Models of a real MLflow server, over HTTP, and servers that are out of order."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.types import DataType
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from conftest import register_model

pytestmark = pytest.mark.usefixtures("sales")

INPUTS = {"price": DataType.double, "visits": DataType.double}
NAMES = ["weekly sales", "catalog.schema.model", "it's", 'the "best"', "`quoted`", "Umsätze 100%"]


@dataclass(frozen=True)
class Server:
    """A running ``mlflow server``.

    Attributes:
        uri: its address.
        artifacts: the folder of the models that it serves.
    """

    uri: str
    artifacts: Path


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An MLflow server of its own process, with an SQLite database and a folder of artifacts that it serves."""
    folder = tmp_path_factory.mktemp("server")
    found = Server(f"http://127.0.0.1:{free_port()}", folder / "artifacts")
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={found.uri.split(':')[-1]}"]
    stores = [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination={found.artifacts}"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "_MLFLOW"))}
    with Path(folder, "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *stores, "--workers=1"], env=kept, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        wait_until_healthy(process, found.uri, Path(folder, "log"))
        yield found
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def wait_until_healthy(process: subprocess.Popen[bytes], uri: str, log: Path) -> None:
    """Return as soon as the server answers."""
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"{uri}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"mlflow server did not start:\n{log.read_text()}")


@contextmanager
def pointed(tracking: str | None = None, registry: str | None = None) -> Iterator[None]:
    """Point MLflow elsewhere for a while, as users do."""
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        # MLflow keeps the registry in this variable, too, and never takes it back.
        patch.setenv("MLFLOW_REGISTRY_URI", "")
        if tracking:
            mlflow.set_tracking_uri(tracking)
        if registry:
            mlflow.set_registry_uri(registry)
        try:
            yield
        finally:
            mlflow.set_registry_uri(None)
            mlflow.set_tracking_uri(before)


@pytest.fixture
def on_server(server: Server) -> Iterator[Server]:
    """The server, as MLflow's tracking server and registry."""
    with pointed(tracking=server.uri):
        yield server


def total(spark: SparkSession, model: str, version: int | str) -> float:
    """The sum of all predictions, which is 362 for a factor of 1."""
    query = "SELECT sum(PREDICT(:model, :version, price, visits)) AS p FROM sales"
    return round(float(spark.sql(query, args={"model": model, "version": version}).first().p), 6)


def refusal(spark: SparkSession, model: str, version: int | str) -> AnalysisException:
    """What Spark says to a query that cannot be bound."""
    with pytest.raises(AnalysisException) as raised:
        total(spark, model, version)
    return raised.value


# --- a server that works -----------------------------------------------------------------------------------


def test_models_of_a_server(spark: SparkSession, on_server: Server) -> None:
    """A model is registered, found by number, alias and 'latest', and scored over HTTP."""
    register_model("served", 1.0, INPUTS)
    register_model("served", 10.0, INPUTS)
    MlflowClient().set_registered_model_alias("served", "champion", "1")

    assert [total(spark, "served", each) for each in (1, 2, "champion", "latest")] == [362, 3620, 362, 3620]
    assert spark.sql("SELECT PREDICT_VERSION('served', 'champion') AS v").first().v == 1


def test_a_bound_query_needs_the_server_no_more(spark: SparkSession, on_server: Server) -> None:
    """Once a query is bound, it runs without the registry, for the model travels with it."""
    register_model("bound", 1.0, INPUTS)
    frame = spark.sql("SELECT sum(PREDICT('bound', 1, *)) AS p FROM (SELECT price, visits FROM sales)")
    with pointed(tracking=f"http://127.0.0.1:{free_port()}"):
        found = frame.first().p

    assert round(found, 6) == 362


@pytest.mark.parametrize("name", NAMES)
def test_names(spark: SparkSession, on_server: Server, name: str) -> None:
    """A name with spaces, dots, quotes and the like is one constant of SQL, as a literal and as a parameter."""
    register_model(name, 1.0, INPUTS)
    literal = name.replace("\\", "\\\\").replace("'", "\\'")
    query = f"SELECT sum(PREDICT('{literal}', 'latest', price, visits)) AS p FROM sales"

    assert round(spark.sql(query).first().p, 6) == 362
    assert total(spark, name, 1) == 362
    assert refusal(spark, name, 2).getCondition() == "PREDICT_VERSION_NOT_FOUND"


def test_registry_on_a_server_alone(spark: SparkSession, server: Server) -> None:
    """With a server as registry alone, models and their files come from there, wherever runs are tracked."""
    with pointed(tracking=server.uri):
        register_model("apart", 1.0, INPUTS)
    with pointed(registry=server.uri):
        assert mlflow.get_tracking_uri() != mlflow.get_registry_uri()
        assert total(spark, "apart", 1) == 362
    assert refusal(spark, "apart", 1).getCondition() == "PREDICT_MODEL_NOT_FOUND"


def test_registry_apart_from_the_tracking_server(spark: SparkSession, server: Server, tmp_path: Path) -> None:
    """A registry in a database takes models whose files the tracking server keeps."""
    with pointed(tracking=server.uri, registry=f"sqlite:///{tmp_path}/registry.db"):
        register_model("tracked", 1.0, INPUTS)
        assert total(spark, "tracked", 1) == 362
    with pointed(tracking=server.uri):
        assert refusal(spark, "tracked", 1).getCondition() == "PREDICT_MODEL_NOT_FOUND"


@pytest.mark.usefixtures("models")
def test_same_name_in_two_registries(spark: SparkSession, server: Server) -> None:
    """Models of the same name and number in two registries stay apart in one session."""
    with pointed(tracking=server.uri):
        register_model("revenue", 100.0, INPUTS)
        there = total(spark, "revenue", 1)

    assert (there, total(spark, "revenue", 1)) == (36200, 362)


# --- what is not there -------------------------------------------------------------------------------------


def test_deleted_version(spark: SparkSession, on_server: Server) -> None:
    """A deleted version is refused, though it was scored before; 'latest' is the newest that is left."""
    register_model("deleted", 1.0, INPUTS)
    register_model("deleted", 10.0, INPUTS)
    client = MlflowClient()
    client.set_registered_model_alias("deleted", "champion", "2")
    before = total(spark, "deleted", 2)
    client.delete_model_version("deleted", "2")
    gone, alias = refusal(spark, "deleted", 2), refusal(spark, "deleted", "champion")

    assert (before, total(spark, "deleted", "latest")) == (3620, 362)
    assert gone.getCondition() == "PREDICT_VERSION_NOT_FOUND"
    assert "expected: 1   (registry: " in str(gone)
    assert alias.getCondition() == "PREDICT_ALIAS_NOT_FOUND"


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_deleted_artifacts(spark: SparkSession, on_server: Server, known: bool) -> None:
    """A version whose files are gone is refused, soon and with its address, also where its signature is known."""
    name = f"emptied {known}"
    before = set(on_server.artifacts.rglob("MLmodel"))
    register_model(name, 1.0, INPUTS)
    (mlmodel,) = set(on_server.artifacts.rglob("MLmodel")) - before
    if known:
        with pytest.raises(AnalysisException, match="PREDICT_COLUMN_MISSING"):
            spark.sql(f"SELECT PREDICT('{name}', 1, price => price) FROM sales")
    shutil.rmtree(mlmodel.parent)
    start = time.monotonic()
    refused = refusal(spark, name, 1)

    assert refused.getCondition() == "PREDICT_MODEL_UNREADABLE"
    assert f"an MLflow model at models:/{name}/1" in str(refused)
    assert time.monotonic() - start < 60


# --- servers out of order ----------------------------------------------------------------------------------


@pytest.fixture
def impatient(spark: SparkSession) -> SparkSession:
    """A session that waits for a registry for one second."""
    session = spark.newSession()
    session.conf.set("spark.lakepredict.registryTimeout", "1")
    return session


@pytest.fixture
def down() -> str:
    """The address of a server that is not running."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


class Broken(BaseHTTPRequestHandler):
    """Answers every request with the same fault."""

    def do_GET(self) -> None:
        """Say that something went wrong."""
        self.send_error(500)

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def broken() -> Iterator[str]:
    """The address of a server that answers with status 500 only."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("fault", ["down", "silent", "broken"])
@pytest.mark.parametrize("version", ["1", "'champion'", "'latest'"])
def test_server_out_of_order(impatient: SparkSession, request: pytest.FixtureRequest, fault: str, version: str) -> None:
    """A registry that does not answer fails the query after a bounded wait, and is told by its address alone."""
    address = request.getfixturevalue(fault)
    start = time.monotonic()
    with pointed(registry=f"http://ann:s3cret@{address}"), pytest.raises(AnalysisException) as raised:
        impatient.sql(f"SELECT PREDICT('served', {version}, *) FROM sales")
    seconds = time.monotonic() - start

    assert raised.value.getCondition() == "PREDICT_REGISTRY_UNAVAILABLE"
    assert f"a registry at http://{address}\n" in str(raised.value)
    assert "no answer in 1 seconds; spark.lakepredict.registryTimeout sets how many to wait" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert seconds < 15
