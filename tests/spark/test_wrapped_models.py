"""Models in wrappers as people write them: the right value is what the model itself gives, in plain Python."""

from __future__ import annotations

import json
import runpy
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array, Object, Property
from pyspark.errors import AnalysisException, PySparkException
from pyspark.ml import Pipeline
from pyspark.ml.feature import Imputer, VectorAssembler
from pyspark.ml.linalg import Vectors
from pyspark.ml.regression import LinearRegression as SparkLinearRegression
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from statsmodels.tsa.arima.model import ARIMA

MODELS = Path(__file__).with_name("models")

SOLD = ColSpec("double", "sold")
LABEL = ColSpec("string", "label")


def log(name: str, source: str, inputs: list[ColSpec], outputs: list[ColSpec], **options: Any) -> Any:
    """Register a model that is logged as code, and return it as MLflow loads it."""
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(MODELS / f"{source}.py"),
            signature=ModelSignature(Schema(inputs), Schema(outputs)),
            registered_model_name=name,
            pip_requirements=["mlflow"],
            **options,
        )
    return mlflow.pyfunc.load_model(info.model_uri)


# --- times -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "days"),
    [
        ("at", "at"),
        ("CAST(at AS TIMESTAMP_NTZ)", "at"),
        ("CAST(at AS DATE)", "trunc"),
    ],
    ids=["timestamp", "timestamp without a zone", "date"],
)
def test_times_have_the_unit_of_the_training(spark: SparkSession, argument: str, days: str) -> None:
    """A model that counts with times as integers gives by PREDICT what it gives by itself."""
    model = log("time_trend", "time_trend", [ColSpec("datetime", "at")], [ColSpec("double")])
    times = pd.Series(pd.to_datetime(["2024-02-19 00:00:00", "2024-02-19 18:00:00", "2031-05-01 07:30:00"]))
    shown = times if days == "at" else times.dt.floor("D")
    expected = model.predict(pd.DataFrame({"at": shown})).tolist()
    frame = spark.createDataFrame([(row, str(at)) for row, at in enumerate(times)], "row INT, text STRING")
    scored = frame.selectExpr("row", "CAST(text AS TIMESTAMP) AS at").selectExpr(
        "row", f"PREDICT('time_trend', 'latest', {argument}) AS days"
    )

    assert [row.days for row in scored.orderBy("row").collect()] == expected
    assert abs(expected[0] - 49.0) < 1e-6


# --- the order of predictions ------------------------------------------------------------------------------

ROWS = [(1, 3, 5.0), (2, 1, 7.0), (3, 2, 1.0), (4, 1, 9.0), (5, 3, 2.0), (6, 1, 8.0)]
FACTORS = {1: 10.0, 2: 100.0, 3: 1000.0}


@pytest.fixture(scope="module")
def orders(spark: SparkSession) -> None:
    """Six rows of three stores in one batch."""
    spark.createDataFrame(ROWS, "id INT, store INT, price DOUBLE").coalesce(1).createOrReplaceTempView(
        "orders_of_stores"
    )


def store_models(answer: str, outputs: list[ColSpec]) -> str:
    """Register the models of three stores, and return their name."""
    name = f"store_models_{answer}"
    log(
        name,
        "store_models",
        [ColSpec("integer", "store"), ColSpec("double", "price")],
        outputs,
        model_config={"answer": answer},
    )
    return name


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("function", ["PREDICT", "TRY_PREDICT"])
def test_predictions_group_by_group(spark: SparkSession, function: str) -> None:
    """A wrapper with a model for each group gives each row its own prediction."""
    name = store_models("series", [SOLD])
    rows = spark.sql(f"SELECT id, {function}('{name}', 1, *) AS sold FROM orders_of_stores ORDER BY id").collect()

    assert [row.sold for row in rows] == [price * FACTORS[store] for _, store, price in ROWS]


