"""Models of a real MLflow registry, as a query names them."""

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.workspace_context import ServerWorkspaceContext
from pyspark.sql import types as T
from sklearn.linear_model import LinearRegression

from lakepredict._registry import ModelReference, ResolvedModel, describe, find, registry_address, resolve
from lakepredict._signature import Input, Signature
from lakepredict.errors import (
    AliasNotFoundError,
    ArgumentInvalidError,
    ModelNotFoundError,
    ModelUnreadableError,
    PredictError,
    RegistryUnavailableError,
    SignatureMissingError,
    SignatureUnsupportedError,
    VersionNotFoundError,
)

INPUTS = Schema([ColSpec("double", "size"), ColSpec("long", "week")])
OUTPUTS = Schema([ColSpec("double")])
WITHOUT_OUTPUTS, WITHOUT_INPUTS = ModelSignature(inputs=INPUTS), ModelSignature(outputs=OUTPUTS)
MATRIX = infer_signature(np.ones((2, 1)), np.ones(2))


class Registry:
    """A registry of one test, with a model to register under any name."""

    def __init__(self, uri: str, model_uri: str, run_id: str, folder: Path) -> None:
        self.uri = uri
        self.run_id = run_id
        self.client = MlflowClient()
        self._model_uri = model_uri
        self._folder = folder

    def register(self, name: str, versions: int = 1, source: str | None = None) -> None:
        """Add versions of a model, and the model if it is new."""
        with suppress(MlflowException):
            self.client.create_registered_model(name)
        for _ in range(versions):
            self.client.create_model_version(name, source or self._model_uri, run_id=self.run_id)

    def register_folder(self, name: str) -> Path:
        """Add a version whose files the test may change."""
        folder = self._folder / name
        shutil.copytree(mlflow.artifacts.download_artifacts(self._model_uri), folder)
        self.register(name, source=str(folder))
        return folder

    def register_signature(self, name: str, signature: ModelSignature | None) -> None:
        """Add a version of another signature."""
        folder = self.register_folder(name)
        described = Model.load(str(folder))
        described.signature = signature
        described.save(str(folder / "MLmodel"))


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """A database in which a run has logged a model, but none is registered: its URI, the model's, the run's id."""
    folder = tmp_path_factory.mktemp("registry")
    previous = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    inputs = pd.DataFrame({"size": [1.0, 2.0, 4.0], "week": [1, 2, 3]})
    model = LinearRegression().fit(inputs, inputs["size"])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_REGISTRY_URI", raising=False)
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", str(folder / "artifacts"))
        uri = f"sqlite:///{folder}/mlflow.db"
        mlflow.set_tracking_uri(uri)
        with mlflow.start_run() as run:
            info = mlflow.sklearn.log_model(
                model, name="model", signature=ModelSignature(INPUTS, OUTPUTS), pip_requirements=[]
            )
        yield uri, info.model_uri, run.info.run_id
        mlflow.set_tracking_uri(previous)


@pytest.fixture
def registry(logged: tuple[str, str, str], tmp_path: Path) -> Iterator[Registry]:
    """A registry in which nothing is registered yet."""
    uri, model_uri, run_id = logged
    mlflow.set_tracking_uri(uri)
    registry = Registry(uri, model_uri, run_id, tmp_path)
    yield registry
    for model in registry.client.search_registered_models():
        registry.client.delete_registered_model(model.name)


@pytest.fixture
def other_registry(registry: Registry, tmp_path: Path) -> Callable[[], str]:
    """Makes a copy of the registry as it is now, and returns its URI."""

    def copy() -> str:
        shutil.copy(registry.uri.removeprefix("sqlite:///"), tmp_path / "other.db")
        return f"sqlite:///{tmp_path}/other.db"

    return copy


def found(name: object, version: object) -> ResolvedModel:
    """What the registry has for a query's two constants."""
    return resolve(ModelReference.parse(name, version))


