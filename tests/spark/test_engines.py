"""The engines in Python workers: the same answers with MLflow's loader and without it, and which of them is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost
from pyspark.errors import AnalysisException, PythonException
from pyspark.sql import SparkSession
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from conftest import log_model
from lakepredict.engines import workers

RANDOM = np.random.default_rng(23)
NUMBERS = pd.DataFrame({"a": RANDOM.normal(size=90), "b": RANDOM.normal(size=90), "n": RANDOM.integers(0, 9, 90)})
PLACES = RANDOM.choice(["north", "south", "west"], 90)
TEXTS = NUMBERS.assign(place=PLACES)
Y = NUMBERS["a"] + 2 * NUMBERS["n"] + (PLACES == "west") * 5.0

GAPS = """
    VALUES (0, 1D, 2D, 3L, 'west'), (1, NULL, 2D, 3L, 'west'), (2, 1D, double('NaN'), 3L, NULL), (3, 1D, 2D, NULL, ''),
           (4, double('NaN'), NULL, 3L, 'east'), (5, double('inf'), 2D, 3L, 'south') AS t(id, a, b, n, place)
"""
"""Rows with something missing, infinite or unknown."""

by_pickle = partial(mlflow.sklearn.log_model, serialization_format="cloudpickle")


def encoder() -> Any:
    """A pipeline that encodes text and passes over what it does not know."""
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["place"]), remainder="passthrough")
    return make_pipeline(encode, HistGradientBoostingRegressor(max_iter=5))


class Case:
    """A model of one of the four libraries."""

    def __init__(self, log: Callable[..., Any], model: Any, inputs: pd.DataFrame, target: Any) -> None:
        self.log = log
        self.model = model
        self.inputs = inputs
        self.target = target


CASES = {
    "boosting": Case(by_pickle, GradientBoostingRegressor(n_estimators=5), NUMBERS, Y),
    "histogram": Case(by_pickle, HistGradientBoostingRegressor(max_iter=5), NUMBERS, Y),
    "forest": Case(by_pickle, RandomForestClassifier(5, random_state=0), NUMBERS, np.where(Y > 8, "high", "low")),
    "encoded": Case(by_pickle, encoder(), TEXTS, Y),
    "lightgbm": Case(mlflow.lightgbm.log_model, lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1), NUMBERS, Y),
    "xgboost": Case(mlflow.xgboost.log_model, xgboost.XGBRegressor(n_estimators=5), NUMBERS[["a", "b"]], Y),
}


@pytest.fixture(scope="module")
def models(spark: SparkSession) -> None:
    """Every case, fitted and registered, and the table ``engine_rows``."""
    spark.createDataFrame(TEXTS.assign(id=range(len(TEXTS)))).repartition(2).createOrReplaceTempView("engine_rows")
    for name, case in CASES.items():
        case.model.fit(case.inputs, case.target)
        log_model(case.log, case.model, f"engine_{name}", case.inputs, case.model.predict(case.inputs))


@pytest.fixture
def session(spark: SparkSession) -> SparkSession:
    """A session whose settings no other test sees."""
    session = spark.newSession()
    session.createDataFrame(TEXTS.assign(id=range(len(TEXTS)))).createOrReplaceTempView("engine_rows")
    return session


def explained(session: SparkSession, query: str) -> str:
    """What EXPLAIN says of a query."""
    row = session.sql(f"EXPLAIN {query}").first()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("on_null", ["null", "pass"])
def test_same_answers(session: SparkSession, models: None, name: str, on_null: str) -> None:
    """Each engine gives what the library gives, and the same as the other where something is missing."""
    case = CASES[name]
    session.conf.set("spark.lakepredict.onNull", on_null)
    found = {}
    for engine in ("arrow", "pandas"):
        session.conf.set(
            "spark.lakepredict.engine", engine if on_null == "null" else {"arrow": "auto"}.get(engine, engine)
        )
        all_rows = session.sql(f"SELECT PREDICT('engine_{name}', 1, *) AS p FROM engine_rows ORDER BY id").collect()
        assert [row.p for row in all_rows] == case.model.predict(case.inputs).tolist()
        gaps = session.sql(f"SELECT id, TRY_PREDICT('engine_{name}', 1, *) AS p FROM {GAPS} ORDER BY id").collect()
        found[engine] = [row.p for row in gaps]

    assert found["arrow"] == found["pandas"]
    assert found["arrow"][0] is not None


@pytest.mark.parametrize("name", ["forest"])
def test_same_probabilities(session: SparkSession, models: None, name: str) -> None:
    """So do probabilities."""
    case = CASES[name]
    expected = [
        dict(zip(case.model.classes_.tolist(), row, strict=True))
        for row in case.model.predict_proba(case.inputs).tolist()
    ]
    for engine in ("arrow", "pandas"):
        session.conf.set("spark.lakepredict.engine", engine)
        query = f"SELECT PREDICT_PROBA('engine_{name}', 1, *) AS p FROM engine_rows ORDER BY id"
        assert [row.p for row in session.sql(query).collect()] == expected


def told(function: Callable[[Any], Any]) -> Any:
    """A model that predicts what a function says in the Python worker."""
    return make_pipeline(FunctionTransformer(function), LinearRegression(fit_intercept=False))


def test_threads(session: SparkSession) -> None:
    """A task has as many threads as Spark gives it cores, so tasks on one machine do not fight."""
    ones = pd.DataFrame({"x": [1.0, 1.0]})
    model = told(lambda rows: rows).fit(ones, [1.0, 1.0])
    model.steps[0] = ("told", FunctionTransformer(lambda rows: rows * float(os.environ["OMP_NUM_THREADS"])))
    log_model(by_pickle, model, "told_threads", ones, np.array([1.0, 1.0]))
    row = session.sql("SELECT PREDICT('told_threads', 1, x) AS p FROM VALUES (1D) AS t(x)").first()

    assert row is not None
    assert round(row.p) == 1


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_categories(session: SparkSession, library: str) -> None:
    """A model that was trained on pandas' categories takes text, also where a batch has none of them."""
    data = TEXTS.assign(place=pd.Categorical(PLACES))
    if library == "lightgbm":
        model = lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1).fit(data, Y)
        log = mlflow.lightgbm.log_model
    else:
        model = xgboost.XGBRegressor(n_estimators=5, enable_categorical=True).fit(data, Y)
        log = mlflow.xgboost.log_model
    log_model(log, model, f"categories_{library}", data, model.predict(data))
    query = f"SELECT PREDICT('categories_{library}', 1, *) AS p FROM"
    found = [row.p for row in session.sql(f"{query} engine_rows ORDER BY id").collect()]
    missing = data.head(1).assign(place=pd.Categorical([None], categories=data["place"].cat.categories))
    row = data.head(1).iloc[0]
    values = f"VALUES ({row['a']}D, {row['b']}D, {row['n']}L, CAST(NULL AS STRING)) AS t(a, b, n, place)"

    assert found == model.predict(data).tolist()
    assert [row.p for row in session.sql(f"{query} {values}").collect()] == model.predict(missing).tolist()
    unknown = values.replace("CAST(NULL AS STRING)", "'east'")
    if library == "lightgbm":
        assert [row.p for row in session.sql(f"{query} {unknown}").collect()] == model.predict(missing).tolist()
    else:
        with pytest.raises(PythonException, match=r"(?s)PREDICT_INPUT_INVALID.*`place` does not fit.*'east'"):
            session.sql(f"{query} {unknown}").collect()


