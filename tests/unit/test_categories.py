"""Models that were trained on pandas' categories get them, of any type, wherever LightGBM or XGBoost stands in them."""

from __future__ import annotations

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
import xgboost
from saved_models import ENGINES, scorer_of
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from lakepredict._worker.scorer import Scorer
from lakepredict.errors import InputFormError, InputInvalidError, ModelFailedError

RANDOM = np.random.default_rng(3)
VALUES = pd.DataFrame(
    {
        "place": RANDOM.choice(["north", "south", "west"], 240),
        "store": RANDOM.choice([3, 17, 40, 41], 240),
        "x": RANDOM.normal(size=240),
    }
)
"""What a table has."""

NAMES = list(VALUES.columns)
Y = VALUES["x"] + 10 * (VALUES["place"] == "south") - 7 * (VALUES["store"] == 40) + 3 * (VALUES["store"] == 3)
cloudpickled = partial(mlflow.sklearn.save_model, serialization_format="cloudpickle")


def as_categories(values: pd.DataFrame, like: pd.DataFrame = VALUES) -> pd.DataFrame:
    """What the models are trained on: texts and stores as categories, those of another table."""
    places, stores = (pd.CategoricalDtype(np.unique(like[name])) for name in ("place", "store"))
    return values.assign(place=values["place"].astype(places), store=values["store"].astype(stores))


TRAINING = as_categories(VALUES)


def lgbm(kind: str = "Regressor", **options: Any) -> Any:
    """LightGBM's model."""
    return getattr(lightgbm, f"LGBM{kind}")(n_estimators=8, verbosity=-1, min_child_samples=5, n_jobs=1, **options)


def xgb(kind: str = "Regressor") -> Any:
    """XGBoost's model."""
    return getattr(xgboost, f"XGB{kind}")(n_estimators=8, enable_categorical=True, n_jobs=1)


class Booster:
    """A booster of XGBoost's or LightGBM's, fitted as the other models here are."""

    def __init__(self, library: str) -> None:
        self.library = library

    def fit(self, X: pd.DataFrame, y: Any) -> Any:
        """The booster, which is what is saved."""
        if self.library == "lightgbm":
            return lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, y), num_boost_round=5)
        return xgboost.train({"nthread": 1}, xgboost.DMatrix(X, y, enable_categorical=True), num_boost_round=5)


def scaled(model: Any, verbose: bool = True) -> Any:
    """A pipeline that scales a number and lets the categories pass, after it."""
    scale = make_column_transformer(
        (StandardScaler(), ["x"]), remainder="passthrough", verbose_feature_names_out=verbose
    )
    return make_pipeline(scale.set_output(transform="pandas"), model)


Save = Callable[..., Any]
MODELS: dict[str, tuple[Save, Callable[[], Any]]] = {
    "lightgbm": (mlflow.lightgbm.save_model, lgbm),
    "lightgbm booster": (mlflow.lightgbm.save_model, lambda: Booster("lightgbm")),
    "lightgbm by sklearn": (cloudpickled, lgbm),
    "lightgbm in a pipeline": (cloudpickled, lambda: scaled(lgbm())),
    "lightgbm behind plain names": (cloudpickled, lambda: scaled(lgbm(), verbose=False)),
    "lightgbm in a search": (cloudpickled, lambda: GridSearchCV(scaled(lgbm()), {"lgbmregressor__max_depth": [3]})),
    "xgboost": (mlflow.xgboost.save_model, xgb),
    "xgboost booster": (mlflow.xgboost.save_model, lambda: Booster("xgboost")),
    "xgboost by sklearn": (cloudpickled, xgb),
    "xgboost in a pipeline": (cloudpickled, lambda: scaled(xgb())),
    "xgboost in a search": (cloudpickled, lambda: GridSearchCV(xgb(), {"max_depth": [3]}, cv=2)),
    "both": (cloudpickled, lambda: VotingRegressor([("l", lgbm()), ("x", xgb()), ("p", scaled(lgbm()))])),
    "histogram": (cloudpickled, lambda: HistGradientBoostingRegressor(max_iter=8)),
}

