"""Models of Unity Catalog's open-source server whose files are on cloud storage; both are stand-ins on this machine.

``tests/spark/test_unity_catalog.py`` asks the real server, which keeps files in a folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

from lakepredict import _registry, tracking
from lakepredict._mlflow_tables import TABLES
from lakepredict._registry import ModelReference
from lakepredict.cli import _facts
from lakepredict.errors import (
    AliasUnsupportedError,
    ModelNotFoundError,
    ModelUnreadableError,
    RegisteredModelNotFoundError,
)

NAME = "unity.default.sales"
API = "/api/2.1/unity-catalog"
KEYS = {"access_key_id": "LENT", "secret_access_key": "secret", "session_token": "lent-for-a-while"}


class Catalog(BaseHTTPRequestHandler):
    """A catalog with one model of two versions, and the bucket with its files.

    Attributes:
        files: the folder that the bucket has, under the key ``sales``.
        location: where the catalog says that the files are.
        asked: the requests for credentials: what they said, and who asked.
        refused: the keys of objects that were asked for without the credentials that the catalog lends.
    """

    files: ClassVar[Path]
    location: ClassVar[str]
    asked: ClassVar[list[tuple[dict[str, Any], str | None]]]
    refused: ClassVar[list[str]]

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path.startswith(API):
            self._catalog(path.removeprefix(API))
        elif self._has_credentials(query):
            self._bucket(unquote(path).removeprefix("/bucket").strip("/"), query.get("prefix", [""])[0])
        else:
            self.refused.append(path)
            self._send(403, b"")

    def do_HEAD(self) -> None:
        self._send(200, b"", {"x-amz-bucket-region": "eu-west-1"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == f"{API}/temporary-model-version-credentials"
        self.asked.append((body, self.headers.get("Authorization")))
        self._json({"aws_temp_credentials": KEYS})

    def _has_credentials(self, query: dict[str, list[str]]) -> bool:
        """Return whether a request is signed with what the catalog lends, in a header or in the address."""
        tokens = [self.headers.get("x-amz-security-token"), *query.get("X-Amz-Security-Token", [])]
        return KEYS["session_token"] in tokens

    def _catalog(self, path: str) -> None:
        versions = [self._version(number) for number in (1, 2)]
        model = {"name": "sales", "catalog_name": "unity", "schema_name": "default", "created_at": 1, "updated_at": 1}
        answers: dict[str, Any] = {
            f"/models/{NAME}/versions/1": versions[0],
            f"/models/{NAME}/versions/2": versions[1],
            f"/models/{NAME}/versions": {"model_versions": versions},
            f"/models/{NAME}": model,
            "/models": {"registered_models": [model]},
        }
        if path in answers:
            self._json(answers[path])
        elif path.split("/")[2].count(".") == 2:
            self._json({"error_code": "NOT_FOUND", "message": "Registered model not found"}, 404)
        else:
            self._json({"error_code": "INVALID_ARGUMENT", "message": "Invalid registered model name: x"}, 400)

    def _version(self, number: int) -> dict[str, Any]:
        return {
            "model_name": "sales",
            "catalog_name": "unity",
            "schema_name": "default",
            "version": number,
            "source": "file:/somewhere",
            "run_id": f"run{number}",
            "status": "READY",
            "storage_location": self.location,
            "created_at": number,
            "updated_at": number,
        }

    def _bucket(self, key: str, prefix: str) -> None:
        if key:
            self._send(200, Path(self.files, key.removeprefix("sales/")).read_bytes())
            return
        found = Path(self.files, prefix.removeprefix("sales").strip("/"))
        entries = sorted(found.iterdir()) if found.is_dir() else []
        keys = {f"sales/{entry.relative_to(self.files)}": entry for entry in entries}
        text = [
            f"<CommonPrefixes><Prefix>{escape(name)}/</Prefix></CommonPrefixes>"
            if entry.is_dir()
            else f"<Contents><Key>{escape(name)}</Key><Size>{entry.stat().st_size}</Size></Contents>"
            for name, entry in keys.items()
        ]
        self._send(200, f"<ListBucketResult>{''.join(text)}</ListBucketResult>".encode())

    def _json(self, content: dict[str, Any], status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a model."""
    inputs = pd.DataFrame({"size": [1.0, 2.0, 4.0]})
    model = LinearRegression().fit(inputs, inputs["size"])
    folder = tmp_path_factory.mktemp("catalog") / "files"
    mlflow.sklearn.save_model(
        model, folder, signature=infer_signature(inputs, model.predict(inputs)), pip_requirements=[]
    )
    return folder


@pytest.fixture
def catalog(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Catalog]]:
    """The catalog, as MLflow's registry."""
    for name, value in (
        ("files", files),
        ("location", "s3://bucket/sales"),
        ("asked", []),
        ("refused", []),
    ):
        monkeypatch.setattr(Catalog, name, value, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Catalog) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"uc:{address}")
        monkeypatch.setenv("MLFLOW_UC_OSS_TOKEN", "mine")
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        mlflow.set_tracking_uri(address)
        mlflow.set_registry_uri(f"uc:{address}")
        yield Catalog
        mlflow.set_registry_uri(None)
        mlflow.set_tracking_uri(before)
        server.shutdown()