@pytest.mark.parametrize("engine", ["arrow", "pandas"])
def test_texts(session: SparkSession, engine: str) -> None:
    """A pipeline that reads texts scores the texts, one row at a time and many, and not the name of their column."""
    texts = pd.DataFrame({"remark": ["good", "very good", "bad", "not so bad"] * 5})
    labels = ["yes", "yes", "no", "no"] * 5
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts["remark"], labels)
    name = f"remarks_{engine}"
    log_model(by_pickle, model, name, texts, np.array(labels))
    session.conf.set("spark.lakepredict.engine", engine)
    both = f"PREDICT('{name}', 1, remark) AS p, PREDICT_PROBA('{name}', 1, remark)['yes'] AS yes"
    expected = [("good", "yes"), ("not so bad", "no"), ("very good", "yes")]
    rows = session.sql(f"SELECT remark, {both} FROM VALUES ('good'), ('not so bad'), ('very good') AS t(remark)")
    alone = session.sql(f"SELECT {both} FROM VALUES ('not so bad') AS t(remark)").first()

    assert [(row.remark, row.p) for row in rows.orderBy("remark").collect()] == expected
    assert alone == ("no", model.predict_proba(["not so bad"])[0][1])


@pytest.mark.parametrize("engine", ["arrow", "pandas"])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_numbered_categories(session: SparkSession, library: str, engine: str) -> None:
    """A model that was trained on integers as categories, inside a pipeline, takes a column of integers."""
    data = TEXTS.assign(place=pd.Categorical(PLACES), n=TEXTS["n"].astype("category"))
    last: Any = lightgbm.LGBMRegressor(n_estimators=5, min_child_samples=3, verbosity=-1)
    if library == "xgboost":
        last = xgboost.XGBRegressor(n_estimators=5, enable_categorical=True)
    scale = make_column_transformer((StandardScaler(), ["a", "b"]), remainder="passthrough")
    model = make_pipeline(scale.set_output(transform="pandas"), last).fit(data, Y)
    name = f"numbered_{library}_{engine}"
    log_model(by_pickle, model, name, TEXTS, model.predict(data))
    session.conf.set("spark.lakepredict.engine", engine)
    found = session.sql(f"SELECT PREDICT('{name}', 1, *) AS p FROM engine_rows ORDER BY id").collect()

    assert [row.p for row in found] == model.predict(data).tolist()