@pytest.mark.usefixtures("orders")
def test_several_outputs_group_by_group(spark: SparkSession) -> None:
    """Each of several outputs goes to the row that it is for."""
    name = store_models("frame", [SOLD, LABEL])
    rows = spark.sql(f"SELECT id, PREDICT('{name}', 1, *) AS p FROM orders_of_stores ORDER BY id").collect()

    assert [tuple(row.p) for row in rows] == [(price * FACTORS[store], f"{store} {price}") for _, store, price in ROWS]


@pytest.mark.usefixtures("orders")
def test_predictions_with_an_index_of_their_own(spark: SparkSession) -> None:
    """Predictions labelled with something else than the rows are an error, and NULL with TRY_PREDICT."""
    name = store_models("keyed", [SOLD])
    with pytest.raises(PySparkException, match=r"PREDICT_RESULT_INVALID(?s:.*)the index \['1 9\.0', "):
        spark.sql(f"SELECT PREDICT('{name}', 1, *) FROM orders_of_stores").collect()
    rows = spark.sql(f"SELECT TRY_PREDICT('{name}', 1, *) AS sold FROM orders_of_stores").collect()

    assert [row.sold for row in rows] == [None] * len(ROWS)


# --- structs -----------------------------------------------------------------------------------------------

ITEM = Object(
    [Property("count", DataType.long), Property("note", DataType.string, False), Property("sku", DataType.string)]
)
BASKET = Object([Property("customer", DataType.string), Property("items", Array(ITEM))])

NUMBERS = Object([Property("a", DataType.string), Property("v", Array(DataType.double))])

BASKETS = {
    "named_struct('customer', 'ann', 'items', array(named_struct('count', 2L, 'note', 'n', 'sku', 'a')))": (
        "ann: count=2 note=n sku=a"
    ),
    "named_struct('more', X'00', 'items', array(named_struct('sku', 'a', 'cost', 1, 'count', 2)), 'customer', 'ann')": (
        "ann: count=2 sku=a"
    ),
    "named_struct('ITEMS', array(named_struct('Sku', 'a', 'Count', 2), NULL), 'Customer', 'ann')": (
        "ann: count=2 sku=a; -"
    ),
    "IF(false, named_struct('items', array(named_struct('sku', 'a', 'count', 2)), 'customer', 'ann'), NULL)": "none",
}


@pytest.fixture(scope="module")
def basket(spark: SparkSession) -> Any:
    """The registered model ``basket``, as MLflow loads it."""
    return log("basket", "basket", [ColSpec(BASKET, "basket")], [ColSpec("string")])


@pytest.mark.usefixtures("basket")
@pytest.mark.parametrize(("sql", "expected"), BASKETS.items())
@pytest.mark.parametrize("form", ["PREDICT('basket', 1, basket => {})", "PREDICT('basket', 1, {})"])
def test_fields_of_structs_are_matched_by_name(spark: SparkSession, sql: str, expected: str, form: str) -> None:
    """A struct may have its fields in any order, surplus ones, and not the optional ones, at any depth."""
    table = f"(SELECT {sql} AS basket FROM range(1))"
    row = spark.sql(f"SELECT {form.format('basket')} AS p FROM {table}").first()
    inline = spark.sql(f"SELECT {form.format(sql)} AS p").first()

    assert row.p == expected
    assert inline.p == expected


