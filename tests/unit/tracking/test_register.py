"""Models of runs registered, and aliases moved."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType
from sklearn.linear_model import LinearRegression
from tracking_store import Experiment

from lakepredict import tracking
from lakepredict.errors import (
    AliasInvalidError,
    AliasNotFoundError,
    RegisteredModelNotFoundError,
    RunModelError,
    RunNotFoundError,
    SignatureMissingError,
    VersionNotFoundError,
)

INPUTS = pd.DataFrame({"price": [1.0, 2.0, 4.0], "visits": [1.0, 1.0, 3.0]})
MODEL = LinearRegression().fit(INPUTS, INPUTS["price"])
SIGNATURE = tracking.for_predict(MODEL, INPUTS)["signature"]
NUMBERS = count()


@pytest.fixture(scope="module")
def experiment(lakehouse: Path) -> Experiment:
    """The experiment of all runs here."""
    return Experiment("sales", lakehouse / "artifacts")


@pytest.fixture
def name(experiment: Experiment) -> str:
    """The name of a registered model that does not exist yet."""
    return f"forecast_{next(NUMBERS)}"


def logged(experiment: Experiment, *models: str, signature: ModelSignature | None = SIGNATURE) -> str:
    """A run with a model of each name."""
    with mlflow.start_run(experiment_id=experiment.id) as run:
        for each in models:
            mlflow.sklearn.log_model(MODEL, name=each, signature=signature, pip_requirements=[])
    return str(run.info.run_id)


@pytest.fixture(scope="module")
def run_id(experiment: Experiment) -> str:
    """A run with one model."""
    return logged(experiment, "model")


@pytest.fixture(scope="module")
def unsigned(experiment: Experiment) -> str:
    """A run with a model without a signature."""
    return logged(experiment, "model", signature=None)


def aliases(name: str) -> dict[str, int]:
    """The aliases of a registered model."""
    return {alias: int(version) for alias, version in MlflowClient().get_registered_model(name).aliases.items()}


def test_versions_count_up_and_the_alias_moves(run_id: str, name: str) -> None:
    """Each registration is the next version, and the alias names the newest."""
    versions = [tracking.register(run_id, name, alias="champion", tags={"week": "1"}) for _ in range(2)]

    assert versions == [1, 2]
    assert aliases(name) == {"champion": 2}
    assert MlflowClient().get_model_version(name, "1").tags == {"week": "1"}


def test_without_an_alias(run_id: str, name: str) -> None:
    """A version can be registered without an alias."""
    assert tracking.register(run_id, name) == 1
    assert aliases(name) == {}


def test_registered_version_is_the_run_s_model(run_id: str, name: str) -> None:
    """The version knows its run, and predicts what the model predicts."""
    tracking.register(MlflowClient().get_run(run_id), name, alias="champion")
    version = MlflowClient().get_model_version_by_alias(name, "champion")
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")

    assert version.run_id == run_id
    assert list(loaded.predict(INPUTS)) == list(MODEL.predict(INPUTS))


def test_a_run_that_still_runs(experiment: Experiment, name: str) -> None:
    """A model can be registered in the run that logged it, with the run as it was when it began."""
    with mlflow.start_run(experiment_id=experiment.id) as run:
        mlflow.sklearn.log_model(MODEL, name="model", signature=SIGNATURE, pip_requirements=[])
        version = tracking.register(run, name)

    assert version == 1


def test_one_of_several_models(experiment: Experiment, name: str) -> None:
    """Of several models the one that is named is registered."""
    run_id = logged(experiment, "low", "high")
    tracking.register(run_id, name, model="high")
    source = MlflowClient().get_model_version(name, "1").source
    models = {each.name: each for each in mlflow.search_logged_models([experiment.id], output_format="list")}

    assert source == models["high"].model_uri


def test_the_last_of_a_name(experiment: Experiment, name: str) -> None:
    """A model that was logged twice under one name is registered as it was last."""
    run_id = logged(experiment, "model", "model")
    tracking.register(run_id, name)
    outputs = MlflowClient().get_run(run_id).outputs.model_outputs
    newest = max(
        (MlflowClient().get_logged_model(each.model_id) for each in outputs), key=lambda m: m.creation_timestamp
    )

    assert MlflowClient().get_model_version(name, "1").source == newest.model_uri


def test_a_failed_run_s_whole_model(experiment: Experiment, name: str) -> None:
    """A model that was logged whole can be registered by name of its run, though the run failed after that."""
    run_id = logged(experiment, "model")
    MlflowClient().set_terminated(run_id, "FAILED")

    assert tracking.register(run_id, name) == 1


def test_best_run_is_registered(experiment: Experiment, name: str) -> None:
    """What ``best_run`` gives is what ``register`` takes."""
    for value in (2.0, 1.0):
        run_id = logged(experiment, "model")
        MlflowClient().log_metric(run_id, "mae", value)
    tracking.register(tracking.best_run("sales", "mae"), name, alias="champion")

    assert MlflowClient().get_model_version_by_alias(name, "champion").run_id == run_id


# --- promote -----------------------------------------------------------------------------------------------


def test_promote_moves_an_alias_and_back(run_id: str, name: str) -> None:
    """An alias moves to a version by number, alias or 'latest', and what it named before takes it back."""
    for alias in ("champion", None, "challenger"):
        tracking.register(run_id, name, alias=alias)
    first = tracking.promote(name, 2, "champion")
    second = tracking.promote(name, "challenger", "champion")
    third = tracking.promote(name, "latest", "weekly")

    assert (first, second, third) == (1, 2, None)
    assert aliases(name) == {"champion": 3, "challenger": 3, "weekly": 3}
    assert tracking.promote(name, first, "champion") == 3
    assert aliases(name)["champion"] == 1


def test_promote_what_predict_cannot_use(unsigned: str, run_id: str, name: str) -> None:
    """An alias stays where it is when the version has no signature."""
    tracking.register(run_id, name, alias="champion")
    model = MlflowClient().get_run(unsigned).outputs.model_outputs[0].model_id
    mlflow.register_model(f"models:/{model}", name)
    with pytest.raises(SignatureMissingError, match=r"promote\('forecast_\d+', 2, \.\.\.\)"):
        tracking.promote(name, 2, "champion")

    assert aliases(name) == {"champion": 1}


def test_promote_what_is_not_there(run_id: str, name: str) -> None:
    """A version, an alias or a model that does not exist is refused with what there is."""
    tracking.register(run_id, name, alias="champion")

    with pytest.raises(VersionNotFoundError, match="expected: 1 "):
        tracking.promote(name, 7, "champion")
    with pytest.raises(AliasNotFoundError, match=r"expected: 'champion' \(version 1\)"):
        tracking.promote(name, "challenger", "champion")
    with pytest.raises(RegisteredModelNotFoundError, match=f"did you mean `{name}`"):
        tracking.promote(name.upper(), 1, "champion")


# --- errors of register --------------------------------------------------------------------------------------


@pytest.mark.parametrize("alias", ["latest", "LATEST", "3", "v3", "", "the best", "a/b"])
def test_words_that_cannot_be_aliases(run_id: str, name: str, alias: str) -> None:
    """An alias that PREDICT or MLflow would read as something else is refused before anything is registered."""
    with pytest.raises(AliasInvalidError):
        tracking.register(run_id, name, alias=alias)
    with pytest.raises(AliasInvalidError):
        tracking.promote(name, 1, alias)

    assert not MlflowClient().search_registered_models(f"name = '{name}'")


@pytest.mark.parametrize("alias", ["champion", "v3-beta", "2024-w05", "latest_good", "größte"])
def test_words_that_can_be_aliases(run_id: str, name: str, alias: str) -> None:
    """What only begins like a version is an alias, to MLflow as well."""
    tracking.register(run_id, name, alias=alias)

    assert aliases(name) == {alias: 1}


def refusal(error: type[Exception], run: str, name: str, **options: str) -> str:
    """What is said about a run that cannot be registered, without its id."""
    with pytest.raises(error) as refused:
        tracking.register(run, name, **options)  # type: ignore[arg-type]

    assert not MlflowClient().search_registered_models(f"name = '{name}'")
    info = MlflowClient().get_run(run).info
    return str(refused.value).replace(info.run_id[:8], "<run id>").replace(info.run_name, "<run>")


def test_a_run_without_a_model(experiment: Experiment, name: str, golden: Callable[[str, str], None]) -> None:
    """A run that logged no model cannot be registered."""
    golden("tracking/run_without_model.txt", refusal(RunModelError, logged(experiment), name))


def test_several_models(experiment: Experiment, name: str, golden: Callable[[str, str], None]) -> None:
    """Which of several models is meant must be said."""
    golden("tracking/run_with_models.txt", refusal(RunModelError, logged(experiment, "low", "high"), name))


def test_unknown_model_of_a_run(run_id: str, name: str) -> None:
    """A model that the run does not have is told those that it has."""
    assert "has no model `modle`.\n  expected: `model`" in refusal(RunModelError, run_id, name, model="modle")


def test_a_model_without_a_signature(unsigned: str, name: str) -> None:
    """What PREDICT cannot use for want of a signature is not registered."""
    assert "got:      no signature" in refusal(RunModelError, unsigned, name)


def test_hint_without_a_signature(unsigned: str, name: str) -> None:
    """The hint has a statement that can be pasted."""
    hint = refusal(RunModelError, unsigned, name).splitlines()[-1]

    assert "mlflow.sklearn.log_model(model, **lakepredict.tracking.for_predict(model, X))" in hint


def test_aliases_that_differ_in_capitals(run_id: str, name: str) -> None:
    """An alias beside one that differs in capitals alone is set with a warning, which says which one queries use."""
    tracking.register(run_id, name, alias="champion")
    expected = r"has the alias 'champion' \(version 1\) already, and 'Champion' is another one"
    with pytest.warns(UserWarning, match=expected):
        tracking.register(run_id, name, alias="Champion")
    with pytest.warns(UserWarning, match="'CHAMPION' is another one"):
        tracking.promote(name, 1, "CHAMPION")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracking.promote(name, 2, "champion")

    assert aliases(name) == {"champion": 2, "Champion": 2, "CHAMPION": 1}


def test_a_signature_without_outputs(experiment: Experiment, name: str) -> None:
    """Nor is a model whose signature says not what it gives."""
    run_id = logged(experiment, "model", signature=ModelSignature(SIGNATURE.inputs))

    assert "got:      no outputs in its signature" in refusal(RunModelError, run_id, name)


def test_a_signature_without_sql_types(experiment: Experiment, name: str) -> None:
    """Nor is one whose types SQL does not have."""
    signature = ModelSignature(SIGNATURE.inputs, Schema([ColSpec(AnyType(), "prediction")]))
    run_id = logged(experiment, "model", signature=signature)

    assert "got:      the type Any" in refusal(RunModelError, run_id, name)


def test_unknown_run(experiment: Experiment, name: str) -> None:
    """A run that does not exist is refused; a run's name is told its id."""
    run_id = experiment.run("weekly_ridge")

    with pytest.raises(RunNotFoundError, match=f"did you mean {run_id}"):
        tracking.register("weekly_ridge", name)
    with pytest.raises(RunNotFoundError, match="There is no run ffffffff"):
        tracking.register("f" * 32, name)


def test_deleted_run(experiment: Experiment, name: str) -> None:
    """The model of a deleted run is not registered."""
    run_id = logged(experiment, "model")
    MlflowClient().delete_run(run_id)

    with pytest.raises(RunNotFoundError, match=r"is deleted(.|\n)*restore_run"):
        tracking.register(run_id, name)