def refusal(error: type[PredictError], name: object, version: object) -> str:
    """What is said about a model that cannot be bound, without the path of the registry."""
    with pytest.raises(error) as caught:
        found(name, version)
    return re.sub(r"sqlite:////[^\s)]*", "<registry>", str(caught.value))


# --- references --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (3, 3),
        ("3", 3),
        (" 3 ", 3),
        ("007", 7),
        ("champion", "champion"),
        ("@champion", "champion"),
        (" @champion ", "champion"),
        ("Champion-2", "Champion-2"),
        ("latest", "latest"),
        ("version3", "version3"),
        ("v-3", "v-3"),
    ],
)
def test_reference(version, expected):
    """A version is a number, also as text, or an alias, with or without its @."""
    assert ModelReference("sales", expected) == ModelReference.parse("sales", version)


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        (True, "True"),
        (False, "False"),
        (0, "0"),
        (-1, "-1"),
        (1.5, "1.5"),
        (Decimal("3.0"), "Decimal('3.0')"),
        ("", "''"),
        ("  ", "'  '"),
        ("@", "'@'"),
        ("0", "0"),
        ("٣", "'٣'"),
        (None, "NULL"),
        (b"3", "b'3'"),
    ],
)
def test_wrong_version(version, shown):
    """What is neither a positive whole number nor a text is no version."""
    message = refusal(ArgumentInvalidError, "sales", version)

    assert message.startswith("[PREDICT_ARGUMENT_INVALID] The version of PREDICT is not usable.\n")
    assert f"\n  got:      {shown}\n" in message


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v1", "write 1."),
        ("V12", "write 12."),
        ("1.0", "write 1."),
        (1.0, "write 1."),
        (Decimal("3.00"), "write 3."),
        ("version 3", "write 3."),
        ("LATEST", "write 'latest'."),
        (1.5, "write 3, 'champion' or 'latest'."),
        ("1.5", None),
    ],
)
def test_version_that_is_meant(version, expected):
    """What MLflow does not take for an alias, and has a number in it, is answered with the number."""
    if expected is None:
        assert ModelReference.parse("sales", version).version == version
    else:
        assert refusal(ArgumentInvalidError, "sales", version).splitlines()[-1] == f"  hint: {expected}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("churn/4", "the version is an argument of its own: PREDICT('churn', 4, ...)."),
        ("churn/champion", "the version is an argument of its own: PREDICT('churn', 'champion', ...)."),
        ("models:/churn/4", "the version is an argument of its own: PREDICT('churn', 4, ...)."),
        ("models:/churn@champion", "the version is an argument of its own: PREDICT('churn', 'champion', ...)."),
        ("models:/o'brien/v2", r"the version is an argument of its own: PREDICT('o\'brien', 2, ...)."),
        ("models:/churn", "the version is an argument of its own: PREDICT('churn', 'champion', ...)."),
        (
            "runs:/0c1f/model",
            "register the model, and write its name and the number:"
            " mlflow.register_model(model_uri, 'sales_forecast').",
        ),
        ("a/b/c", "write name and version: PREDICT('sales_forecast', 'champion', ...)."),
    ],
)
def test_model_that_is_meant(name, expected):
    """A model that is written with its version, as elsewhere, is answered with the call in two arguments."""
    assert refusal(ArgumentInvalidError, name, 1).splitlines()[-1] == f"  hint: {expected}"


def test_name_with_an_alias(registry):
    """An @ may be in a name, so it is when there is no such model that the alias is told to be an argument."""
    registry.register("churn@home")

    assert found("churn@home", 1).version == 1
    assert refusal(ModelNotFoundError, "tenure@champion", 1).endswith(
        "hint: the version is an argument of its own: PREDICT('tenure', 'champion', ...)."
    )