REASONS = {
    "SELECT PREDICT('engine_boosting', 1, *) AS p FROM engine_rows": "arrow[its file names no linear model](",
    "SELECT PREDICT('engine_lightgbm', 1, *) AS p FROM engine_rows": "arrow[it is no model of scikit-learn](",
    "SELECT PREDICT('counted_days', 1, *) AS p FROM VALUES (timestamp'2024-01-01') AS t(day)": (
        "pandas[it has an input of type timestamp]("
    ),
}


def test_reasons(session: SparkSession, models: None) -> None:
    """EXPLAIN says which engine scores, and why."""
    days = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=5)})
    model = told(lambda rows: rows[["day"]].astype("int64") / 1e9)
    model.fit(days, np.arange(5.0))
    log_model(by_pickle, model, "counted_days", days, model.predict(days))

    for query, reason in REASONS.items():
        assert reason in explained(session, query)


def test_engine_that_cannot(session: SparkSession, models: None) -> None:
    """An engine that is asked for and cannot score a model is an error with the reason."""
    session.conf.set("spark.lakepredict.engine", "arrow")
    session.conf.set("spark.lakepredict.onNull", "pass")
    with pytest.raises(AnalysisException, match="it is to get NULL in an integer or a boolean") as raised:
        session.sql("SELECT PREDICT('engine_boosting', 1, *) AS p FROM engine_rows")

    assert raised.value.getCondition() == "PREDICT_MODEL_UNSUPPORTED"


@pytest.mark.parametrize("name", ["boosting", "histogram", "forest", "lightgbm", "xgboost"])
def test_compiled_trees(session: SparkSession, models: None, name: str) -> None:
    """Compiled trees give what the library gives, also where it refuses what is missing."""
    case = CASES[name]
    gaps = f"SELECT id, TRY_PREDICT('engine_{name}', 1, *) AS p FROM {GAPS} ORDER BY id"
    usual = [row.p for row in session.sql(gaps).collect()]
    session.conf.set("spark.lakepredict.trees", "compiled")
    query = f"SELECT PREDICT('engine_{name}', 1, *) AS p FROM engine_rows ORDER BY id"
    found = [row.p for row in session.sql(query).collect()]

    assert "trees[spark.lakepredict.trees asks for it](" in explained(session, query)
    if name == "forest":
        assert found == case.model.predict(case.inputs).tolist()
        assert [row.p for row in session.sql(gaps).collect()] == usual
    else:
        np.testing.assert_allclose(found, case.model.predict(case.inputs), rtol=1e-12)
        rows = [row.p for row in session.sql(gaps).collect()]
        assert [each is None for each in rows] == [each is None for each in usual]
        np.testing.assert_allclose(np.array(rows, float), np.array(usual, float), rtol=1e-12)


