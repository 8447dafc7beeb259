"""The questions that the benchmarks ask: data, a model, and the ways to score the one with the other.

A library that only training needs is imported where the model is trained: a process that times a first query has
imported what a user's has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

TABLE = "rows_to_score"
TRAINING_ROWS = 5000
GROUPS = 20
"""How many values a column of text has."""

Contender = Callable[[SparkSession], Callable[[], DataFrame]]
"""Gets ready once, for example loads a model, and gives what makes the data frame of one query."""

UdfQuery = Callable[[DataFrame, Any], DataFrame]
"""Makes the query of ``spark_udf`` from the table and the UDF."""


@dataclass(frozen=True)
class Case:
    """One question.

    Attributes:
        name: what it is called on the command line; the model is registered under it.
        question: what is asked, for the page.
        rows: how many rows are scored, where nothing else is said.
        table: makes the rows; ``id`` is unique, the other columns are the model's inputs.
        log: trains the model on rows of the table, and gives what logs it, which takes ``log_model``'s keywords.
        predict: the query with PREDICT; gives ``id`` and ``prediction``.
        spark_udf: the same query with MLflow's UDF.
        baselines: what is timed beside the two, ``scan`` always.
        rtol: by which share the two predictions may differ.
        conf: further settings of the session.
    """

    name: str
    question: str
    rows: int
    table: Callable[[SparkSession, int], DataFrame]
    log: Callable[[pd.DataFrame], Callable[..., Any]]
    predict: str
    spark_udf: UdfQuery
    baselines: Mapping[str, Contender]
    rtol: float = 1e-9
    conf: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, spark: SparkSession, rows: int) -> None:
        """Write the table, train the model on some of its rows and register it."""
        self.table(spark, rows).write.saveAsTable(TABLE)
        log = self.log(spark.table(TABLE).orderBy("id").limit(TRAINING_ROWS).toPandas())
        with mlflow.start_run():
            log(registered_model_name=self.name)

    def contenders(self) -> dict[str, Contender]:
        """PREDICT, its peer and the baselines, in the order in which they take turns."""
        return {"PREDICT": self._predict, "spark_udf": self._spark_udf, **self.baselines}

    def _predict(self, spark: SparkSession) -> Callable[[], DataFrame]:
        return partial(spark.sql, self.predict)

    def _spark_udf(self, spark: SparkSession) -> Callable[[], DataFrame]:
        udf = mlflow.pyfunc.spark_udf(spark, f"models:/{self.name}/1", result_type="double", env_manager="local")
        return lambda: self.spark_udf(spark.table(TABLE), udf)


def doubles(spark: SparkSession, rows: int, width: int) -> DataFrame:
    """Columns ``x0``, ``x1``, ... of random numbers between 0 and 1."""
    columns = [F.rand(seed).alias(f"x{seed}") for seed in range(width)]
    return spark.range(0, rows, numPartitions=8).select("id", *columns)


def small_files(spark: SparkSession, rows: int, width: int) -> DataFrame:
    """Doubles in 200 files."""
    return doubles(spark, rows, width).repartition(200, "id")


def arrays(spark: SparkSession, rows: int, width: int) -> DataFrame:
    """One column ``x``, an ARRAY of random numbers."""
    return spark.range(0, rows, numPartitions=8).select("id", F.array(*map(F.rand, range(width))).alias("x"))


def texts_and_doubles(spark: SparkSession, rows: int, texts: int, width: int) -> DataFrame:
    """Columns ``s0``, ... of text with twenty values, and ``x0``, ... of doubles."""
    columns = [
        F.concat(F.lit("value "), F.floor(F.rand(100 + each) * GROUPS)).alias(f"s{each}") for each in range(texts)
    ]
    numbers = [F.rand(seed).alias(f"x{seed}") for seed in range(width)]
    return spark.range(0, rows, numPartitions=8).select("id", *columns, *numbers)


def target(inputs: pd.DataFrame) -> Any:
    """What the models learn: a curve of the numbers, a step for each text, and noise."""
    numbers = inputs.select_dtypes("number").to_numpy()
    weights = np.linspace(1, 2, numbers.shape[1])
    steps = sum(inputs[name].str.split().str[-1].astype(int).to_numpy() for name in inputs if name.startswith("s"))
    return numbers @ weights + np.sin(6 * numbers[:, 0]) + steps + np.random.default_rng(3).normal(0, 0.1, len(inputs))


def sklearn_log(estimator: Any, inputs: Any, outcome: Any, *trusted: str) -> Callable[..., Any]:
    """Fit an estimator of scikit-learn and give what logs it."""
    model = estimator.fit(inputs, outcome)
    return partial(
        mlflow.sklearn.log_model,
        model,
        name="model",
        signature=infer_signature(inputs, model.predict(inputs)),
        pip_requirements=["scikit-learn"],
        skops_trusted_types=list(trusted),
    )


def linear(rows: pd.DataFrame) -> Callable[..., Any]:
    """scikit-learn's linear regression."""
    from sklearn.linear_model import LinearRegression

    inputs = rows.drop(columns="id")
    return sklearn_log(LinearRegression(), inputs, target(inputs))


