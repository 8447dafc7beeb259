"""Models that are called without MLflow give what they give with it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skl2onnx
import xgboost
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from lakepredict._worker.inputs import to_matrix
from lakepredict._worker.native import NativeModel
from lakepredict._worker.packed_model import MlflowModel
from lakepredict._worker.probabilities import NoProbabilitiesError

DOUBLE = [pa.float64()] * 3
NAMES = ("a", "b", "c")

Save = Callable[..., Any]


class Own(RegressorMixin, BaseEstimator):
    """A regressor of the user's own, which asks for a column by its name."""

    def fit(self, X: Any, y: Any) -> Own:
        """Nothing is learnt."""
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> Any:
        """One column."""
        return X["b"].to_numpy()


class Same(TransformerMixin, BaseEstimator):
    """A transformer of the user's own."""

    def fit(self, X: Any, y: Any = None) -> Same:
        """Nothing is learnt."""
        return self

    def transform(self, X: Any) -> Any:
        """What it is given."""
        return X


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Numbers to score."""
    return pd.DataFrame(np.random.default_rng(5).normal(size=(200, 3)), columns=list(NAMES))


@pytest.fixture(scope="module")
def target(rows: pd.DataFrame) -> pd.Series[float]:
    """What regressors learn."""
    return rows["a"] * 2 + np.sin(rows["b"]) - rows["c"] ** 2


@pytest.fixture
def both(tmp_path: Path) -> Callable[[Save, Any], tuple[NativeModel, MlflowModel]]:
    """Saves a model and loads it without MLflow and with it."""

    def load(save: Save, model: Any, names: tuple[str | None, ...] = NAMES, **options: Any) -> Any:
        save(model, tmp_path / "model", pip_requirements=[], **options)
        path = str(tmp_path / "model")
        return NativeModel(path, names), MlflowModel(path)

    return load


cloudpickled = partial(mlflow.sklearn.save_model, serialization_format="cloudpickle")

REGRESSORS: dict[str, tuple[Save, Any]] = {
    "linear": (mlflow.sklearn.save_model, LinearRegression()),
    "pickle": (partial(mlflow.sklearn.save_model, serialization_format="pickle"), LinearRegression()),
    "scaled": (mlflow.sklearn.save_model, make_pipeline(StandardScaler(), LinearRegression())),
    "boosting": (cloudpickled, GradientBoostingRegressor(n_estimators=10)),
    "forest": (cloudpickled, RandomForestRegressor(n_estimators=5)),
    "target": (cloudpickled, TransformedTargetRegressor(RandomForestRegressor(n_estimators=5))),
    "voting": (cloudpickled, VotingRegressor([("l", LinearRegression()), ("f", RandomForestRegressor(5))])),
    "lightgbm": (mlflow.lightgbm.save_model, lightgbm.LGBMRegressor(n_estimators=10, verbosity=-1)),
    "lightgbm by sklearn": (cloudpickled, lightgbm.LGBMRegressor(n_estimators=10, verbosity=-1)),
    "xgboost by sklearn": (cloudpickled, xgboost.XGBRegressor(n_estimators=10, n_jobs=2)),
    "xgboost": (mlflow.xgboost.save_model, xgboost.XGBRegressor(n_estimators=10, n_jobs=2)),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_same_numbers(name: str, both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """A matrix gives a model's predictions for a data frame, to the last bit, in double and in single precision."""
    save, estimator = REGRESSORS[name]
    native, usual = both(save, estimator.fit(rows, target))

    assert native.takes_matrix(DOUBLE)
    for kind in ("float64", "float32"):
        data = rows.astype(kind)
        matrix = to_matrix([pa.array(data[name].to_numpy()) for name in NAMES])
        assert matrix.dtype == kind
        np.testing.assert_array_equal(native.predict(matrix), usual.predict(data))
        np.testing.assert_array_equal(native.predict(data), usual.predict(data))