WITHOUT_MLFLOW = {"xgboost booster"}
"""The model whose categories MLflow does not hand on."""


def own_prediction(model: Any, data: pd.DataFrame) -> list[float]:
    """What a model gives for data like those that it was trained on."""
    if isinstance(model, xgboost.Booster):
        data = xgboost.DMatrix(data, enable_categorical=True)
    return np.asarray(model.predict(data), float).tolist()


def arrays(values: pd.DataFrame, store: pa.DataType) -> list[pa.Array]:
    """The columns as Spark sends them, the stores as a type."""
    columns = [pa.array(values["place"], pa.string()), pa.array(values["store"], store, from_pandas=True)]
    return [*columns, pa.array(values["x"])]


Fitted = Callable[..., tuple[Any, Scorer]]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A function that gives a model, fitted and saved once, and what scores with it."""
    folder = tmp_path_factory.mktemp("models")
    models: dict[str, Any] = {}

    def get(name: str, engine: str = "arrow", **options: Any) -> tuple[Any, Scorer]:
        save, make = MODELS[name]
        if name not in models:
            models[name] = make().fit(TRAINING, Y)
        return models[name], scorer_of(save, models[name], folder / name, NAMES, engine, **options)

    return get


@pytest.mark.parametrize(
    ("name", "engine"),
    [(name, engine) for name in MODELS for engine in ENGINES if name not in WITHOUT_MLFLOW or engine == "arrow"],
)
def test_same_numbers(name: str, engine: str, fitted: Fitted) -> None:
    """Texts and integers, as integers or as doubles, give the predictions of the categories that they are."""
    model, score = fitted(name, engine)
    expected = own_prediction(model, TRAINING)

    assert len(set(expected)) > 10
    for store in (pa.int64(), pa.int32(), pa.float64()):
        assert expected == score(*arrays(VALUES, store)).to_pylist()


@pytest.mark.parametrize("name", MODELS)
def test_few_categories_in_a_batch(name: str, fitted: Fitted) -> None:
    """A batch of one row, and one of a single category, are scored as they are among others."""
    model, score = fitted(name)
    west = VALUES[(VALUES["place"] == "west") & (VALUES["store"] == 41)]
    expected = own_prediction(model, TRAINING.loc[west.index])

    assert expected == score(*arrays(west, pa.int64())).to_pylist()
    assert expected[:1] == score(*arrays(west[:1], pa.int64())).to_pylist()
    assert score(*arrays(west[:0], pa.int64())).to_pylist() == []


@pytest.mark.parametrize("name", MODELS)
def test_missing_category(name: str, fitted: Fitted) -> None:
    """NULL is a missing category, in a column of texts and in one of doubles; an integer has none, and gives NULL."""
    model, score = fitted(name)
    gaps = VALUES[:4].assign(place=["north", None, "west", None], store=[3.0, 17.0, None, None])
    expected = own_prediction(model, as_categories(gaps))

    assert expected == score(*arrays(gaps, pa.float64())).to_pylist()
    assert [*expected[:2], None, None] == score(*arrays(gaps, pa.int64())).to_pylist()


@pytest.mark.parametrize("store", [pa.int64(), pa.float64()], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_unknown_category(name: str, store: pa.DataType, fitted: Fitted) -> None:
    """A category that was not in the training is missing to LightGBM; to XGBoost it is an error that names it."""
    model, score = fitted(name)
    rows = VALUES[:3].assign(place=["north", "east", "west"], store=[3, 17, 99])
    if "xgboost" not in name and name != "both":
        assert own_prediction(model, as_categories(rows)) == score(*arrays(rows, store)).to_pylist()
        return
    with pytest.raises(InputInvalidError, match=r"(?s)`place` does not fit.*'north', 'south', 'west'.*got: *'east'"):
        score(*arrays(rows, store))
    with pytest.raises(InputInvalidError, match=r"(?s)`store` does not fit.*3, 17, 40, 41.*got: *99"):
        score(*arrays(rows.assign(place="west"), store))


@pytest.mark.parametrize("name", ["xgboost", "xgboost in a pipeline", "both"])
def test_rows_of_unknown_categories(name: str, fitted: Fitted) -> None:
    """TRY_PREDICT gives NULL for their rows and scores the others."""
    model, score = fitted(name, lenient=True)
    rows = VALUES[:5].assign(place=["north", "east", "west", "west", "west"], store=[3, 17, 99, 40, 41])
    expected = own_prediction(model, as_categories(rows))

    assert [expected[0], None, None, *expected[3:]] == score(*arrays(rows, pa.int64())).to_pylist()


CLASSIFIERS: dict[str, tuple[Save, Callable[[], Any]]] = {
    "lightgbm": (mlflow.lightgbm.save_model, lambda: lgbm("Classifier")),
    "lightgbm in a pipeline": (cloudpickled, lambda: scaled(lgbm("Classifier"))),
    "calibrated": (cloudpickled, lambda: CalibratedClassifierCV(lgbm("Classifier"), cv=2)),
    "xgboost": (mlflow.xgboost.save_model, lambda: xgb("Classifier")),
    "xgboost in a pipeline": (cloudpickled, lambda: scaled(xgb("Classifier"))),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities(name: str, engine: str, tmp_path: Path) -> None:
    """PREDICT_PROBA gives the probabilities of the categories, in a batch of one row as well."""
    save, make = CLASSIFIERS[name]
    model = make().fit(TRAINING, (Y.median() < Y).astype(int))
    result = pa.map_(pa.int64(), pa.float64())
    score = scorer_of(save, model, tmp_path / "m", NAMES, engine, result=result, labels=pa.array([0, 1]))
    expected = [list(enumerate(row)) for row in model.predict_proba(TRAINING).astype(float).tolist()]

    assert expected == score(*arrays(VALUES, pa.int64())).to_pylist()
    assert expected[:1] == score(*arrays(VALUES[:1], pa.int64())).to_pylist()


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_probabilities_of_boosters(library: str, tmp_path: Path) -> None:
    """So it does for a booster."""
    target = (Y.median() < Y).astype(int)
    if library == "lightgbm":
        model = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(TRAINING, target), 5)
        positive = model.predict(TRAINING)
    else:
        data = xgboost.DMatrix(TRAINING, target, enable_categorical=True)
        model = xgboost.train({"objective": "binary:logistic"}, data, 5)
        positive = model.predict(data)
    result = pa.map_(pa.int64(), pa.float64())
    save = getattr(mlflow, library).save_model
    score = scorer_of(save, model, tmp_path / "m", NAMES, result=result, labels=pa.array([0, 1]))
    found = score(*arrays(VALUES, pa.int64())).to_pylist()

    assert positive.astype(float).tolist() == [dict(row)[1] for row in found]


@pytest.mark.parametrize(
    ("values", "arrow_type"),
    [
        (["a", "b", "a b"], pa.string()),
        ([-5, 2**40, 7], pa.int64()),
        ([0.5, 1e9, 0.1], pa.float64()),
        ([True, False, True], pa.bool_()),
    ],
    ids=["texts", "integers", "doubles", "booleans"],
)
def test_types_of_categories(values: list[Any], arrow_type: pa.DataType, tmp_path: Path) -> None:
    """Categories of each type that LightGBM can keep in its file are found again."""
    column = pd.Series(values * 30)
    target = column.map({value: 10.0 * position for position, value in enumerate(values)}) + np.arange(90) / 90
    data = pd.DataFrame({"of what": column.astype("category"), "n": np.arange(90.0)})
    model = lgbm().fit(data, target)
    score = scorer_of(mlflow.lightgbm.save_model, model, tmp_path / "m", ["of what", "n"])
    numbers = pa.array(np.arange(90.0))

    assert model.predict(data).tolist() == score(pa.array(column, arrow_type), numbers).to_pylist()


@pytest.mark.parametrize("store", ["int8", "int32", "int64"])
def test_widths_of_categories(store: str, tmp_path: Path) -> None:
    """XGBoost, which compares types, takes integers of any width for categories of another."""
    data = as_categories(VALUES.astype({"store": store}), VALUES.astype({"store": store}))
    model = xgb().fit(data, Y)
    score = scorer_of(mlflow.xgboost.save_model, model, tmp_path / "m", NAMES)

    for arrow_type in (pa.int32(), pa.int64(), pa.float64()):
        assert own_prediction(model, data) == score(*arrays(VALUES, arrow_type)).to_pylist()


@pytest.mark.parametrize("ordered", ["place", "store"])
def test_ordered_categories(ordered: str, tmp_path: Path) -> None:
    """An ordered category of texts is found; one of integers, which LightGBM's file does not show, is refused."""
    data = TRAINING.assign(**{ordered: TRAINING[ordered].cat.as_ordered()})
    model = lgbm().fit(data, Y)
    score = scorer_of(mlflow.lightgbm.save_model, model, tmp_path / "m", NAMES)

    if ordered == "place":
        assert own_prediction(model, data) == score(*arrays(VALUES, pa.int64())).to_pylist()
    else:
        with pytest.raises(ModelFailedError):
            score(*arrays(VALUES, pa.int64()))


