"""Linear models of scikit-learn as arithmetic in the query: the same answers as in Python workers, without any."""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from conftest import log_model

RANDOM = np.random.default_rng(17)
X = pd.DataFrame({"a": RANDOM.normal(size=90), "b": RANDOM.normal(5.0, 3.0, size=90), "n": RANDOM.integers(0, 9, 90)})
Y = X @ [1.0, -2.0, 0.5] + RANDOM.normal(size=90)
CLASSES = np.digitize(Y, [-11.0, -6.0])
SCALED = ColumnTransformer([("scaled", StandardScaler(), ["b", "a"])], remainder="drop")

MODELS: dict[str, tuple[Any, Any]] = {
    "plain": (LinearRegression(), Y),
    "scaled": (make_pipeline(StandardScaler(), Ridge()), Y),
    "chosen": (make_pipeline(SCALED, Ridge()), Y),
    "flag": (LogisticRegression(), CLASSES > 0),
    "text": (make_pipeline(StandardScaler(), LogisticRegression()), np.array(["low", "mid", "high"])[CLASSES]),
    "number": (LogisticRegression(), CLASSES * 10),
}
CLASSIFIERS = ("flag", "text", "number")


GAPS = """
    VALUES (0, 1D, 2D, 3L), (1, NULL, 2D, 3L), (2, 1D, double('NaN'), 3L), (3, 1D, 2D, NULL),
           (4, double('NaN'), NULL, 3L), (5, double('inf'), 2D, 3L), (6, 1D, double('-inf'), NULL) AS t(id, a, b, n)
"""
"""Rows with something missing or infinite."""


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> str:
    """The rows that the models were trained on, and a table of rows with something missing."""
    frame = X.assign(id=range(len(X)))
    spark.createDataFrame(frame).repartition(2).createOrReplaceTempView("linear_rows")
    for name, (model, target) in MODELS.items():
        model.fit(X, target)
        log_model(mlflow.sklearn.log_model, model, f"linear_{name}", X, model.predict(X))
    return "linear_rows"


@pytest.fixture
def session(spark: SparkSession) -> SparkSession:
    """A session whose settings no other test sees."""
    return spark.newSession()


def explained(session: SparkSession, query: str) -> str:
    """What EXPLAIN says of a query."""
    row = session.sql(f"EXPLAIN {query}").first()
    assert row is not None
    return str(row[0])


def test_column_without_alias(spark: SparkSession, rows: str) -> None:
    """A column without an alias is named by the call, not by the arithmetic of the model."""
    calls = "PREDICT('linear_plain', 1, a, b, n), PREDICT_PROBA('linear_flag', 1, a, b, n)"
    found = spark.sql(f"SELECT {calls} FROM {rows}")

    assert found.columns == ["predict(linear_plain, 1, a, b, n)", "predict_proba(linear_flag, 1, a, b, n)"]


@pytest.mark.parametrize("name", MODELS)
def test_predictions(spark: SparkSession, rows: str, name: str) -> None:
    """The predictions are the model's own, and no Python worker takes part."""
    query = f"SELECT id, PREDICT('linear_{name}', 1, *) AS p FROM {rows}"
    expected = MODELS[name][0].predict(X)
    found = [row.p for row in sorted(spark.sql(query).collect(), key=lambda row: row.id)]

    if name in CLASSIFIERS:
        assert found == expected.tolist()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    plan = explained(spark, query)
    assert "Python" not in plan
    assert f"predict[linear_{name} v1]" in plan


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities(spark: SparkSession, rows: str, name: str) -> None:
    """The probabilities are the model's own, under labels of the same type as from Python workers."""
    query = f"SELECT id, PREDICT_PROBA('linear_{name}', 1, *) AS p FROM {rows}"
    model = MODELS[name][0]
    frame = spark.sql(query)
    python = spark.newSession()
    python.conf.set("spark.lakepredict.engine", "pandas")
    found = [row.p for row in sorted(frame.collect(), key=lambda row: row.id)]
    values = np.array([[each[label] for label in model.classes_.tolist()] for each in found])

    np.testing.assert_allclose(values, model.predict_proba(X), rtol=1e-12)
    assert "Python" not in explained(spark, query)
    kind = python.sql(query.replace(rows, f"({GAPS})")).schema["p"].dataType
    assert frame.schema["p"].dataType.simpleString() == kind.simpleString()