def test_stage(registry, golden):
    """A stage is told to be none, with the version that is in it, or the newest."""
    registry.register("sales", versions=3)
    registry.client.transition_model_version_stage("sales", "2", "Production")
    texts = [refusal(AliasNotFoundError, "sales", stage) for stage in ("Production", "staging")]

    golden("errors/predict_alias_not_found_stage.txt", "\n".join(texts))


def test_number_in_an_alias(registry):
    """An alias that is not there, and has the number of a version in it, is answered with the number."""
    registry.register("sales")

    assert refusal(AliasNotFoundError, "sales", "version_1").endswith("hint: write 1.")
    assert "promote('sales', 1, 'version_7')" in refusal(AliasNotFoundError, "sales", "version_7")


@pytest.mark.parametrize(
    ("name", "shown"),
    [(None, "NULL"), ("", "''"), ("  ", "'  '"), (1, "1"), (True, "True"), (b"sales", "b'sales'")],
)
def test_wrong_name(name, shown):
    """What is no text, or an empty one, is no model's name."""
    message = refusal(ArgumentInvalidError, name, 1)

    assert message.startswith("[PREDICT_ARGUMENT_INVALID] The model of PREDICT is not usable.\n")
    assert f"\n  got:      {shown}\n" in message


@pytest.mark.parametrize(("name", "version", "text"), [(None, 1, "model"), ("sales", None, "version")])
def test_text_of_wrong_arguments(golden, name, version, text):
    """A model or a version that is NULL is refused with what to write instead."""
    golden(f"errors/predict_argument_invalid_{text}.txt", refusal(ArgumentInvalidError, name, version))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (3, "PREDICT('sales', 3, ...)"),
        ("3", "PREDICT('sales', 3, ...)"),
        ("@champion", "PREDICT('sales', 'champion', ...)"),
        ("latest", "PREDICT('sales', 'latest', ...)"),
    ],
)
def test_text_of_a_reference(version, expected):
    """A reference reads as the call that it is taken from."""
    assert expected == str(ModelReference.parse("sales", version))


# --- resolution --------------------------------------------------------------------------------------------


def test_resolved_model(registry):
    """A resolved model has all that binding needs: names, number, run, flavors, signature, address."""
    registry.register("sales", versions=2)
    model = found("sales", 2)
    expected = ResolvedModel(
        name="sales",
        version=2,
        run_id=registry.run_id,
        identity=model.identity,
        flavors=("python_function", "sklearn"),
        signature=Signature((Input("size", T.DoubleType()), Input("week", T.LongType())), T.DoubleType()),
        loader="mlflow.sklearn",
    )
    uri = "models:/sales/2"

    assert expected == model
    assert uri == model.uri


@pytest.mark.parametrize(
    ("version", "expected"),
    [(1, 1), ("2", 2), ("champion", 1), ("@champion", 1), ("Challenger", 2), ("latest", 3), ("@latest", 3)],
)
def test_version(registry, version, expected):
    """A number names a version, an alias the version it is set on, 'latest' the one of the highest number."""
    registry.register("sales", versions=3)
    registry.client.set_registered_model_alias("sales", "champion", "1")
    registry.client.set_registered_model_alias("sales", "Challenger", "2")

    assert expected == found("sales", version).version


def test_latest_of_more_than_nine(registry):
    """The latest version is the highest by number, not by text."""
    registry.register("sales", versions=11)
    expected = 11

    assert expected == found("sales", "latest").version


def test_moved_alias(registry):
    """An alias, and 'latest', are looked up each time."""
    registry.register("sales", versions=2)
    registry.client.set_registered_model_alias("sales", "champion", "1")
    before = [found("sales", "champion").version, found("sales", "latest").version]
    registry.client.set_registered_model_alias("sales", "champion", "2")
    registry.register("sales")
    after = [found("sales", "champion").version, found("sales", "latest").version]
    expected = ([1, 2], [2, 3])

    assert expected == (before, after)