def test_integers_that_are_no_pandas_categories(tmp_path: Path) -> None:
    """Integers that the caller named as categories stay the numbers that they are, beside texts that are categories."""
    data = VALUES.assign(place=TRAINING["place"])
    model = lgbm().fit(data, Y, categorical_feature=["store"])
    score = scorer_of(mlflow.lightgbm.save_model, model, tmp_path / "m", NAMES)

    assert own_prediction(model, data) == score(*arrays(VALUES, pa.int64())).to_pylist()


def test_other_texts_beside_categories(tmp_path: Path) -> None:
    """A column of texts that is encoded by an earlier step stays text."""
    data = TRAINING.assign(city=RANDOM.choice(["Bonn", "Köln"], len(VALUES)))
    encode = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    first = make_column_transformer((encode, ["city"]), remainder="passthrough").set_output(transform="pandas")
    model = make_pipeline(first, lgbm()).fit(data, Y)
    score = scorer_of(cloudpickled, model, tmp_path / "m", [*NAMES, "city"])
    columns = [*arrays(VALUES, pa.int64()), pa.array(data["city"])]

    assert own_prediction(model, data) == score(*columns).to_pylist()


def test_categories_that_a_step_makes(tmp_path: Path) -> None:
    """A step that makes categories of texts itself gets the model's, and those that it makes up are left to it."""

    def with_band(rows: pd.DataFrame) -> pd.DataFrame:
        band = pd.Series(np.where(rows["x"] > 0, "high", "low"), rows.index).astype("category")
        return rows.assign(place=rows["place"].astype("category"), store=rows["store"].astype("category"), band=band)

    model = make_pipeline(FunctionTransformer(with_band), lgbm()).fit(VALUES, Y)
    score = scorer_of(cloudpickled, model, tmp_path / "m", NAMES)
    expected = own_prediction(model, TRAINING)

    assert expected == score(*arrays(VALUES, pa.int64())).to_pylist()
    assert expected[:1] == score(*arrays(VALUES[:1], pa.int64())).to_pylist()