def outcomes(session: SparkSession, name: str, rows: str) -> list[object]:
    """What a session makes of some rows: the values, or the error."""
    query = f"SELECT PREDICT('{name}', 1, *) AS p FROM {GAPS} WHERE id IN ({rows}) ORDER BY id"
    try:
        found = [row.p for row in session.sql(query).collect()]
    except Exception as exc:
        return [each for each in ("PREDICT_INPUT_NULL", "PREDICT_MODEL_FAILED") if each in str(exc)]
    return [value if value is None else round(value, 9) for value in found]


CHECKED = [
    ("plain", "null", ["0, 1, 2, 3, 4", "5"]),
    ("chosen", "null", ["0, 1, 2, 3, 4", "6"]),
    ("plain", "error", ["0", "1", "2", "5"]),
    ("plain", "pass", ["0", "1", "3"]),
]


@pytest.mark.parametrize(("name", "mode", "batches"), CHECKED)
def test_missing_and_infinite_inputs(spark: SparkSession, rows: str, name: str, mode: str, batches: list[str]) -> None:
    """A NULL, a NaN and an infinity give what they give in Python workers, whatever a NULL is to be."""
    found = {}
    for engine in ("native", "pandas"):
        session = spark.newSession()
        session.conf.set("spark.lakepredict.onNull", mode)
        session.conf.set("spark.lakepredict.engine", engine)
        found[engine] = [outcomes(session, f"linear_{name}", batch) for batch in batches]

    assert found["native"] == found["pandas"]
    assert found["native"][0][0] is not None


def test_lenient(spark: SparkSession, rows: str) -> None:
    """TRY_PREDICT gives NULL for an infinity, too."""
    query = f"SELECT id, TRY_PREDICT('linear_plain', 1, *) AS p FROM {GAPS} ORDER BY id"

    assert [row.p is None for row in spark.sql(query).collect()] == [False] + [True] * 6


ARRAYS = """
    VALUES (0, array(1D, 2D, 3D)), (1, array(1D, NULL, 3D)), (2, array(1D, double('NaN'), 3D)), (3, NULL),
           (4, array(1D, 2D, double('inf'))) AS t(id, x)
"""


@pytest.mark.parametrize("name", ["plain", "scaled", "text"])
def test_arrays(session: SparkSession, name: str) -> None:
    """A model that was fitted on a matrix takes an ARRAY, with the same answers as in Python workers."""
    model, target = MODELS[name]
    matrix = X.to_numpy(dtype="float64")
    model = clone(model).fit(matrix, target)
    log_model(mlflow.sklearn.log_model, model, f"linear@array_{name}", matrix, model.predict(matrix))
    session.createDataFrame(
        [(at, row) for at, row in enumerate(matrix.tolist())], "id INT, x ARRAY<DOUBLE>"
    ).createOrReplaceTempView("linear_arrays")
    call = f"PREDICT('linear@array_{name}', 1, x) AS p"
    plain = f"SELECT {call} FROM linear_arrays ORDER BY id"
    found = {}
    for engine in ("native", "pandas"):
        session.conf.set("spark.lakepredict.engine", engine)
        found[engine] = [row.p for row in session.sql(f"SELECT id, TRY_{call} FROM {ARRAYS} ORDER BY id").collect()]
        wrong = session.sql(f"SELECT {call} FROM VALUES (array(1D, 2D)) AS t(x)")
        with pytest.raises(Exception, match=r"an array has 2 values where the model takes 3") as caught:
            wrong.collect()

        # In the query itself the message is put together from parts, whatever is in the names in it.
        if engine == "native":
            whole = f"[PREDICT_INPUT_INVALID] the model 'linear@array_{name}' version 1: a value of the"
            assert whole in str(caught.value)
    session.conf.set("spark.lakepredict.engine", "native")
    rows = [row.p for row in session.sql(plain).collect()]

    assert "Python" not in explained(session, plain)
    assert [each is None for each in found["native"]] == [False, True, True, True, True]
    assert found["native"][1:] == found["pandas"][1:]
    if name == "text":
        assert rows == model.predict(matrix).tolist()
        assert found["native"] == found["pandas"]
    else:
        np.testing.assert_allclose(rows, model.predict(matrix), rtol=1e-12)
        np.testing.assert_allclose(found["native"][0], found["pandas"][0], rtol=1e-12)