@pytest.fixture
def scratch(tmp_path: Path) -> str:
    """An empty folder to copy files into."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return str(folder)


def test_files_on_cloud_storage(catalog: type[Catalog], scratch: str) -> None:
    """The catalog is asked for credentials to read the version, and its files are read with them and no others."""
    pytest.importorskip("boto3")
    resolved = _registry.resolve(ModelReference(NAME, 2))
    copied = _registry.download(NAME, 2, scratch)

    who = {"catalog_name": "unity", "schema_name": "default", "model_name": "sales"}
    assert resolved.signature.inputs[0].name == "size"
    assert catalog.asked[0] == ({**who, "version": 2, "operation": "READ_MODEL_VERSION"}, "Bearer mine")
    assert catalog.refused == []
    assert contents(copied) == contents(catalog.files)


def contents(folder: Path) -> dict[str, bytes]:
    """Each file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_credentials_are_asked_for_without_a_client_of_the_storage(catalog: type[Catalog]) -> None:
    """Whatever is missing here to read a storage, the catalog has been asked, and the error says what is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "boto3", None)
        with pytest.raises(ModelUnreadableError, match=r"pip install mlflow\[databricks\]"):
            _registry.resolve(ModelReference(NAME, 1))

    assert [body["version"] for body, _ in catalog.asked] == [1]


def test_files_in_a_folder(catalog: type[Catalog], monkeypatch: pytest.MonkeyPatch, scratch: str) -> None:
    """A catalog whose files are in a folder lends nothing, and the files are copied."""
    monkeypatch.setattr(Catalog, "location", catalog.files.as_uri())
    single = _registry.download(NAME, 1, scratch, "MLmodel")
    assert single.read_bytes() == (catalog.files / "MLmodel").read_bytes()
    copied = _registry.download(NAME, 1, scratch)

    assert contents(copied) == contents(catalog.files)
    assert catalog.asked == []


def test_an_alias(catalog: type[Catalog], golden: Callable[[str, str], None]) -> None:
    """An alias is refused as what the registry does not have, with the versions that it has."""
    with pytest.raises(AliasUnsupportedError) as error:
        _registry.find(ModelReference(NAME, "champion"))

    golden("errors/predict_alias_unsupported.txt", str(error.value).replace(mlflow.get_registry_uri(), "<registry>"))


@pytest.mark.parametrize("name", ["unity.default.sale", "sales"])
@pytest.mark.parametrize("version", [1, "latest", "champion"])
def test_a_model_that_is_not_there(catalog: type[Catalog], name: str, version: int | str) -> None:
    """A name that a catalog does not know, or does not take, is told which was meant; the alias comes after it."""
    with pytest.raises(ModelNotFoundError, match=f"did you mean `{NAME}`"):
        _registry.find(ModelReference(name, version))


def test_an_alias_to_set(catalog: type[Catalog]) -> None:
    """An alias is refused before a version is registered, or looked at, for it."""
    with pytest.raises(AliasUnsupportedError, match=r"promote\('unity.default.sales', 'champion', ...\)"):
        tracking.promote(NAME, 2, "champion")
    with pytest.raises(AliasUnsupportedError, match=r"register\('unity.default.sales', 'champion', ...\)"):
        tracking.register("no such run", NAME, alias="champion")


def test_the_latest_version(catalog: type[Catalog]) -> None:
    """'latest' is the highest number that the catalog lists."""
    assert _registry.find(ModelReference(NAME, "latest")).version == 2


def test_lists(catalog: type[Catalog], monkeypatch: pytest.MonkeyPatch) -> None:
    """Models and versions are listed, though a catalog's searches give less than those of a server of MLflow."""
    monkeypatch.setattr(Catalog, "location", catalog.files.as_uri())
    models, found = _facts.models()["models"], _facts.model(NAME, None, 10)
    rows = list(TABLES["mlflow_models"].rows()), list(TABLES["mlflow_model_versions"].rows(NAME))

    assert [(model["name"], model["version_count"], model["latest"], model["aliases"]) for model in models] == [
        (NAME, 2, 2, {})
    ]
    assert [version["version"] for version in found["versions"]] == [2, 1]
    assert found["shown"]["predict"].startswith(f"SELECT *, PREDICT('{NAME}', 'latest', *)")
    assert [row["name"] for row in rows[0]] == [NAME]
    assert [version.version for version in _registry.versions_of_run("run2")] == [2]
    assert [(row["version"], row["aliases"], row["prediction"]) for row in rows[1]] == [
        (1, [], "DOUBLE"),
        (2, [], "DOUBLE"),
    ]


@pytest.mark.parametrize("name", ["unity.default.sale", "sales"])
def test_a_model_to_show_that_is_not_there(catalog: type[Catalog], name: str) -> None:
    """A command that is to show a model says which there are."""
    with pytest.raises(RegisteredModelNotFoundError, match=NAME):
        _facts.model(name, None, 10)