@pytest.mark.parametrize(
    ("name", "store"), [("lightgbm", pa.string()), ("xgboost", pa.string()), ("lightgbm", pa.bool_())], ids=str
)
def test_another_type_than_the_categories(name: str, store: pa.DataType, fitted: Fitted) -> None:
    """A signature that gives numbered categories as text is an error; each would be missing, and no number right."""
    _, score = fitted(name)
    columns = arrays(VALUES, pa.int64())
    columns[1] = columns[1].cast(store)

    with pytest.raises(InputFormError, match=r"(?s)the input `store` of the type of its categories: 3, 17, 40, 41"):
        score(*columns)


def test_search_over_xgboost(tmp_path: Path) -> None:
    """A search keeps the model that it was given, which was never fitted, beside the best one."""
    data = VALUES[["store", "x"]]
    model = GridSearchCV(xgboost.XGBRegressor(n_estimators=3), {"max_depth": [2, 3]}, cv=2).fit(data, Y)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["store", "x"])
    columns = [pa.array(data["store"]), pa.array(data["x"])]

    assert own_prediction(model, data) == score(*columns).to_pylist()


def test_order_of_lightgbm_by_sklearn(tmp_path: Path) -> None:
    """LightGBM, which does not look at names, gets its columns in its own order by either of MLflow's flavors."""
    model = lgbm().fit(VALUES[["store", "x"]], Y)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["x", "store"])
    columns = [pa.array(VALUES["x"]), pa.array(VALUES["store"])]

    assert own_prediction(model, VALUES[["store", "x"]]) == score(*columns).to_pylist()