PLACES = np.array(["north", "south", "west"])[RANDOM.integers(0, 3, 90)]
SIZES = np.array(["small", "large"])[RANDOM.integers(0, 2, 90)]
TEXTS = X.assign(place=PLACES, size=SIZES)[["place", "a", "size", "b"]]
TEXT_GAPS = """
    VALUES (0, 'west', 1D, 'large', 2D), (1, NULL, 1D, 'large', 2D), (2, 'east', 1D, 'small', 2D),
           (3, 'west', double('NaN'), 'large', 2D), (4, 'east', NULL, 'large', 2D), (5, '', 1D, 'small', double('inf'))
    AS t(id, place, a, size, b)
"""


@pytest.mark.parametrize("unknown", ["error", "ignore"])
@pytest.mark.parametrize("kind", ["number", "text"])
def test_texts(session: SparkSession, unknown: str, kind: str) -> None:
    """A model that encodes texts looks their weights up, with the same answers as in Python workers."""
    encode = ColumnTransformer(
        [("texts", OneHotEncoder(handle_unknown=unknown), ["size", "place"]), ("numbers", StandardScaler(), ["b"])],
        remainder="passthrough",
    )
    target = Y + (PLACES == "west") * 5.0
    last = Ridge() if kind == "number" else LogisticRegression(max_iter=1000)
    model = make_pipeline(encode, last).fit(TEXTS, target if kind == "number" else SIZES + PLACES)
    name = f"linear_texts_{unknown}_{kind}"
    log_model(mlflow.sklearn.log_model, model, name, TEXTS, model.predict(TEXTS))
    session.createDataFrame(TEXTS.assign(id=range(len(TEXTS)))).createOrReplaceTempView("linear_texts")
    plain = f"SELECT PREDICT('{name}', 1, *) AS p FROM linear_texts ORDER BY id"
    found = {}
    for engine in ("native", "arrow"):
        session.conf.set("spark.lakepredict.engine", engine)
        query = f"SELECT id, TRY_PREDICT('{name}', 1, *) AS p FROM {TEXT_GAPS} ORDER BY id"
        found[engine] = [row.p for row in session.sql(query).collect()]
        if unknown == "error":
            with pytest.raises(Exception, match=r"(?i)ValueError: (Found unknown categories|a text of place that)"):
                session.sql(f"SELECT PREDICT('{name}', 1, *) AS p FROM {TEXT_GAPS} WHERE id = 2").collect()
    session.conf.set("spark.lakepredict.engine", "native")
    rows = [row.p for row in session.sql(plain).collect()]

    assert "Python" not in explained(session, plain)
    assert [each is None for each in found["native"]] == [each is None for each in found["arrow"]]
    assert found["native"][0] is not None
    if kind == "text":
        assert rows == model.predict(TEXTS).tolist()
        assert found["native"] == found["arrow"]
    else:
        np.testing.assert_allclose(rows, model.predict(TEXTS), rtol=1e-12)
        np.testing.assert_allclose(np.array(found["native"], float), np.array(found["arrow"], float), rtol=1e-12)