@pytest.mark.usefixtures("basket")
@pytest.mark.parametrize(
    ("sql", "condition", "path"),
    [
        ("array(named_struct('count', 2))", "PREDICT_COLUMN_MISSING", "basket.items[].sku"),
        ("array(named_struct('count', 2.5D, 'sku', 'a'))", "PREDICT_TYPE_UNSAFE", "basket.items[].count"),
        ("array(named_struct('count', 2, 'sku', 'a', 'SKU', 'b', 'Sku', 'c'))", None, ""),
        ("array(named_struct('count', 2, 'SKU', 'b', 'Sku', 'c'))", "PREDICT_COLUMN_AMBIGUOUS", "basket.items[].sku"),
    ],
)
def test_fields_that_do_not_fit(spark: SparkSession, sql: str, condition: str | None, path: str) -> None:
    """A needed field that is missing, of a wrong type or there twice is refused with its path."""
    query = f"SELECT PREDICT('basket', 1, named_struct('items', {sql}, 'customer', 'ann')) AS p"
    if condition is None:
        assert spark.sql(query).first().p == "ann: count=2 sku=a"
        return
    with pytest.raises(AnalysisException) as raised:
        spark.sql(query)

    assert raised.value.getCondition() == condition
    assert f"`{path}`" in str(raised.value)


@pytest.mark.usefixtures("basket")
def test_struct_is_written_once(spark: SparkSession) -> None:
    """A struct that is built anew stands in the plan once, whatever is computed for it."""
    value = (
        "from_json(concat(text, '1'), 'items ARRAY<STRUCT<sku: STRING, count: INT, note: STRING>>, customer STRING')"
    )
    frame = spark.sql(f"SELECT PREDICT('basket', 1, basket => {value}) FROM (SELECT '' AS text FROM range(1))")

    assert str(frame._jdf.queryExecution().analyzed()).count("from_json(") <= 2  # once more in the column's name


# --- outputs that are not always there ---------------------------------------------------------------------


def test_optional_outputs(spark: SparkSession) -> None:
    """What a prediction does not have of the outputs that MLflow inferred as optional is NULL."""
    source = str(MODELS / "replies.py")
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    answers = runpy.run_path(source)["Replies"]().predict(None, rows)
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=source,
            signature=infer_signature(rows, answers),
            registered_model_name="replies",
            pip_requirements=["mlflow"],
        )
    scored = spark.sql(
        "SELECT p.* FROM (SELECT x, PREDICT('replies', 1, x) AS p FROM VALUES (1D), (2D), (3D) AS t (x)) ORDER BY x"
    )
    expected = [
        (answer["score"], answer.get("reason"), answer["detail"]["base"], answer["detail"].get("extra"))
        for answer in answers
    ]
    found = [(row.score, row.reason, row.detail.base, row.detail.extra) for row in scored.collect()]

    assert found == expected


# --- numbered columns --------------------------------------------------------------------------------------

RNG = np.random.default_rng(11)
MATRIX = pd.DataFrame(RNG.normal(size=(60, 3)))
LINE = MATRIX @ [1.0, -2.0, 3.0] + 0.1 * RNG.normal(size=60)


log_sklearn = partial(mlflow.sklearn.log_model, serialization_format="cloudpickle")


def numbered_models() -> dict[str, tuple[Any, Any]]:
    """MLflow's function to log a model, and a model that was trained on a frame of numbered columns."""
    chosen = ColumnTransformer([("scaled", StandardScaler(), [2, 0])], remainder="passthrough")
    return {
        "linear": (log_sklearn, LinearRegression().fit(MATRIX, LINE)),
        "trees": (log_sklearn, GradientBoostingRegressor(n_estimators=5).fit(MATRIX, LINE)),
        "chosen": (log_sklearn, make_pipeline(chosen, DecisionTreeRegressor()).fit(MATRIX, LINE)),
        "xgboost": (mlflow.xgboost.log_model, xgboost.XGBRegressor(n_estimators=5).fit(MATRIX, LINE)),
        "booster": (
            mlflow.xgboost.log_model,
            xgboost.train({"max_depth": 2}, xgboost.DMatrix(MATRIX, LINE), num_boost_round=5),
        ),
        "lightgbm": (mlflow.lightgbm.log_model, lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(MATRIX, LINE)),
    }