@pytest.mark.parametrize("name", ["boosting", "lightgbm", "xgboost"])
def test_integers(name: str, both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """Integers beside floats become what they become in a data frame, large ones as well."""
    save, estimator = REGRESSORS[name]
    data = rows.assign(b=(rows["b"] * 2**60).astype("int64"), c=(rows["c"] * 100).astype("int32"))
    native, usual = both(save, estimator.fit(data, target))
    columns = [pa.array(data[name].to_numpy()) for name in NAMES]
    found = to_matrix(columns) if native.takes_matrix([each.type for each in columns]) else data

    assert native.takes_matrix([pa.float64(), pa.int32(), pa.int32()])
    assert native.takes_matrix([each.type for each in columns]) is (name != "xgboost")
    np.testing.assert_array_equal(native.predict(found), usual.predict(data))


def test_boosters(both: Any, tmp_path: Path, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """The boosters of XGBoost and LightGBM take a matrix, too."""
    booster = xgboost.train({}, xgboost.DMatrix(rows, target), num_boost_round=5)
    native, usual = both(mlflow.xgboost.save_model, booster)
    np.testing.assert_array_equal(native.predict(rows.to_numpy()), usual.predict(rows))
    booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(rows, target), num_boost_round=5)
    mlflow.lightgbm.save_model(booster, tmp_path / "other", pip_requirements=[])
    native, usual = NativeModel(str(tmp_path / "other"), NAMES), MlflowModel(str(tmp_path / "other"))
    np.testing.assert_array_equal(native.predict(rows.to_numpy()), usual.predict(rows))


@pytest.mark.parametrize("save", ["frame", "tensor"])
def test_onnx(both: Any, rows: pd.DataFrame, target: pd.Series[float], save: str) -> None:
    """An ONNX model gives single precision: flat for a data frame, in its own shape for a tensor."""
    fitted = LinearRegression().fit(rows, target)
    model = skl2onnx.convert_sklearn(fitted, initial_types=[("input", FloatTensorType([None, 3]))])
    native, usual = both(mlflow.onnx.save_model, model)
    data = rows if save == "frame" else rows.to_numpy(dtype="float32")

    assert native.takes_matrix(DOUBLE)
    for name, found in usual.predict(data).items():
        np.testing.assert_array_equal(native.predict(data)[name], found)
        assert native.predict(data)[name].shape == np.shape(found)


def test_predict_proba(both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """A classifier's probabilities are the same for a matrix, also where it was logged to give them."""
    labels = np.where(target > 0, "up", "down")
    fitted = RandomForestClassifier(5, random_state=0).fit(rows, labels)
    native, usual = both(cloudpickled, fitted, pyfunc_predict_fn="predict_proba")
    expected = fitted.predict_proba(rows)

    assert native.classifier().labels.tolist() == ["down", "up"]
    np.testing.assert_array_equal(native.probabilities(rows.to_numpy()), expected)
    np.testing.assert_array_equal(native.predict(rows.to_numpy()), expected)
    np.testing.assert_array_equal(usual.predict(rows), expected)


def test_probabilities_of_xgboost(both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """XGBoost checks names when it is asked for probabilities, and finds them."""
    fitted = xgboost.XGBClassifier(n_estimators=5).fit(rows, target > 0)
    native, _ = both(mlflow.xgboost.save_model, fitted)

    np.testing.assert_array_equal(native.probabilities(rows.to_numpy()), fitted.predict_proba(rows))


def test_no_probabilities(both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """A regressor has none, and the error says what it is."""
    native, _ = both(mlflow.sklearn.save_model, LinearRegression().fit(rows, target))

    with pytest.raises(NoProbabilitiesError, match=r"a LinearRegression \(flavor sklearn\), a regressor"):
        native.classifier()


def choosing() -> Any:
    """A pipeline that chooses columns by their names."""
    chosen = make_column_transformer((StandardScaler(), ["a", "c"]), remainder="passthrough")
    return make_pipeline(chosen, LinearRegression())


@pytest.mark.parametrize(
    "model",
    [
        Own(),
        choosing(),
        make_pipeline(Same(), LinearRegression()),
        make_pipeline(FunctionTransformer(np.abs), LinearRegression()),
        make_pipeline(StandardScaler().set_output(transform="pandas"), LinearRegression()),
        VotingRegressor([("own", make_pipeline(Same(), LinearRegression())), ("l", LinearRegression())]),
    ],
    ids=["own", "columns", "own step", "function", "pandas", "own part"],
)
def test_needs_a_data_frame(both: Any, rows: pd.DataFrame, target: pd.Series[float], model: Any) -> None:
    """A model that may look at the names of its columns gets a data frame."""
    native, usual = both(cloudpickled, model.fit(rows, target))

    assert not native.takes_matrix(DOUBLE)
    np.testing.assert_array_equal(native.predict(rows), usual.predict(rows))


@pytest.mark.parametrize("name", ["linear", "lightgbm", "xgboost"])
def test_other_names(name: str, both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """Where the signature has the names in another order than the model, no number goes to another's place."""
    save, estimator = REGRESSORS[name]
    fitted = estimator.fit(rows, target)
    turned = ("b", "a", "c")
    native, usual = both(save, fitted, names=turned)

    assert not native.takes_matrix(DOUBLE)
    if name == "lightgbm":
        # Its own predict takes columns as they come, without a look at their names.
        for model in (native, usual):
            taken = model.form(turned, DOUBLE).arranged(rows[[*turned]])
            np.testing.assert_array_equal(model.predict(taken), fitted.predict(rows))


@pytest.mark.parametrize("kind", [pa.string(), pa.bool_(), pa.timestamp("us", "UTC")], ids=str)
def test_no_numbers(kind: pa.DataType, both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """Only numbers become a matrix."""
    native, _ = both(mlflow.sklearn.save_model, LinearRegression().fit(rows, target))

    assert not native.takes_matrix([pa.float64(), pa.float64(), kind])


def test_no_warning(both: Any, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """scikit-learn's warning of a matrix without names does not fill the workers' logs."""
    native, _ = both(mlflow.sklearn.save_model, LinearRegression().fit(rows, target))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        native.predict(rows.to_numpy())


def test_threads(both: Any, rows: pd.DataFrame, target: pd.Series[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was trained with all cores scores with those of its task, wherever in it that is said."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    forest = RandomForestRegressor(n_estimators=3, n_jobs=-1)
    model = VotingRegressor([("pipe", make_pipeline(StandardScaler(), forest))], n_jobs=-1)
    native, _ = both(cloudpickled, model.fit(rows, target))

    assert native.native.n_jobs == 3
    assert native.native.estimators_[0][-1].n_jobs == 3


def test_texts(both: Any) -> None:
    """A pipeline that encodes text gets Python's texts."""
    data = pd.DataFrame({"place": ["north", "south"] * 10, "x": np.arange(20.0)})
    encode = make_column_transformer((OneHotEncoder(), ["place"]), remainder="passthrough")
    native, usual = both(mlflow.sklearn.save_model, make_pipeline(encode, LinearRegression()).fit(data, data["x"]))

    np.testing.assert_array_equal(native.predict(data), usual.predict(data))


def test_pickles_may_be_forbidden(both: Any, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's switch against models that run code when they are loaded is heeded."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

    with pytest.raises(PermissionError, match="MLFLOW_ALLOW_PICKLE_DESERIALIZATION"):
        both(mlflow.sklearn.save_model, LogisticRegression().fit(rows, rows["a"] > 0))


def test_imports(tmp_path: Path, rows: pd.DataFrame, target: pd.Series[float]) -> None:
    """A model is loaded and called without importing MLflow."""
    mlflow.sklearn.save_model(LinearRegression().fit(rows, target), tmp_path / "model", pip_requirements=[])
    code = (
        "import sys, numpy; from lakepredict._worker.native import NativeModel;"
        f"NativeModel({str(tmp_path / 'model')!r}, ('a', 'b', 'c')).predict(numpy.zeros((1, 3)));"
        "print('mlflow' in sys.modules, 'pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]
