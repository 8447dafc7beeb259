"""What XGBoost's file loses of a model, ``missing=``, is said wherever it can be seen."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost
from click.testing import CliRunner
from lightgbm import LGBMRegressor
from sklearn.model_selection import GridSearchCV
from tracking_store import Experiment, mlflow_at

from lakepredict import tracking
from lakepredict._worker.native import NativeModel
from lakepredict.cli import main
from lakepredict.tracking import for_predict

RANDOM = np.random.default_rng(0)
X = pd.DataFrame({"a": RANDOM.integers(0, 3, 90).astype(float), "b": RANDOM.normal(size=90)})
Y = X["a"].replace(0, 20) + X["b"]


def fitted(missing: float, target: pd.Series[float] = Y) -> Any:
    """A model of XGBoost that takes a value for a missing one."""
    return xgboost.XGBRegressor(n_estimators=5, missing=missing).fit(X, target)


@pytest.fixture(scope="module")
def experiment(lakehouse: Path) -> Experiment:
    """The experiment of all runs here."""
    return Experiment("missing", lakehouse / "artifacts")


@pytest.fixture
def run_of(experiment: Experiment) -> Callable[..., str]:
    """Logs a model with parameters; returns the run's id."""

    def log(model: Any, params: dict[str, Any], flavor: str = "xgboost", **options: Any) -> str:
        with warnings.catch_warnings(), mlflow.start_run(experiment_id=experiment.id) as run:
            warnings.simplefilter("ignore")
            mlflow.log_params(params)
            arguments = for_predict(model, X)
            log_model = getattr(mlflow, flavor).log_model
            log_model(model, name="model", pip_requirements=[], **arguments, **options)
        return str(run.info.run_id)

    return log


@pytest.mark.parametrize("missing", [0.0, -999.0, 0])
def test_for_predict_warns(missing: float) -> None:
    """The value of a model that is not logged yet is seen, and the way out is named."""
    with pytest.warns(UserWarning, match=rf"(?s)does not keep missing={missing}.*mlflow\.sklearn\.log_model"):
        assert for_predict(fitted(missing), X)["signature"]


def test_for_predict_does_not_warn() -> None:
    """There is no warning of NaN, of other libraries, of a search, which scikit-learn logs, and of a booster."""
    search = GridSearchCV(xgboost.XGBRegressor(n_estimators=2, missing=0.0), {"max_depth": [2]}, cv=2).fit(X, Y)
    models = [fitted(float("nan")), LGBMRegressor(n_estimators=2, verbosity=-1).fit(X, Y), search]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (*models, fitted(0.0).get_booster()):
            assert for_predict(model, X)


def test_file_loses_it_and_the_way_out_keeps_it(run_of: Callable[..., str]) -> None:
    """XGBoost's file gives other numbers where the value occurs; scikit-learn's gives the model's own."""
    model = fitted(0.0)
    expected = model.predict(X)
    lossy, whole = (
        run_of(model, {}),
        run_of(model, {}, "sklearn", serialization_format="cloudpickle"),
    )
    found = {}
    for run in (lossy, whole):
        path = mlflow.artifacts.download_artifacts(f"runs:/{run}/model")
        found[run] = NativeModel(path, ["a", "b"]).predict(X.to_numpy())

    assert (found[lossy] != expected).any()
    assert (found[lossy] == expected)[X["a"] != 0].all()
    assert found[whole].tolist() == expected.tolist()


LOGGED: dict[str, dict[str, Any]] = {
    "parameters": fitted(0.0).get_params(),
    "one parameter": {"missing": -999},
    "prefix": {"model__missing": "0"},
    "text of an estimator": {"estimator": "XGBRegressor(base_score=None, missing=0.0,\n num_parallel_tree=None, ...)"},
}


@pytest.mark.parametrize("name", LOGGED)
def test_register_warns(run_of: Callable[..., str], name: str) -> None:
    """A run whose parameters name the value is registered, with a warning."""
    run = run_of(fitted(0.0), LOGGED[name])
    with pytest.warns(UserWarning, match=r"(?s)trained with missing=(0|0\.0|-999), .*mlflow\.sklearn\.log_model"):
        assert tracking.register(run, f"missing_{len(name)}") >= 1


UNLOGGED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "nan": ("xgboost", fitted(float("nan")).get_params(), {}),
    "nothing said": ("xgboost", {}, {}),
    "kept": ("sklearn", {"missing": 0}, {"serialization_format": "cloudpickle"}),
}


@pytest.mark.parametrize("name", UNLOGGED)
def test_register_does_not_warn(run_of: Callable[..., str], name: str) -> None:
    """There is no warning of NaN, of a run that says nothing, and of a model that scikit-learn keeps."""
    flavor, params, options = UNLOGGED[name]
    run = run_of(fitted(0.0), params, flavor, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert tracking.register(run, "missing_unseen") >= 1


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("missing_said", {"missing": 0.0}, "its run says that it was trained with missing=0.0"),
        ("missing_unsaid", {}, "trained with another missing= than NaN does not keep it"),
    ],
)
def test_command(run_of: Callable[..., str], lakehouse: Path, name: str, params: dict[str, Any], expected: str) -> None:
    """The command ``model`` says what the run tells, or that the file cannot tell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracking.register(run_of(fitted(0.0), params), name)
    with mlflow_at(None):
        table, facts = (
            CliRunner().invoke(main, ["model", name, *options, "--lakehouse", str(lakehouse)])
            for options in ([], ["--json"])
        )
    notes = json.loads(facts.stdout)["shown"]["notes"]

    assert f"note: {notes[0]}" in table.stdout
    assert expected in notes[0]
    assert "mlflow.sklearn.log_model" in notes[0]


def test_command_on_other_models(run_of: Callable[..., str], lakehouse: Path) -> None:
    """A model whose file loses nothing has no note."""
    tracking.register(run_of(LGBMRegressor(n_estimators=2, verbosity=-1).fit(X, Y), {}, "lightgbm"), "nothing_lost")
    with mlflow_at(None):
        result = CliRunner().invoke(main, ["model", "nothing_lost", "--lakehouse", str(lakehouse)])

    assert result.exit_code == 0
    assert "note:" not in result.stdout
