"""What becomes part of a plan stays small: expressions grow with classes times inputs, and have a bound."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression as SparkLogisticRegression
from pyspark.ml.classification import OneVsRest
from pyspark.ml.feature import SQLTransformer, VectorAssembler
from pyspark.ml.regression import LinearRegression as SparkLinearRegression
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import spark_ml_models
from conftest import log_model
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._settings import OnNull
from lakepredict._signature import Input, Signature
from lakepredict.engines import _linear_columns, sparkml
from lakepredict.engines._sklearn_linear import LinearForm, Term
from lakepredict.engines.base import Request

RANDOM = np.random.default_rng(23)


def nodes(frame: DataFrame) -> int:
    """How many nodes the expressions of a plan have; each has a line that begins with a number."""
    plan = frame._jdf.queryExecution().analyzed()
    count = 0
    while plan.children().nonEmpty():
        for place in range(plan.expressions().size()):
            count += len(re.findall(r"^\d+ ", plan.expressions().apply(place).numberedTreeString(), re.MULTILINE))
        plan = plan.children().head()
    return count


def request_for(function: str, inputs: int, on_null: OnNull = "null") -> Request:
    """A call of a model with that many numbers as inputs."""
    columns = tuple(Input(f"x{place}", T.DoubleType()) for place in range(inputs))
    model = ResolvedModel("m", 1, None, ("m",), ("sklearn",), Signature(columns, T.LongType()))
    return Request(ModelReference("m", 1, function), model, columns, (), "UTC", on_null)


def arithmetic(spark: SparkSession, function: str, classes: int, inputs: int) -> DataFrame:
    """The arithmetic of a logistic regression of that many classes."""
    rows = 1 if classes == 2 else classes
    weights = tuple(map(tuple, RANDOM.normal(size=(rows, inputs)).tolist()))
    terms = tuple(Term(place) for place in range(inputs))
    form = LinearForm(terms, weights, (0.0,) * rows, tuple(range(classes)), T.LongType(), logistic=True)
    frame = spark.createDataFrame([], ", ".join(f"c{place} DOUBLE" for place in range(inputs)))
    return _linear_columns.predictions(request_for(function, inputs), form, frame)


@pytest.mark.parametrize("function", ["PREDICT", "PREDICT_PROBA"])
def test_classes(spark: SparkSession, function: str) -> None:
    """The expression of a linear classifier grows with the number of classes, not with its square or its cube."""
    few, some, many = (nodes(arithmetic(spark, function, classes, 3)) for classes in (2, 20, 200))

    assert few < some < 20 * 3 * 25
    assert many < 11 * some


@pytest.mark.parametrize("function", ["PREDICT", "PREDICT_PROBA"])
def test_inputs(spark: SparkSession, function: str) -> None:
    """The expression of a linear classifier grows with the number of inputs."""
    few, many = (nodes(arithmetic(spark, function, 5, inputs)) for inputs in (10, 100))

    assert many < 11 * few


DIABETES = load_diabetes(return_X_y=True)
DIGITS = load_digits(return_X_y=True)
HUNDRED = RANDOM.normal(size=(1000, 100))
TEN, EIGHTY = ((RANDOM.normal(size=(3 * classes, 10)), np.tile(np.arange(classes), 3)) for classes in (10, 80))
CLASSIFIERS: dict[str, tuple[Any, Any]] = {
    "ten": TEN,
    "eighty": EIGHTY,
    "digits": DIGITS,
    "diabetes": DIABETES,
    "five_hundred": (HUNDRED, np.tile(np.arange(500), 2)),
}
CALLS = [
    ("ten", "PREDICT", "native"),
    ("ten", "PREDICT_PROBA", "native"),
    ("eighty", "PREDICT", "native"),
    ("eighty", "PREDICT_PROBA", "arrow[it has 800 terms, where the plan takes 100]"),
    ("digits", "PREDICT", "native"),
    ("digits", "PREDICT_PROBA", "arrow[it has 640 terms, where the plan takes 100]"),
    ("diabetes", "PREDICT", "arrow[it has 2,140 terms, where the plan takes 1,000]"),
    ("diabetes", "PREDICT_PROBA", "arrow[it has 2,140 terms, where the plan takes 100]"),
    ("five_hundred", "PREDICT", "arrow[it has 50,000 terms, where the plan takes 1,000]"),
    ("five_hundred", "PREDICT_PROBA", "arrow[it has 50,000 terms, where the plan takes 100]"),
]


@pytest.fixture(scope="module")
def classifiers(spark: SparkSession) -> dict[str, tuple[Any, pd.DataFrame]]:
    """Logistic regressions of many classes, each with a few of its rows, which are a view of its name."""
    fitted = {}
    for name, (values, classes) in CLASSIFIERS.items():
        frame = pd.DataFrame(values).add_prefix("x")
        model = LogisticRegression(max_iter=20).fit(frame, classes)
        log_model(mlflow.sklearn.log_model, model, f"growth_{name}", frame, model.predict(frame))
        fitted[name] = model, frame.head(30)
        table(spark, frame.head(30)).createOrReplaceTempView(f"growth_{name}")
    return fitted


def table(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    """The rows with an ``id``, shuffled: what Spark knows when it plans a query, it computes without compiled code."""
    return spark.createDataFrame(rows.assign(id=range(len(rows)))).repartition(1)


def explained(spark: SparkSession, query: str) -> str:
    """What EXPLAIN says of a query."""
    row = spark.sql(f"EXPLAIN {query}").first()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(("name", "function", "engine"), CALLS)
@pytest.mark.filterwarnings("ignore")
def test_many_classes(
    spark: SparkSession, classifiers: dict[str, tuple[Any, pd.DataFrame]], name: str, function: str, engine: str
) -> None:
    """A linear classifier of many classes gives what it gives by itself, in the plan or past a size in a worker."""
    model, rows = classifiers[name]
    query = f"SELECT {function}('growth_{name}', 1, *) AS p FROM growth_{name} ORDER BY id"
    found = [row.p for row in spark.sql(query).collect()]

    assert engine in explained(spark, query)
    if function == "PREDICT":
        assert found == model.predict(rows).tolist()
    else:
        values = [[row[label] for label in model.classes_.tolist()] for row in found]
        np.testing.assert_allclose(values, model.predict_proba(rows), rtol=1e-9)


def test_ties_are_the_first_class(spark: SparkSession) -> None:
    """Of classes with the same score, the first is the prediction, as with NumPy's argmax."""
    frame = pd.DataFrame(RANDOM.normal(size=(60, 2)), columns=["a", "b"])
    model = LogisticRegression().fit(frame, np.tile(["x", "y", "z"], 20))
    model.coef_[:], model.intercept_[:] = [[1.0, 2.0], [3.0, 4.0], [3.0, 4.0]], 0.5
    log_model(mlflow.sklearn.log_model, model, "growth_ties", frame, model.predict(frame))
    rows = pd.DataFrame([(0.0, 0.0), (1.0, 1.0), (-1.0, -1.0)], columns=["a", "b"])
    table(spark, rows).createOrReplaceTempView("growth_ties")
    query = "SELECT PREDICT('growth_ties', 1, a, b) AS p FROM growth_ties ORDER BY id"
    expected = model.predict(rows).tolist()

    assert expected == ["x", "y", "x"]
    assert [row.p for row in spark.sql(query).collect()] == expected
    assert "native" in explained(spark, query)