@pytest.mark.parametrize("name", numbered_models())
@pytest.mark.parametrize("engine", ["auto", "pandas"])
def test_numbered_columns(spark: SparkSession, name: str, engine: str) -> None:
    """A model trained on a frame of numbered columns takes them by position and as `0`, `1`, `2`."""
    log_it, model = numbered_models()[name]
    registered = f"numbered_columns_{name}_{engine}"
    native = xgboost.DMatrix(MATRIX) if name == "booster" else MATRIX
    expected = np.asarray(model.predict(native), dtype="float64")
    with mlflow.start_run():
        log_it(
            model,
            name="model",
            signature=infer_signature(MATRIX, pd.DataFrame(expected)),
            registered_model_name=registered,
            pip_requirements=["scikit-learn"],
        )
    rows = [(row, *values) for row, values in enumerate(MATRIX.to_numpy().tolist())]
    spark.createDataFrame(rows, "row INT, `2` DOUBLE, b DOUBLE, c DOUBLE").createOrReplaceTempView("unnamed_rows")
    spark.conf.set("spark.lakepredict.engine", engine)
    try:
        found = spark.sql(
            f"SELECT PREDICT('{registered}', 1, `2` + 0, b, c) AS by_position,"
            f" PREDICT('{registered}', 1, `2` => c, `0` => `2`, `1` => b) AS by_name FROM unnamed_rows ORDER BY row"
        ).collect()
    finally:
        spark.conf.unset("spark.lakepredict.engine")

    np.testing.assert_allclose([row.by_position for row in found], expected, rtol=1e-12)
    np.testing.assert_allclose([row.by_name for row in found], expected, rtol=1e-12)


def test_numbered_columns_of_a_custom_model(spark: SparkSession) -> None:
    """A model of one's own sees the numbers that it was trained with as the names of its columns."""
    source = MODELS / "third_column.py"
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(source),
            signature=infer_signature(MATRIX, MATRIX[[0]]),
            registered_model_name="third_column",
            pip_requirements=["mlflow"],
        )
    row = spark.sql("SELECT PREDICT('third_column', 1, 1D, 2D, 3D) AS p").first()

    assert row.p == 6.0


# --- optional inputs ---------------------------------------------------------------------------------------

CHURN_INPUTS = [
    ColSpec("double", "age", required=False),
    ColSpec("string", "plan", required=False),
    ColSpec("double", "tenure"),
]


@pytest.fixture(scope="module")
def churn(spark: SparkSession) -> Any:
    """The registered models ``churn_wrapper`` and ``churn_pipeline``, and the pipeline itself."""
    log("churn_wrapper", "churn_wrapper", CHURN_INPUTS, [ColSpec("double")])
    pipeline = runpy.run_path(str(MODELS / "churn_wrapper.py"))["fitted"]()
    with mlflow.start_run():
        log_sklearn(
            pipeline,
            name="model",
            signature=ModelSignature(Schema(CHURN_INPUTS), Schema([ColSpec("double")])),
            registered_model_name="churn_pipeline",
            pip_requirements=["scikit-learn"],
        )
    rows = [(1, 20.0, "a", 1.0), (2, 40.0, "b", 2.0), (3, 60.0, None, 3.0), (4, None, "a", 4.0)]
    spark.createDataFrame(rows, "id INT, age DOUBLE, plan STRING, tenure DOUBLE").createOrReplaceTempView(
        "leaving_customers"
    )
    return pipeline


@pytest.mark.parametrize("name", ["churn_wrapper", "churn_pipeline"])
@pytest.mark.parametrize("engine", ["auto", "pandas"])
@pytest.mark.parametrize(
    ("arguments", "absent"),
    [("* EXCEPT (plan)", ["plan"]), ("tenure => tenure, plan => plan", ["age"]), ("tenure", ["age", "plan"])],
)
def test_absent_optional_inputs(
    spark: SparkSession, churn: Any, name: str, engine: str, arguments: str, absent: list[str]
) -> None:
    """An optional input that a call leaves out is a column of missing values to a model that was fitted on it."""
    rows = pd.DataFrame({"age": [20.0, 40, 60, None], "plan": ["a", "b", None, "a"], "tenure": [1.0, 2, 3, 4]})
    for column in absent:
        rows[column] = np.nan if column == "age" else None
    spark.conf.set("spark.lakepredict.engine", engine)
    try:
        scored = spark.sql(
            f"SELECT PREDICT('{name}', 1, {arguments}) AS p FROM leaving_customers ORDER BY id"
        ).collect()
    finally:
        spark.conf.unset("spark.lakepredict.engine")

    assert [row.p for row in scored] == churn.predict(rows).tolist()