def test_version_without_a_run(registry):
    """A version that no run has logged has no run."""
    folder = registry.register_folder("sales")
    registry.client.create_model_version("sales", str(folder))

    assert found("sales", 2).run_id is None


NAMES = ["weekly sales v1.2", 'say "sales"', "50%20", "Übersicht;`1`", " sales "]
IN_ADDRESSES = ["sales@home", "sales?", "sales#2"]


@pytest.mark.parametrize("name", [*NAMES, "it's", *IN_ADDRESSES])
def test_other_characters_in_a_name(registry, name):
    """A name may have quotes, spaces, dots and the like, and is not changed."""
    registry.register("sales")
    registry.register(name, versions=2)
    registry.client.set_registered_model_alias(name, "champion", "1")
    expected = [(name, 2), (name, 1)]

    assert expected == [(model.name, model.version) for model in (found(name, 2), found(name, "champion"))]


@pytest.mark.parametrize("name", [*NAMES, "it's", *IN_ADDRESSES])
def test_latest_and_other_characters_in_a_name(registry, name):
    """The latest version is found for such a name too, and a missing one is told from those there are."""
    registry.register("sales", versions=3)
    registry.register(name, versions=2)
    expected = 2

    assert expected == found(name, "latest").version
    assert "\n  expected: one of 2, 1   (registry: " in refusal(VersionNotFoundError, name, 7)


def test_registry_uri(registry, other_registry, monkeypatch):
    """The registry is MLFLOW_REGISTRY_URI, where that is set."""
    registry.register("sales")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", other_registry())
    registry.register("sales")
    expected = 1

    assert expected == found("sales", "latest").version


# --- identity ----------------------------------------------------------------------------------------------


def test_identity(registry):
    """Two resolutions of one version are the same, however it is named; those of two versions are not."""
    registry.register("sales", versions=2)
    registry.client.set_registered_model_alias("sales", "champion", "1")

    assert found("sales", 1) == found("sales", "champion")
    assert found("sales", 2).identity == found("sales", "latest").identity
    assert found("sales", 1).identity != found("sales", 2).identity


def test_identity_of_a_model_made_again(registry):
    """A model that was deleted and made again has another identity, and its signature is read again."""
    registry.register("sales")
    before = found("sales", 1)
    registry.client.delete_registered_model("sales")
    registry.register_signature("sales", MATRIX)
    after = found("sales", 1)

    assert before.identity != after.identity
    assert before.signature != after.signature
    assert after.signature.tensor


def test_identity_in_another_registry(registry, other_registry, monkeypatch):
    """The same version of the same model in two registries is not the same."""
    registry.register("sales")
    here = found("sales", 1)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", other_registry())

    assert here.identity != found("sales", 1).identity


def test_files_are_read_once(registry):
    """What a version is never changes, so its files are read once."""
    folder = registry.register_folder("sales")
    expected = found("sales", 1)
    shutil.rmtree(folder)

    assert expected == found("sales", 1)


# --- what is not there -------------------------------------------------------------------------------------


def test_unknown_model(registry, golden):
    """A model that is not registered is refused with those that are."""
    registry.register("churn")
    registry.register("sales_forecast")

    golden("errors/predict_model_not_found.txt", refusal(ModelNotFoundError, "sales", 1))


def test_no_model(registry, golden):
    """In an empty registry, the text says that nothing is registered."""
    golden("errors/predict_model_not_found_empty.txt", refusal(ModelNotFoundError, "sales", "champion"))


def test_many_models(registry):
    """No more than twenty models are listed."""
    for number in range(21):
        registry.register(f"model_{number:02}", versions=0)
    expected = ", ".join(f"`model_{number:02}`" for number in range(20))

    assert f"\n  expected: one of {expected}, ...   (registry" in refusal(ModelNotFoundError, "sales", 1)