PROBABILITIES = "PREDICT_PROBA('growth_ten', 1, x0, x1, x2, x3, x4, x5, x6, x7, x8, x9)"


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT transform(array(x0, x1), x -> {PROBABILITIES.replace('x0,', 'x,')}[3])[0] FROM growth_ten ORDER BY id",
        f"SELECT (SELECT max({PROBABILITIES}[3]) FROM growth_ten i WHERE i.id = o.id) FROM growth_ten o ORDER BY id",
        f"SELECT sum({PROBABILITIES}[3]) OVER (PARTITION BY id) FROM growth_ten ORDER BY id",
        f"SELECT max({PROBABILITIES}[3]) FROM growth_ten GROUP BY id ORDER BY id",
        f"SELECT if(x0 < 9, {PROBABILITIES}[3], 0) FROM growth_ten WHERE {PROBABILITIES}[3] >= 0 ORDER BY id",
        f"SELECT {PROBABILITIES.replace('x9)', f'x9 + 0 * {PROBABILITIES}[3])')}[3] FROM growth_ten ORDER BY id",
    ],
    ids=["lambda", "subquery", "window", "aggregate", "condition", "call in a call"],
)
def test_where_probabilities_may_stand(
    spark: SparkSession, classifiers: dict[str, tuple[Any, pd.DataFrame]], query: str
) -> None:
    """The probabilities of many classes may stand wherever an expression may."""
    model, rows = classifiers["ten"]
    found = [row[0] for row in spark.sql(query).collect()]

    np.testing.assert_allclose(found, model.predict_proba(rows)[:, 3], rtol=1e-9)