def linear_on_arrays(rows: pd.DataFrame) -> Callable[..., Any]:
    """A linear regression that was fitted on a matrix, so that its signature is one tensor."""
    from sklearn.linear_model import LinearRegression

    matrix = np.stack(rows["x"].to_list())
    return sklearn_log(LinearRegression(), matrix, target(pd.DataFrame(matrix).add_prefix("x")))


def linear_on_texts(rows: pd.DataFrame) -> Callable[..., Any]:
    """A pipeline that encodes the columns of text for a linear regression."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    texts = make_column_selector("^s")
    encode = make_column_transformer((OneHotEncoder(), texts), remainder="passthrough")
    inputs = rows.drop(columns="id")
    return sklearn_log(make_pipeline(encode, LinearRegression()), inputs, target(inputs), SELECTOR)


def gradient_boosting(rows: pd.DataFrame) -> Callable[..., Any]:
    """scikit-learn's gradient boosting, 100 trees of depth 3."""
    from sklearn.ensemble import GradientBoostingRegressor

    inputs = rows.drop(columns="id")
    return sklearn_log(GradientBoostingRegressor(random_state=0), inputs, target(inputs), TREE)


def random_forest(rows: pd.DataFrame) -> Callable[..., Any]:
    """scikit-learn's random forest, 100 trees of depth 8."""
    from sklearn.ensemble import RandomForestRegressor

    inputs = rows.drop(columns="id")
    return sklearn_log(RandomForestRegressor(max_depth=8, random_state=0), inputs, target(inputs), TREE)


def histogram_boosting(rows: pd.DataFrame) -> Callable[..., Any]:
    """scikit-learn's histogram gradient boosting, 100 trees of 31 leaves."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    inputs = rows.drop(columns="id")
    return sklearn_log(HistGradientBoostingRegressor(random_state=0), inputs, target(inputs), PREDICTOR)


def lightgbm(rows: pd.DataFrame) -> Callable[..., Any]:
    """LightGBM's regressor, 100 trees of 31 leaves."""
    from lightgbm import LGBMRegressor

    inputs = rows.drop(columns="id")
    model = LGBMRegressor(verbosity=-1).fit(inputs, target(inputs))
    signature = infer_signature(inputs, model.predict(inputs))
    return partial(
        mlflow.lightgbm.log_model,
        model,
        name="model",
        signature=signature,
        pip_requirements=["lightgbm", "scikit-learn"],
    )