@pytest.mark.parametrize("version", [1, "champion", "latest"])
def test_unknown_model_by_any_version(registry, version):
    """A model that is not registered is the first thing that is said, whatever its version."""
    registry.register("churn")

    assert "\n  expected: `churn`   (registry: <registry>)\n" in refusal(ModelNotFoundError, "sales", version)


def test_case_of_a_model_name(registry):
    """Names of models compare with regard to case, as they do in MLflow; the one that was meant is said."""
    registry.register("sales")
    text = refusal(ModelNotFoundError, "Sales", 1)

    assert "there is no registered model `Sales`" in text
    assert text.endswith("hint: did you mean `sales`?")


def test_unknown_version(registry, golden):
    """A version that does not exist is refused with those that do, the newest first."""
    registry.register("sales", versions=3)

    golden("errors/predict_version_not_found.txt", refusal(VersionNotFoundError, "sales", 4))


@pytest.mark.parametrize(("version", "text"), [(1, "number"), ("latest", "latest")])
def test_model_without_versions(registry, golden, version, text):
    """A model without versions has no first and no latest one."""
    registry.register("sales", versions=0)

    golden(f"errors/predict_version_not_found_{text}.txt", refusal(VersionNotFoundError, "sales", version))


def test_deleted_version(registry):
    """A deleted version is not there, and not the latest."""
    registry.register("sales", versions=3)
    registry.client.delete_model_version("sales", "3")
    expected = 2

    assert expected == found("sales", "latest").version
    assert "\n  expected: one of 2, 1   (registry: <registry>)\n" in refusal(VersionNotFoundError, "sales", 3)


def test_alias_of_a_deleted_version(registry):
    """The alias of a deleted version is not there."""
    registry.register("sales", versions=2)
    registry.client.set_registered_model_alias("sales", "champion", "2")
    registry.client.delete_model_version("sales", "2")

    assert "`sales` has no alias 'champion'" in refusal(AliasNotFoundError, "sales", "champion")


def test_unknown_alias(registry, golden):
    """An alias that is not set is refused with those that are, and how to set it."""
    registry.register("sales", versions=3)
    registry.client.set_registered_model_alias("sales", "champion", "2")
    registry.client.set_registered_model_alias("sales", "baseline", "1")

    golden("errors/predict_alias_not_found.txt", refusal(AliasNotFoundError, "sales", "@challenger"))


@pytest.mark.parametrize(("versions", "text"), [(2, "empty"), (0, "no_versions")])
def test_no_alias(registry, golden, versions, text):
    """Where no alias is set, the text lists the versions."""
    registry.register("sales", versions=versions)

    golden(f"errors/predict_alias_not_found_{text}.txt", refusal(AliasNotFoundError, "sales", "champion"))


@pytest.mark.parametrize("name", ["a/b", "models:/sales"])
def test_name_that_mlflow_does_not_take(registry, name):
    """A name that no model can have is no registered model, not a registry out of order."""
    registry.register("sales")

    assert "PREDICT_REGISTRY_UNAVAILABLE" not in refusal(PredictError, name, 1)


@pytest.mark.parametrize("version", ["3.0", "a b", "@ champion", 2**63])
def test_version_that_mlflow_does_not_take(registry, version):
    """A version or alias that no model can have is missing, not a registry out of order."""
    registry.register("sales")

    assert "PREDICT_REGISTRY_UNAVAILABLE" not in refusal(PredictError, "sales", version)


# --- what cannot be bound ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        (None, "signature_missing"),
        (WITHOUT_OUTPUTS, "signature_missing_outputs"),
        (WITHOUT_INPUTS, "signature_missing_inputs"),
    ],
    ids=["none", "inputs alone", "outputs alone"],
)
def test_no_signature(registry, golden, tmp_path, signature, text):
    """A model without a signature, or without a part of it, is refused with the call that adds one."""
    registry.register_signature("sales", signature)
    message = refusal(SignatureMissingError, "sales", 1).replace(str(tmp_path), "<folder>")

    golden(f"errors/predict_{text}.txt", message)