GAPS = """
    VALUES (0, 1D, 2D, 3D), (1, NULL, 2D, 3D), (2, 1D, double('NaN'), 3D), (3, 1D, 2D, double('inf')) AS t(id, a, b, c)
"""


@pytest.mark.parametrize("on_null", ["null", "error", "pass"])
@pytest.mark.parametrize("function", ["PREDICT", "PREDICT_PROBA", "TRY_PREDICT"])
def test_missing_and_infinite_inputs(spark: SparkSession, function: str, on_null: str) -> None:
    """A NULL, a NaN and an infinity give what they give in Python workers, also for several classes."""
    frame = pd.DataFrame(RANDOM.normal(size=(60, 3)), columns=["a", "b", "c"])
    model = LogisticRegression().fit(frame, np.tile(["x", "y", "z"], 20))
    if on_null == "null" and function == "PREDICT":
        log_model(mlflow.sklearn.log_model, model, "growth_gaps", frame, model.predict(frame))
    outcomes = {engine: [outcome(spark, function, on_null, engine, place) for place in range(4)] for engine in ENGINES}

    assert outcomes["native"] == outcomes["arrow"]
    assert outcomes["native"][0] not in (None, "PREDICT_MODEL_FAILED")


ENGINES = ("native", "arrow")


def outcome(spark: SparkSession, function: str, on_null: str, engine: str, place: int) -> Any:
    """What a session makes of one row: the value, with rounded probabilities, or the condition of the error."""
    session = spark.newSession()
    session.conf.set("spark.lakepredict.engine", engine)
    session.conf.set("spark.lakepredict.onNull", on_null)
    try:
        row = session.sql(f"SELECT {function}('growth_gaps', 1, a, b, c) AS p FROM {GAPS} WHERE id = {place}").first()
    except Exception as exc:
        return [name for name in ("PREDICT_INPUT_NULL", "PREDICT_MODEL_FAILED") if name in str(exc)]
    assert row is not None
    return {label: round(share, 9) for label, share in row.p.items()} if isinstance(row.p, dict) else row.p


def test_thousands_of_inputs(spark: SparkSession) -> None:
    """A regression on two thousand inputs is left to a worker, one on an ARRAY of three hundred is part of the plan."""
    wide = pd.DataFrame(RANDOM.normal(size=(20, 2000))).add_prefix("x")
    model = LinearRegression().fit(wide, wide.sum(axis=1))
    log_model(mlflow.sklearn.log_model, model, "growth_wide", wide, model.predict(wide))
    table(spark, wide).createOrReplaceTempView("growth_wide")
    matrix = wide.to_numpy()[:, :300]
    on_array = LinearRegression().fit(matrix, matrix.sum(axis=1))
    log_model(mlflow.sklearn.log_model, on_array, "growth_array", matrix, on_array.predict(matrix))
    rows = spark.createDataFrame(list(enumerate(matrix.tolist())), "id INT, x ARRAY<DOUBLE>")
    rows.repartition(1).createOrReplaceTempView("growth_array")
    by_columns = "SELECT PREDICT('growth_wide', 1, *) AS p FROM growth_wide ORDER BY id"
    by_array = "SELECT PREDICT('growth_array', 1, x) AS p FROM growth_array ORDER BY id"

    assert "arrow[it has 2,000 terms, where the plan takes 1,000]" in explained(spark, by_columns)
    assert "native" in explained(spark, by_array)
    np.testing.assert_allclose([row.p for row in spark.sql(by_columns).collect()], model.predict(wide), rtol=1e-9)
    np.testing.assert_allclose([row.p for row in spark.sql(by_array).collect()], on_array.predict(matrix), rtol=1e-9)


@pytest.mark.parametrize(("texts", "engine"), [(900, "native"), (3000, "arrow[it has 3,001 terms")])
def test_thousands_of_categories(spark: SparkSession, texts: int, engine: str) -> None:
    """An encoder of many texts is part of the plan up to the same bound."""
    known = [f"it's \\{place} «{place % 7}»" for place in range(texts)]
    frame = pd.DataFrame({"s": known, "x": RANDOM.normal(size=texts)})
    encode = ColumnTransformer([("texts", OneHotEncoder(), ["s"])], remainder="passthrough")
    model = make_pipeline(encode, Ridge()).fit(frame, RANDOM.normal(size=texts))
    log_model(mlflow.sklearn.log_model, model, f"growth_texts_{texts}", frame, model.predict(frame))
    table(spark, frame.head(50)).createOrReplaceTempView("growth_texts")
    query = f"SELECT PREDICT('growth_texts_{texts}', 1, s, x) AS p FROM growth_texts ORDER BY id"

    assert engine in explained(spark, query)
    np.testing.assert_allclose([row.p for row in spark.sql(query).collect()], model.predict(frame.head(50)), rtol=1e-9)