def spark_pipeline(rows: pd.DataFrame) -> Callable[..., Any]:
    """A Spark ML pipeline: text to index to vector, all columns together, linear regression."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
    from pyspark.ml.regression import LinearRegression

    inputs = rows.drop(columns="id")
    frame = SparkSession.active().createDataFrame(inputs.assign(y=target(inputs)))
    stages = [
        StringIndexer(inputCol="s0", outputCol="index"),
        OneHotEncoder(inputCol="index", outputCol="encoded"),
        VectorAssembler(
            inputCols=["encoded", *(name for name in inputs if name.startswith("x"))], outputCol="features"
        ),
        LinearRegression(labelCol="y"),
    ]
    return partial(
        mlflow.spark.log_model,
        Pipeline(stages=stages).fit(frame),
        artifact_path="model",
        signature=infer_signature(inputs, pd.DataFrame({"prediction": [0.5]})),
        pip_requirements=["pyspark"],
    )


TREE = "sklearn.tree._tree.Tree"
PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
SELECTOR = "sklearn.compose._column_transformer.make_column_selector"
"""What models are made of, and skops does not take unasked."""


def scan(spark: SparkSession) -> Callable[[], DataFrame]:
    """All columns of the table, and nothing computed."""
    return lambda: spark.table(TABLE)


def transform(name: str) -> Contender:
    """The ``transform`` of a Spark ML pipeline."""

    def prepare(spark: SparkSession) -> Callable[[], DataFrame]:
        pipeline = mlflow.spark.load_model(f"models:/{name}/1")
        return lambda: pipeline.transform(spark.table(TABLE)).select("id", "prediction")

    return prepare


def compiled(name: str) -> Contender:
    """PREDICT with trees that are compiled."""

    def prepare(spark: SparkSession) -> Callable[[], DataFrame]:
        def query() -> DataFrame:
            spark.conf.set("spark.lakepredict.trees", "compiled")
            try:
                return spark.sql(select_predict(name))
            finally:
                spark.conf.unset("spark.lakepredict.trees")

        return query

    return prepare


def select_udf(table: DataFrame, udf: Any) -> DataFrame:
    """The UDF on all columns but ``id``, which it takes by position."""
    return table.select("id", udf(*table.columns[1:]).alias("prediction"))


def filter_udf(table: DataFrame, udf: Any) -> DataFrame:
    """The rows above :data:`LIMIT`."""
    return select_udf(table, udf).where(F.col("prediction") > LIMIT)


LIMIT = 8.0
"""A prediction that about a third of the rows are above."""

SCAN: Mapping[str, Contender] = {"scan": scan}
TEN = partial(doubles, width=10)


def select_predict(name: str) -> str:
    """The query with PREDICT on all columns."""
    return f"SELECT id, PREDICT('{name}', 1, *) AS prediction FROM {TABLE}"


def case(
    name: str,
    question: str,
    rows: int,
    table: Callable[[SparkSession, int], DataFrame],
    log: Callable[[pd.DataFrame], Callable[..., Any]],
    **different: Any,
) -> Case:
    """A question that is like most of them but for what is ``different``."""
    usual: dict[str, Any] = {"predict": select_predict(name), "spark_udf": select_udf, "baselines": SCAN}
    return Case(name, question, rows, table, log, **{**usual, **different})


CASES: dict[str, Case] = {
    each.name: each
    for each in (
        case(
            "spark_ml",
            "a Spark ML pipeline on one column of text and nine of doubles",
            200_000,
            partial(texts_and_doubles, texts=1, width=9),
            spark_pipeline,
            baselines={**SCAN, "transform": transform("spark_ml")},
        ),
        case("linear_10", "scikit-learn's linear regression on 10 doubles", 2_000_000, TEN, linear),
        case(
            "linear_200",
            "scikit-learn's linear regression on 200 doubles",
            200_000,
            partial(doubles, width=200),
            linear,
        ),
        case(
            "array",
            "a linear regression whose input is one ARRAY of 10 doubles",
            1_000_000,
            partial(arrays, width=10),
            linear_on_arrays,
            predict=f"SELECT id, PREDICT('array', 1, x) AS prediction FROM {TABLE}",
        ),
        case(
            "small_tasks",
            "200 tasks of 1,000 rows each, a linear regression on 10 doubles",
            200_000,
            partial(small_files, width=10),
            linear,
            # Each file becomes a task of its own.
            conf={"spark.sql.files.openCostInBytes": "128MB"},
        ),
        case(
            "gbr",
            "scikit-learn's gradient boosting, 100 trees of depth 3",
            1_000_000,
            TEN,
            gradient_boosting,
            baselines={**SCAN, "compiled": compiled("gbr")},
        ),
        case(
            "strings",
            "a scikit-learn pipeline that encodes 5 columns of text, and 5 doubles",
            500_000,
            partial(texts_and_doubles, texts=5, width=5),
            linear_on_texts,
        ),
        case(
            "where",
            "the gradient boosting of `gbr`, in a subquery, its prediction in WHERE",
            500_000,
            TEN,
            gradient_boosting,
            predict=f"SELECT * FROM ({select_predict('where')}) WHERE prediction > {LIMIT}",
            spark_udf=filter_udf,
        ),
        case(
            "lightgbm",
            "LightGBM, 100 trees of 31 leaves",
            1_000_000,
            TEN,
            lightgbm,
            baselines={**SCAN, "compiled": compiled("lightgbm")},
        ),
        case(
            "random_forest",
            "scikit-learn's random forest, 100 trees of depth 8",
            500_000,
            TEN,
            random_forest,
            baselines={**SCAN, "compiled": compiled("random_forest")},
        ),
        case(
            "hgb",
            "scikit-learn's histogram boosting, 100 trees of 31 leaves",
            500_000,
            TEN,
            histogram_boosting,
            baselines={**SCAN, "compiled": compiled("hgb")},
        ),
    )
}
"""Name -> question, in the order of the page."""