def test_absent_optional_input_of_a_booster(spark: SparkSession) -> None:
    """LightGBM, which goes by places, gets missing values in the place of a column that a call leaves out."""
    frame = MATRIX.set_axis(["c", "a", "b"], axis=1)
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=5).fit(frame, LINE)
    inputs = [ColSpec("double", "a", required=False), ColSpec("double", "b"), ColSpec("double", "c")]
    with mlflow.start_run():
        mlflow.lightgbm.log_model(
            model,
            name="model",
            signature=ModelSignature(Schema(inputs), Schema([ColSpec("double")])),
            registered_model_name="lightgbm_without_a",
            pip_requirements=["lightgbm"],
        )
    rows = [(row, *values) for row, values in enumerate(frame.to_numpy().tolist())]
    spark.createDataFrame(rows, "row INT, c DOUBLE, a DOUBLE, b DOUBLE").createOrReplaceTempView("boosted_rows")
    scored = spark.sql("SELECT PREDICT('lightgbm_without_a', 1, c => c, b => b) AS p FROM boosted_rows ORDER BY row")

    np.testing.assert_array_equal([row.p for row in scored.collect()], model.predict(frame.assign(a=np.nan)))


def test_absent_optional_input_of_spark_ml(spark: SparkSession) -> None:
    """A pipeline of Spark ML gets NULL in the place of a column that a call leaves out."""
    train = spark.createDataFrame(
        [(1.0, 2.0, 5.0), (2.0, None, 4.0), (3.0, 6.0, 9.0)], "x DOUBLE, y DOUBLE, label DOUBLE"
    )
    stages = [
        Imputer(inputCols=["y"], outputCols=["filled"]),
        VectorAssembler(inputCols=["x", "filled"], outputCol="features"),
        SparkLinearRegression(),
    ]
    model = Pipeline(stages=stages).fit(train)
    inputs = [ColSpec("double", "x"), ColSpec("double", "y", required=False)]
    with mlflow.start_run():
        mlflow.spark.log_model(
            model,
            "model",
            signature=ModelSignature(Schema(inputs), Schema([ColSpec("double", "prediction")])),
            registered_model_name="imputed",
            pip_requirements=["pyspark"],
        )
    expected = [row.prediction for row in model.transform(train.withColumn("y", F.lit(None).cast("double"))).collect()]
    train.createOrReplaceTempView("imputed_rows")
    scored = spark.sql("SELECT PREDICT('imputed', 1, * EXCEPT (y)) AS p FROM imputed_rows").collect()

    assert [row.p for row in scored] == expected


# --- forecasters that answer one row a call ----------------------------------------------------------------

MONTHS = pd.Series(100 + 10 * np.sin(np.arange(48) / 2), index=pd.date_range("2020-01-31", periods=48, freq="ME"))


def forecaster(name: str, inputs: pd.DataFrame, output: ColSpec) -> Any:
    """Register a model of statsmodels' time series, and return it."""
    fitted = ARIMA(MONTHS, order=(1, 0, 0)).fit()
    signature = ModelSignature(infer_signature(inputs).inputs, Schema([output]))
    with mlflow.start_run():
        mlflow.statsmodels.log_model(
            fitted,
            name="model",
            signature=signature,
            registered_model_name=name,
            pip_requirements=["statsmodels"],
        )
    return fitted