@pytest.mark.parametrize("on_null", ["null", "error"])
def test_conditions_on_thousands_of_inputs_are_shallow(spark: SparkSession, on_null: OnNull) -> None:
    """What guards a Spark ML model of two thousand inputs is a few levels deep: Spark walks down by recursion."""
    names = [f"x{place}" for place in range(2000)]
    inputs = spark.createDataFrame([], ", ".join(f"{name} DOUBLE" for name in names))
    assembler = VectorAssembler(inputCols=names[:1000], outputCol="features", handleInvalid="error")
    guards = sparkml._guards(request_for("PREDICT", 2000, on_null), inputs, PipelineModel([assembler]))
    lines = [
        line
        for place in range(len(guards.columns))
        for line in guards._jdf.queryExecution().analyzed().expressions().apply(place).treeString().splitlines()
    ]

    assert len(lines) > 2000
    assert max(len(re.match(r"[ :+-]*", line)[0]) for line in lines) < 20 * 3  # type: ignore[index]


def registered(name: str, model: PipelineModel, inputs: int) -> None:
    """Register a pipeline of Spark ML on that many numbers."""
    columns = Schema([ColSpec(DataType.double, f"x{place}") for place in range(inputs)])
    signature = ModelSignature(columns, Schema([ColSpec(DataType.double, "prediction")]))
    spark_ml_models.log(name, model, signature)


def test_spark_ml_on_many_columns(spark: SparkSession) -> None:
    """A Spark ML model of more columns than the stack is deep gives what its transform gives."""
    names = [f"x{place}" for place in range(800)]
    frame = pd.DataFrame(RANDOM.normal(size=(10, 800)), columns=names).assign(y=range(10))
    rows = table(spark, frame)
    stages = [
        VectorAssembler(inputCols=names, outputCol="features"),
        SparkLinearRegression(labelCol="y", maxIter=1, solver="l-bfgs"),
    ]
    model = Pipeline(stages=stages).fit(rows)
    registered("growth_spark_ml", model, 800)
    rows.createOrReplaceTempView("growth_spark_ml")
    expected = [row.prediction for row in model.transform(rows).orderBy("id").collect()]

    found = spark.sql("SELECT PREDICT('growth_spark_ml', 1, *) AS p FROM growth_spark_ml ORDER BY id").collect()
    assert [row.p for row in found] == expected


def doubling(spark: SparkSession, size: int) -> PipelineModel:
    """A pipeline of that many steps, each of which uses the one before it twice."""
    first = SQLTransformer(statement="SELECT *, x0 + 1 AS a0 FROM __THIS__")
    steps = [
        SQLTransformer(statement=f"SELECT *, a{step} * 0.5D + a{step} * 0.5D AS a{step + 1} FROM __THIS__")
        for step in range(size)
    ]
    last = SQLTransformer(statement=f"SELECT *, a{size} AS prediction FROM __THIS__")
    return PipelineModel([first, *steps, last])


def one_against_the_rest(spark: SparkSession, size: int) -> PipelineModel:
    """A one-vs-rest classifier of that many classes."""
    frame = pd.DataFrame(RANDOM.normal(size=(4 * size, 1)), columns=["x0"]).assign(y=np.tile(np.arange(size), 4))
    assembler = VectorAssembler(inputCols=["x0"], outputCol="features")
    classifier = OneVsRest(classifier=SparkLogisticRegression(maxIter=1), labelCol="y")
    return Pipeline(stages=[assembler, classifier]).fit(table(spark, frame))


@pytest.mark.parametrize("pipeline", [doubling, one_against_the_rest])
def test_spark_ml_stages(spark: SparkSession, pipeline: Callable[[SparkSession, int], PipelineModel]) -> None:
    """The expression of a pipeline grows with its stages, though each uses the one before it more than once."""
    sizes = {}
    for size in (4, 16):
        name = f"growth_{pipeline.__name__}_{size}"
        registered(name, pipeline(spark, size), 1)
        sizes[size] = nodes(spark.sql(f"SELECT PREDICT('{name}', 1, x0) AS p FROM VALUES (1D) AS t(x0)"))

    assert sizes[4] < sizes[16] < 6 * sizes[4]
