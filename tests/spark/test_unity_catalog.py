"""Models of the real open-source server of Unity Catalog, with files in a folder.

The server comes from Maven Central, into the cache of lakepredict's own JARs. ``UNITY_CATALOG_CLASSPATH`` names the
class path of another one, as a build from its source gives.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from mlflow.types import DataType
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from conftest import register_model
from lakepredict import _jars
from test_registry_servers import free_port, pointed, refusal, total

pytestmark = pytest.mark.usefixtures("sales")

SERVER = "io.unitycatalog:unitycatalog-server:0.6.0"
INPUTS = {"price": DataType.double, "visits": DataType.double}
NAME = "unity.default.sales"


@pytest.fixture(scope="session")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of the server; where it cannot be had, its tests are skipped, and say so."""
    given = os.environ.get("UNITY_CATALOG_CLASSPATH")
    if given:
        return given
    folder = _jars.folder().parent / SERVER.replace(":", "_")
    if not folder.is_dir():
        fetch(folder, tmp_path_factory.mktemp("fetch"))
    return str(folder / "*")


def fetch(folder: Path, scratch: Path) -> None:
    """Have Spark resolve the server, as it does other packages."""
    program = scratch / "nothing.py"
    program.touch()
    command = [str(_jars.spark_home() / "bin" / "spark-submit"), "--packages", SERVER]
    done = subprocess.run(
        [*command, "--conf", f"spark.jars.ivy={scratch}", str(program)],
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"{SERVER} cannot be fetched from a Maven repository; UNITY_CATALOG_CLASSPATH names another one")
    shutil.copytree(scratch / "jars", folder)


@pytest.fixture(scope="module")
def server(class_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of its own process, with the catalog ``unity`` and its schema ``default``."""
    folder = tmp_path_factory.mktemp("catalog")
    properties = folder / "etc" / "conf" / "server.properties"
    properties.parent.mkdir(parents=True)
    properties.write_text("server.env=dev\nserver.authorization=disable\n")
    port = free_port()
    command = ["java", "-Xmx512m", "-cp", class_path, "io.unitycatalog.server.UnityCatalogServer", "--port", str(port)]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        make_schema(process, address, folder.as_uri(), log)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def make_schema(process: subprocess.Popen[bytes], address: str, root: str, log: Path) -> None:
    """Make a catalog whose files are below a folder, as soon as the server answers, and a schema."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            post(f"{address}/api/2.1/unity-catalog/catalogs", {"name": "unity", "storage_root": f"{root}/files"})
        except (URLError, OSError):
            time.sleep(0.5)
            continue
        post(f"{address}/api/2.1/unity-catalog/schemas", {"name": "default", "catalog_name": "unity"})
        return
    pytest.fail(f"the server did not start:\n{log.read_text()}")


def post(address: str, content: dict[str, str]) -> None:
    """Send JSON."""
    request = Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=30):
        pass


@pytest.fixture(scope="module")
def catalog(spark: SparkSession, server: str) -> Iterator[str]:
    """The server as MLflow's registry, with a model in two versions."""
    with pointed(registry=f"uc:{server}"):
        for factor in (1.0, 10.0):
            register_model(NAME, factor, INPUTS)
        yield server


def test_versions(spark: SparkSession, catalog: str) -> None:
    """A version is found by its number and as the latest, and scores with its own files."""
    assert [total(spark, NAME, version) for version in (1, 2, "latest")] == [362, 3620, 3620]


def test_an_alias(spark: SparkSession, catalog: str) -> None:
    """An alias is refused as what this registry does not have."""
    error = refusal(spark, NAME, "champion")

    assert error.getCondition() == "PREDICT_ALIAS_UNSUPPORTED"
    assert f"expected: one of 2, 1   (registry: uc:{catalog})" in str(error)


@pytest.mark.parametrize("name", ["unity.default.sale", "unity.nope.sales", "nope.default.sales", "sales"])
@pytest.mark.parametrize("version", [1, "latest", "champion"])
def test_names_that_are_not_there(spark: SparkSession, catalog: str, name: str, version: int | str) -> None:
    """A model, a schema or a catalog that is not there, and a name of one part, are told which name was meant."""
    error: AnalysisException = refusal(spark, name, version)

    assert error.getCondition() == "PREDICT_MODEL_NOT_FOUND"
    assert f"did you mean `{NAME}`?" in str(error)


def test_a_version_that_is_not_there(spark: SparkSession, catalog: str) -> None:
    """The versions that there are, are listed."""
    error = refusal(spark, NAME, 3)

    assert error.getCondition() == "PREDICT_VERSION_NOT_FOUND"
    assert "expected: one of 2, 1" in str(error)


def test_lists(spark: SparkSession, catalog: str) -> None:
    """The tables of models and versions have what the catalog has."""
    models = spark.sql("SELECT name, aliases FROM mlflow_models()").collect()
    versions = spark.sql(f"SELECT version, prediction FROM mlflow_model_versions('{NAME}')").collect()

    assert [tuple(row) for row in models] == [(NAME, {})]
    assert sorted(tuple(row) for row in versions) == [(1, "DOUBLE"), (2, "DOUBLE")]