@pytest.mark.parametrize("function", ["PREDICT", "TRY_PREDICT"])
def test_forecast_of_one_step_a_row(spark: SparkSession, function: str) -> None:
    """Each row of a batch is a question of its own to a forecaster that answers one a call."""
    months = pd.date_range("2024-01-31", periods=3, freq="ME")
    fitted = forecaster("arima_step", pd.DataFrame({"start": months, "end": months}), ColSpec("double"))
    days = ", ".join(f"(DATE'{month.date()}')" for month in months[::-1])
    scored = spark.sql(
        f"SELECT day, {function}('arima_step', 1, start => day, end => day) AS p"
        f" FROM (SELECT /*+ COALESCE(1) */ * FROM VALUES {days} AS t (day)) ORDER BY day"
    ).collect()

    assert [row.p for row in scored] == [fitted.predict(month, month).iloc[0] for month in months]


def test_forecast_of_several_steps_a_row(spark: SparkSession) -> None:
    """Several steps are an ARRAY where the signature says so, and else an error that says how to ask."""
    places = pd.DataFrame({"start": [48], "end": [50]})
    fitted = forecaster("arima_steps", places, ColSpec(Array(DataType.double)))
    forecaster("arima_one", places, ColSpec("double"))
    rows = "(SELECT /*+ COALESCE(1) */ * FROM VALUES (48L, 50L), (49L, 49L) AS t (start, end))"
    scored = spark.sql(f"SELECT PREDICT('arima_steps', 1, *) AS p FROM {rows} ORDER BY start").collect()

    assert [row.p for row in scored] == [fitted.predict(48, 50).tolist(), fitted.predict(49, 49).tolist()]
    with pytest.raises(PySparkException, match="it gives 3 predictions for one row; ask for one step a row"):
        spark.sql(f"SELECT PREDICT('arima_one', 1, *) FROM {rows}").collect()


def test_absent_optional_input_that_spark_ml_refuses(spark: SparkSession) -> None:
    """A pipeline that refuses NULL in a column gives NULL where a call leaves the column out."""
    train = spark.createDataFrame(
        [(1.0, 2.0, 5.0), (2.0, 3.0, 4.0), (3.0, 6.0, 9.0)], "x DOUBLE, y DOUBLE, label DOUBLE"
    )
    stages = [VectorAssembler(inputCols=["x", "y"], outputCol="features"), SparkLinearRegression()]
    inputs = [ColSpec("double", "x"), ColSpec("double", "y", required=False)]
    with mlflow.start_run():
        mlflow.spark.log_model(
            Pipeline(stages=stages).fit(train),
            "model",
            signature=ModelSignature(Schema(inputs), Schema([ColSpec("double", "prediction")])),
            registered_model_name="assembled",
            pip_requirements=["pyspark"],
        )
    row = spark.sql(
        "SELECT PREDICT('assembled', 1, x => 1D) AS absent, PREDICT('assembled', 1, 1D, NULL) AS missing"
    ).first()

    assert (row.absent, row.missing) == (None, None)


def test_vector_in_a_struct(spark: SparkSession) -> None:
    """A vector of Spark ML in a struct that is built anew is the ARRAY that it stands for."""
    log("vector_echo", "types_echo", [ColSpec(NUMBERS, "pair")], [ColSpec("string")])
    spark.createDataFrame([(Vectors.dense(1.5, 2.5),)], ["v"]).createOrReplaceTempView("vectors_in_structs")
    row = spark.sql(
        "SELECT PREDICT('vector_echo', 1, pair => named_struct('v', v, 'a', 'x')) AS p FROM vectors_in_structs"
    ).first()

    assert json.loads(row.p)["pair"] == ["object", "{'a': 'x', 'v': [1.5, 2.5]}"]