@pytest.mark.parametrize(
    "signature",
    [None, WITHOUT_OUTPUTS],
    ids=["none", "inputs alone"],
)
def test_added_signature(registry, signature):
    """A model can be bound as soon as the call that the text advises has added its signature."""
    registry.register_signature("sales", signature)
    advice = refusal(SignatureMissingError, "sales", 1)
    address = re.search(r"mlflow\.models\.set_signature\('([^']*)'", advice)[1]
    mlflow.models.set_signature(address, MATRIX)

    assert found("sales", 1).signature.tensor


def test_added_signature_of_a_logged_model(registry):
    """The address in the advice is one that MLflow takes, also where a run logged the model."""
    inputs = [[1.0], [2.0]]
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(LinearRegression().fit(inputs, [1, 2]), name="model", pip_requirements=[])
    registry.register("sales", source=logged.model_uri)
    advice = refusal(SignatureMissingError, "sales", 1)
    address = re.search(r"mlflow\.models\.set_signature\('([^']*)'", advice)[1]
    mlflow.models.set_signature(address, MATRIX)

    assert found("sales", 1).signature.tensor


def test_signature_without_sql_type(registry, golden):
    """A model with a type that has no SQL type is refused with that type."""
    signature = ModelSignature(Schema([ColSpec(AnyType(), "size")]), Schema([ColSpec("double")]))
    registry.register_signature("sales", signature)

    golden("errors/predict_signature_unsupported.txt", refusal(SignatureUnsupportedError, "sales", 1))


def test_deleted_files(registry, golden, tmp_path):
    """A version whose files were deleted is refused with the address of the model."""
    shutil.rmtree(registry.register_folder("sales"))
    message = refusal(ModelUnreadableError, "sales", 1).replace(str(tmp_path), "<folder>")

    golden("errors/predict_model_unreadable.txt", message)


def test_deleted_mlmodel_file(registry):
    """A version without its MLmodel file is refused."""
    (registry.register_folder("sales") / "MLmodel").unlink()

    assert "the files of the model cannot be read" in refusal(ModelUnreadableError, "sales", 1)


@pytest.mark.parametrize(
    "content",
    [
        """signature: {inputs: '[{"type": "quad", "name": "x"}]'}""",
        "",
        "text",
        ": : [",
        "signature: {inputs: nonsense}",
    ],
)
def test_damaged_mlmodel_file(registry, content):
    """A version whose MLmodel file makes no sense is refused."""
    (registry.register_folder("sales") / "MLmodel").write_text(content)

    assert "the files of the model cannot be read" in refusal(ModelUnreadableError, "sales", 1)


# --- the registry itself -----------------------------------------------------------------------------------


@pytest.fixture
def closed_port(registry, monkeypatch) -> int:
    """A port on which nothing listens, and a client that does not try again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.mark.parametrize("version", [1, "champion", "latest"])
def test_unreachable_registry(closed_port, golden, monkeypatch, version):
    """A registry that does not answer is an error of its own, within seconds."""
    address = f"http://127.0.0.1:{closed_port}"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", address)
    start = time.monotonic()
    message = refusal(RegistryUnavailableError, "sales", version)
    seconds = time.monotonic() - start
    reason = re.search("got: +(.*)", message)[1]

    assert seconds < 5
    assert f"API request to {address}/" in reason
    golden(
        "errors/predict_registry_unavailable.txt",
        message.replace(reason, "<reason>").replace(address, "<registry>").replace(repr(version), "<version>"),
    )


def test_unknown_kind_of_registry(registry, monkeypatch):
    """A registry of a kind that MLflow does not know is refused with its address."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "pigeon://home")

    assert "\n  expected: a registry at pigeon://home\n" in refusal(RegistryUnavailableError, "sales", 1)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://127.0.0.1:5000/a@b", "http://127.0.0.1:5000/a@b"),
        ("https://ann:s3cret@registry.example/path", "https://registry.example/path"),
        ("https://ann@registry.example", "https://registry.example"),
        ("postgresql://ann:s3cret@host:5432/mlflow?sslmode=require", "postgresql://host:5432/mlflow"),
        ("postgresql+psycopg2://host/mlflow?user=ann&password=s3cret", "postgresql+psycopg2://host/mlflow"),
        ("databricks-uc", "databricks-uc"),
        ("databricks://profile", "databricks://profile"),
    ],
)
def test_registry_address(monkeypatch, uri, expected):
    """The address of the registry is shown without user, password and query."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)

    assert expected == registry_address()


@pytest.mark.parametrize("password", ["s3@cret", "s3/cret", "s3?cret"])
def test_registry_address_and_separators_in_a_password(monkeypatch, password):
    """No part of a password is shown, whatever characters it has."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"mysql://ann:{password}@host/mlflow")

    assert "s3" not in registry_address()
    assert "cret" not in registry_address()