def test_encoder_that_leaves_categories_out(spark: SparkSession) -> None:
    """An encoder that does more than look texts up is left to Python workers."""
    encode = ColumnTransformer([("texts", OneHotEncoder(drop="first"), ["size", "place"])], remainder="passthrough")
    model = make_pipeline(encode, Ridge()).fit(TEXTS, Y)
    log_model(mlflow.sklearn.log_model, model, "linear_dropping", TEXTS, model.predict(TEXTS))
    spark.createDataFrame(TEXTS.assign(id=range(len(TEXTS)))).createOrReplaceTempView("linear_texts")
    query = "SELECT PREDICT('linear_dropping', 1, *) AS p FROM linear_texts ORDER BY id"

    assert "arrow[its OneHotEncoder leaves categories out](" in explained(spark, query)
    assert [row.p for row in spark.sql(query).collect()] == model.predict(TEXTS).tolist()


def test_many_columns(spark: SparkSession) -> None:
    """A model of hundreds of columns is arithmetic, too."""
    wide = pd.DataFrame(RANDOM.normal(size=(400, 300)), columns=[f"x{position}" for position in range(300)])
    model = make_pipeline(StandardScaler(), Ridge()).fit(wide, wide.sum(axis=1))
    log_model(mlflow.sklearn.log_model, model, "linear_wide", wide, model.predict(wide))
    frame = spark.createDataFrame(wide.head(50).assign(id=range(50)))
    frame.createOrReplaceTempView("linear_wide_rows")
    query = "SELECT id, PREDICT('linear_wide', 1, *) AS p FROM linear_wide_rows"
    found = [row.p for row in sorted(spark.sql(query).collect(), key=lambda row: row.id)]

    assert "Python" not in explained(spark, query)
    np.testing.assert_allclose(found, model.predict(wide.head(50)), rtol=1e-12)


def test_model_that_cannot_be_read(spark: SparkSession, rows: str) -> None:
    """A linear model of another make, here with sparse coefficients, is left to Python workers."""
    model = LogisticRegression().fit(X, CLASSES > 0).sparsify()
    log_model(mlflow.sklearn.log_model, model, "linear_sparse", X, model.predict(X), serialization_format="cloudpickle")
    query = f"SELECT id, PREDICT('linear_sparse', 1, *) AS p FROM {rows}"
    found = [row.p for row in sorted(spark.sql(query).collect(), key=lambda row: row.id)]

    assert "arrow[the driver cannot read it" in explained(spark, query)
    assert found == model.predict(X).tolist()


def test_engine_that_is_asked_for(session: SparkSession, rows: str) -> None:
    """spark.lakepredict.engine forces Python workers, or arithmetic, and says why it cannot."""
    model = HistGradientBoostingRegressor(max_iter=3).fit(X, Y)
    log_model(mlflow.sklearn.log_model, model, "no_linear", X, model.predict(X), serialization_format="cloudpickle")

    for engine in ("arrow", "pandas"):
        session.conf.set("spark.lakepredict.engine", engine)
        plan = explained(session, f"SELECT PREDICT('linear_plain', 1, *) AS p FROM {GAPS}")
        assert f"{engine}[spark.lakepredict.engine asks for it](" in plan
    session.conf.set("spark.lakepredict.engine", "native")
    with pytest.raises(AnalysisException, match="its file names no linear model") as raised:
        session.sql(f"SELECT PREDICT('no_linear', 1, *) FROM {GAPS}")
    assert raised.value.getCondition() == "PREDICT_MODEL_UNSUPPORTED"
    session.conf.set("spark.lakepredict.engine", "fast")
    with pytest.raises(AnalysisException, match="auto, native, arrow or pandas"):
        session.sql(f"SELECT PREDICT('linear_plain', 1, *) FROM {GAPS}")