@pytest.mark.parametrize("engine", ["auto", "pandas"])
def test_lightgbm_in_another_order(spark: SparkSession, engine: str) -> None:
    """LightGBM, which goes by places, gets its own order where the signature has another, with numbered columns too."""
    frame = MATRIX[[1, 0, 2]]
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=5).fit(frame, LINE)
    name = f"lightgbm_turned_{engine}"
    with mlflow.start_run():
        mlflow.lightgbm.log_model(
            model,
            name="model",
            signature=infer_signature(MATRIX, np.ones(1)),
            registered_model_name=name,
            pip_requirements=["lightgbm"],
        )
    rows = [(row, *values) for row, values in enumerate(MATRIX.to_numpy().tolist())]
    spark.createDataFrame(rows, "row INT, a DOUBLE, b DOUBLE, c DOUBLE").createOrReplaceTempView("turned_rows")
    spark.conf.set("spark.lakepredict.engine", engine)
    try:
        scored = spark.sql(f"SELECT PREDICT('{name}', 1, a, b, c) AS p FROM turned_rows ORDER BY row").collect()
    finally:
        spark.conf.unset("spark.lakepredict.engine")

    np.testing.assert_array_equal([row.p for row in scored], model.predict(frame))


@pytest.mark.parametrize("engine", ["auto", "pandas"])
def test_absent_input_of_a_booster_without_names(spark: SparkSession, engine: str) -> None:
    """A booster that has kept no names gets missing values in the place of a column that a call leaves out."""
    matrix = xgboost.DMatrix(MATRIX.to_numpy(), LINE)
    model = xgboost.train({"max_depth": 2}, matrix, num_boost_round=5)
    inputs = [ColSpec("double", "a"), ColSpec("double", "b", required=False), ColSpec("double", "c")]
    name = f"booster_without_names_{engine}"
    with mlflow.start_run():
        mlflow.xgboost.log_model(
            model,
            name="model",
            signature=ModelSignature(Schema(inputs), Schema([ColSpec("double")])),
            registered_model_name=name,
            pip_requirements=["xgboost"],
        )
    rows = [(row, *values) for row, values in enumerate(MATRIX.to_numpy().tolist())]
    spark.createDataFrame(rows, "row INT, a DOUBLE, b DOUBLE, c DOUBLE").createOrReplaceTempView("unnamed_boosted")
    without = MATRIX.assign(**{"1": np.nan})[[0, "1", 2]].to_numpy()
    expected = model.predict(xgboost.DMatrix(without)).astype("float64")
    spark.conf.set("spark.lakepredict.engine", engine)
    try:
        scored = spark.sql(
            f"SELECT PREDICT('{name}', 1, a => a, c => c) AS p FROM unnamed_boosted ORDER BY row"
        ).collect()
    finally:
        spark.conf.unset("spark.lakepredict.engine")

    np.testing.assert_allclose([row.p for row in scored], expected, rtol=1e-6)


def test_text_that_is_encoded_twice(spark: SparkSession) -> None:
    """A text that two encoders take counts twice, and is refused by the stricter of them."""
    frame = pd.DataFrame({"plan": ["a", "b", "c"] * 10, "age": np.arange(30.0)})
    encoders = [
        ("strict", OneHotEncoder(), ["plan"]),
        ("lax", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ("age", "passthrough", ["age"]),
    ]
    model = make_pipeline(ColumnTransformer(encoders), Ridge()).fit(frame, np.tile([1.0, 5.0, 9.0], 10))
    with mlflow.start_run():
        log_sklearn(
            model,
            name="model",
            signature=infer_signature(frame, np.ones(1)),
            registered_model_name="encoded_twice",
            pip_requirements=["scikit-learn"],
        )
    row = spark.sql(
        "SELECT PREDICT('encoded_twice', 1, 'b', 3D) AS p, TRY_PREDICT('encoded_twice', 1, 'z', 3D) AS z"
    ).first()
    (expected,) = model.predict(pd.DataFrame({"plan": ["b"], "age": [3.0]}))

    assert row.p == pytest.approx(expected, rel=1e-12)
    assert row.z is None