def test_password_of_an_unreachable_registry(closed_port, monkeypatch):
    """The password of a registry that does not answer is not shown."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"http://ann:s3cret@127.0.0.1:{closed_port}")

    assert "s3cret" not in refusal(RegistryUnavailableError, "sales", 1)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A web server of this process, and its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("version", [1, "champion", "latest"])
def test_silent_registry(registry, silent_server, monkeypatch, version):
    """A registry that never answers is given up after the time that the caller grants."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"http://ann:s3cret@{silent_server}")
    start = time.monotonic()
    with pytest.raises(RegistryUnavailableError) as caught:
        find(ModelReference("sales", version), timeout=0.5)
    seconds = time.monotonic() - start
    expected = {
        "registry": f"http://{silent_server}",
        "reason": "no answer in 0.5 seconds; spark.lakepredict.registryTimeout sets how many to wait",
    }

    assert expected.items() <= caught.value.parameters.items()
    assert 0.5 <= seconds < 10


def test_silent_artifact_store(registry, silent_server, monkeypatch):
    """Files that never come are given up after the time that the caller grants."""
    # MLflow takes a process with this variable for a server, which asks no other server for files.
    monkeypatch.delenv("_MLFLOW_SERVER_ARTIFACT_ROOT")
    registry.register("sales", source=f"http://ann:s3cret@{silent_server}/mlflow-artifacts/artifacts/model")
    reference = ModelReference("sales", 1)
    start = time.monotonic()
    with pytest.raises(ModelUnreadableError) as caught:
        describe(reference, find(reference), timeout=0.5)
    seconds = time.monotonic() - start

    assert caught.value.parameters["reason"].startswith("no answer in 0.5 seconds; ")
    assert seconds < 10


def test_a_lookup_sees_what_its_caller_does(registry, monkeypatch):
    """A lookup is made with the context variables of its caller, in which MLflow keeps the workspace."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        """Keeps the workspace of each request."""

        def do_GET(self) -> None:
            """Answer that there is no such thing."""
            asked.append(self.headers.get("X-MLFLOW-WORKSPACE"))
            self.send_error(404)

    with serving(Handler) as address, ServerWorkspaceContext("blue"):
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"http://{address}")
        refusal(RegistryUnavailableError, "sales", 1)

    assert "blue" in asked


def test_another_web_server(registry, tmp_path, monkeypatch):
    """A web server that is no MLflow server is not taken for a registry without the model."""
    with serving(SimpleHTTPRequestHandler) as address:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"http://{address}")
        message = refusal(RegistryUnavailableError, "sales", 1)

    assert "failed with error code 404" in message


def test_registry_that_is_no_database(registry, tmp_path, monkeypatch):
    """The error of a database's own library reaches the user, and is no defect of lakepredict."""
    (tmp_path / "other.db").write_text("text")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{tmp_path}/other.db")

    assert "file is not a database" in refusal(RegistryUnavailableError, "sales", 1)