def test_probabilities_of_compiled_trees(session: SparkSession, models: None) -> None:
    """Compiled trees give probabilities, too."""
    session.conf.set("spark.lakepredict.trees", "compiled")
    query = "SELECT PREDICT_PROBA('engine_forest', 1, *) AS p FROM engine_rows ORDER BY id"
    case = CASES["forest"]
    found = [[row.p[label] for label in case.model.classes_] for row in session.sql(query).collect()]

    assert "trees[" in explained(session, query)
    np.testing.assert_allclose(found, case.model.predict_proba(case.inputs), rtol=1e-12)


def test_trees_are_compiled_once(session: SparkSession, models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a model is called, its trees are compiled once for its predictions and once for its probabilities."""
    case = CASES["forest"]
    log_model(case.log, case.model, "compiled_once", case.inputs, case.model.predict(case.inputs))
    ship, asked = workers.ship_trees, []
    monkeypatch.setattr(workers, "ship_trees", lambda *given: (asked.append(given[1].probabilities), ship(*given))[1])
    session.conf.set("spark.lakepredict.trees", "compiled")
    for timezone in ("Asia/Tokyo", "UTC"):
        session.conf.set("spark.sql.session.timeZone", timezone)
        for function in ("PREDICT", "TRY_PREDICT", "PREDICT_PROBA"):
            assert "trees[" in explained(session, f"SELECT {function}('compiled_once', 1, *) AS p FROM engine_rows")

    assert asked == [False, True]


def test_large_integers_are_not_rounded_twice(session: SparkSession) -> None:
    """Integers that a double does not hold are left to the library, which makes single-precision numbers of them."""
    large = 2**53 + 2**29 + 1
    data = pd.DataFrame({"n": [0, 2**53, large, 2**54]})
    model = GradientBoostingRegressor(n_estimators=3).fit(data, [0.0, 1.0, 5.0, 9.0])
    log_model(by_pickle, model, "large_integers", data, model.predict(data))
    session.conf.set("spark.lakepredict.trees", "compiled")
    values = ", ".join(f"({each}L)" for each in data["n"])
    query = f"SELECT n, PREDICT('large_integers', 1, n) AS p FROM VALUES {values} AS t(n) ORDER BY n"

    assert "trees[" in explained(session, query)
    assert [row.p for row in session.sql(query).collect()] == model.predict(data).tolist()


def test_trees_that_are_not_compiled(session: SparkSession, models: None, caplog: pytest.LogCaptureFixture) -> None:
    """A model that has no compiled form is scored by its library, and plan and log say why."""
    session.conf.set("spark.lakepredict.trees", "compiled")
    query = "SELECT PREDICT('engine_encoded', 1, *) AS p FROM engine_rows ORDER BY id"
    case = CASES["encoded"]

    assert "arrow[not compiled: its inputs are not all numbers](" in explained(session, query)
    assert "'engine_encoded' version 1 is not compiled: its inputs are not all numbers" in caplog.text
    assert [row.p for row in session.sql(query).collect()] == case.model.predict(case.inputs).tolist()


def test_no_compiler(session: SparkSession, models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a C compiler, the library scores."""
    case = CASES["boosting"]
    log_model(case.log, case.model, "not_compiled_yet", case.inputs, case.model.predict(case.inputs))
    monkeypatch.setenv("PATH", "")
    session.conf.set("spark.lakepredict.trees", "compiled")
    query = "SELECT PREDICT('not_compiled_yet', 1, *) AS p FROM engine_rows"

    assert "arrow[not compiled: there is no C compiler" in explained(session, query)