def test_linear_model_beside(tmp_path: Path) -> None:
    """A model without categories is left alone."""
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["place"]), remainder="passthrough"), Ridge())
    score = scorer_of(cloudpickled, model.fit(VALUES, Y), tmp_path / "m", NAMES)

    assert own_prediction(model, VALUES) == score(*arrays(VALUES, pa.int64())).to_pylist()


def upper(data: pd.DataFrame) -> pd.DataFrame:
    """Make categories of a text that the signature has raw."""
    return data.assign(place=data["place"].str.upper().astype("category"))


def parity(data: pd.DataFrame) -> pd.DataFrame:
    """Make categories of a number, under its own name."""
    return data.assign(store=(data["store"] % 3).astype("category"))


def as_text(data: pd.DataFrame) -> pd.DataFrame:
    """Make categories of text of a number."""
    return data.assign(store=data["store"].astype(str).astype("category"))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [lgbm, xgb], ids=["lightgbm", "xgboost"])
@pytest.mark.parametrize(
    ("step", "columns"), [(upper, ["place", "x"]), (parity, ["store", "x"]), (as_text, ["store", "x"])]
)
def test_categories_that_a_step_makes_of_a_raw_column(
    step: Any, columns: list[str], make: Any, engine: str, tmp_path: Path
) -> None:
    """A raw column of which a step in front of the booster makes categories reaches that step as it is."""
    rows = VALUES[columns]
    model = make_pipeline(FunctionTransformer(step), make()).fit(rows, Y)
    score = scorer_of(cloudpickled, model, tmp_path / "m", columns, engine)
    batch = [pa.Array.from_pandas(rows[name]) for name in columns]

    assert model.predict(rows).astype(float).tolist() == score(*batch).to_pylist()


def test_lists_of_categories_that_may_be_of_two_features(tmp_path: Path) -> None:
    """LightGBM refuses a batch where its file does not say which of two columns its categories are of."""
    rows = pd.DataFrame({"size": np.tile([10, 20, 30], 80), "store_id": np.repeat([0, 1, 2], 80)})
    coded = rows.assign(size=rows["size"].astype("category"))
    data = lightgbm.Dataset(coded, Y, categorical_feature=["store_id"])
    model = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, num_boost_round=5)
    score = scorer_of(mlflow.lightgbm.save_model, model, tmp_path / "m", list(rows.columns))
    with pytest.raises(ModelFailedError, match="categorical_feature"):
        score(*(pa.array(rows[name]) for name in rows))
