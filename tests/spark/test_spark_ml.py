"""Spark ML: what a pipeline gives in a query is what its ``transform`` gives, bit for bit, or it is refused."""

from __future__ import annotations

import importlib
import inspect
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array
from pyspark.errors import AnalysisException
from pyspark.ml import Pipeline, PipelineModel, Transformer, clustering, feature, recommendation, regression
from pyspark.ml.functions import array_to_vector
from pyspark.ml.linalg import Vectors
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import spark_ml_models as models
from spark_ml_models import CASES, Case

MODULES = ["pipeline", "feature", "regression", "classification", "clustering", "recommendation", "fpm", "tuning"]
REFUSED = {
    "ALSModel": "it joins the rows with its factors",
    "DistributedLDAModel": "its numbers change each time it is loaded",
}
"""The transformers that no query can have, and why."""


def bits(value: Any) -> Any:
    """A value in which floating-point numbers are their bits, so that NaN equals NaN and 0.0 is not -0.0."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, dict):
        return {bits(key): bits(each) for key, each in value.items()}
    return [bits(each) for each in value] if isinstance(value, (list, tuple)) else value


def has_python(frame: DataFrame) -> bool:
    """Whether a query has a Python worker."""
    plan = frame.sparkSession.sql
    frame.createOrReplaceTempView("explained")
    text = plan("EXPLAIN EXTENDED SELECT * FROM explained").first()
    assert text is not None
    return "EvalPython" in text[0]


@pytest.fixture(scope="module")
def training(spark: SparkSession) -> Iterator[DataFrame]:
    """What the models learn from."""
    frame = models.training(spark).cache()
    yield frame
    frame.unpersist()


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> str:
    """The table ``spark_ml_rows``."""
    models.to_score(spark).coalesce(1).write.saveAsTable("spark_ml_rows")
    return "spark_ml_rows"


@pytest.fixture(scope="module")
def cases(training: DataFrame) -> Callable[[str], Case]:
    """Each pipeline by its name, registered when it is first asked for."""
    known: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in known:
            known[name] = CASES[name](training)
            models.log(name, known[name].model, models.signature_of(training, known[name]))
        return known[name]

    return get


def stages(model: Transformer) -> Iterator[Transformer]:
    """A model and all models in it."""
    yield model
    for each in getattr(model, "stages", None) or [getattr(model, "bestModel", None)]:
        if each is not None:
            yield from stages(each)


def transformers() -> set[str]:
    """The names of the transformers of Spark ML that are for use, not to be inherited from."""
    modules = [importlib.import_module(f"pyspark.ml.{name}") for name in MODULES]
    found = [each for module in modules for each in vars(module).values() if is_transformer(each, module.__name__)]
    return {each.__name__ for each in found if not any(issubclass(other, each) for other in found if other != each)}


def is_transformer(each: Any, module: str) -> bool:
    """Whether something in a module of Spark ML is a public transformer of that module."""
    if not inspect.isclass(each) or not issubclass(each, Transformer) or inspect.isabstract(each):
        return False
    return each.__module__ == module and not each.__name__.startswith("_")


def test_every_transformer_is_tried(cases: Callable[[str], Case]) -> None:
    """Each transformer that Spark ML has is in one of the pipelines here, or is refused for a reason."""
    tried = {type(stage).__name__ for name in CASES for stage in stages(cases(name).model)}

    assert tried | REFUSED.keys() == transformers()
    assert not tried & REFUSED.keys()


def transformed(model: PipelineModel, given: DataFrame, outputs: tuple[str, ...]) -> dict[int, Any]:
    """What ``transform`` gives for each row, and None for a row that it fails on."""
    try:
        return {row.id: row.p for row in models.plain(model.transform(models.with_vectors(given)), outputs).collect()}
    except Exception:
        keys = [row.id for row in given.select("id").collect()]
        if len(keys) == 1:
            return {keys[0]: None}
        half = keys[len(keys) // 2]
        low, high = given.where(F.col("id") < half), given.where(F.col("id") >= half)
        return transformed(model, low, outputs) | transformed(model, high, outputs)


@pytest.mark.parametrize("name", CASES)
def test_predict_is_transform(spark: SparkSession, cases: Callable[[str], Case], rows: str, name: str) -> None:
    """A pipeline gives in SQL what its ``transform`` gives, and NULL for missing values that make that fail."""
    case = cases(name)
    changed = [100 + at for at, change in enumerate(models.BROKEN) if change.keys() & set(case.inputs)]
    given = spark.table(rows).where(F.col("id") < 100)
    broken = spark.table(rows).where(F.col("id").isin(changed))
    model = models.latest(name)
    expected = transformed(model, given, case.outputs)
    for key in changed:
        expected |= transformed(model, broken.where(F.col("id") == key), case.outputs)

    scored = spark.sql(f"SELECT id, PREDICT('{name}', 1, *) AS p FROM {rows}")
    found = {row.id: row.p for row in scored.collect() if row.id in expected}
    assert {key: bits(value) for key, value in found.items()} == {key: bits(each) for key, each in expected.items()}
    assert None not in [expected[key] for key in expected if key < 100]
    assert not has_python(scored)


@pytest.mark.parametrize("name", models.PROBABILISTIC)
def test_probabilities_are_those_of_transform(spark: SparkSession, training: DataFrame, rows: str, name: str) -> None:
    """PREDICT_PROBA has the probability vector of a classifier, PREDICT its prediction, thresholds included."""
    stages = [models.assembled(), models.PROBABILISTIC[name]()]
    case = models.fitted(training, stages, "x y n", "prediction probability")
    models.log(f"proba_{name}", case.model, signature("prediction"))
    call = f"PREDICT_PROBA('proba_{name}', 1, *) AS probability, PREDICT('proba_{name}', 1, *) AS prediction"
    scored = spark.sql(f"SELECT id, {call} FROM {rows} WHERE id < 100")
    expected = {
        row.id: (row.p.prediction, {float(at): each for at, each in enumerate(row.p.probability)})
        for row in models.plain(case.model.transform(spark.table(rows).where("id < 100")), case.outputs).collect()
    }

    found = {row.id: (row.prediction, row.probability) for row in scored.collect()}
    assert {key: bits(each) for key, each in found.items()} == {key: bits(each) for key, each in expected.items()}


def signature(output: str | None, kind: Any = "double", **inputs: Any) -> ModelSignature:
    """The columns ``x``, ``y`` and ``n`` in, or others, and one output."""
    given = inputs or {name: models.COLUMNS[name] for name in ("x", "y", "n")}
    return ModelSignature(
        Schema([ColSpec(each, name) for name, each in given.items()]), Schema([ColSpec(kind, output)])
    )


@pytest.mark.parametrize("name", ["one_vs_rest", "machine", "mixture"])
def test_no_probabilities(spark: SparkSession, training: DataFrame, rows: str, name: str) -> None:
    """A classifier without probabilities, and what is none, are refused with the names of the stages."""
    last, got = {
        "one_vs_rest": (models.one_vs_rest(), "OneVsRestModel"),
        "machine": (models.machine(), "LinearSVCModel"),
        "mixture": (clustering.GaussianMixture(k=2, seed=7, maxIter=2), "GaussianMixtureModel"),
    }[name]
    case = models.fitted(training, [models.assembled(), last], "x y n", "prediction")
    models.log(f"no_proba_{name}", case.model, signature("prediction", "integer" if name == "mixture" else "double"))
    with pytest.raises(AnalysisException, match=f"a Spark ML pipeline of VectorAssembler, {got}"):
        spark.sql(f"SELECT PREDICT_PROBA('no_proba_{name}', 1, *) FROM {rows}")


@pytest.fixture(scope="module")
def assembling(training: DataFrame) -> Case:
    """The registered models ``assembling``, with a VectorAssembler, and ``renamed``, whose prediction is ``guess``."""
    last = regression.LinearRegression(labelCol="amount", regParam=0.1)
    case = models.fitted(training, [models.assembled(), last], "x y n", "prediction")
    models.log("assembling", case.model, signature("prediction"))
    model = case.model.copy({case.model.stages[1].predictionCol: "guess"})
    for name in ("guess", "forecast", None):
        models.log(f"renamed_{name}", model, signature(name))
    return case


@pytest.mark.parametrize("name", ["guess", "forecast", None])
def test_prediction_of_another_name(spark: SparkSession, assembling: Case, rows: str, name: str | None) -> None:
    """Where there is no column ``prediction``, that of the last stage is the one, whatever the signature calls it."""
    query = f"SELECT PREDICT('renamed_{name}', 1, *) = PREDICT('assembling', 1, *) AS same FROM {rows} WHERE id < 100"

    assert {row.same for row in spark.sql(query).collect()} == {True}


USES = {
    "aggregate": "SELECT round(sum({p}), 6), max({p}) FROM {t}",
    "group": "SELECT round({p}) AS g, count(*) FROM {t} GROUP BY round({p}) ORDER BY g",
    "having": "SELECT s, round(sum({p}), 6) FROM {t} GROUP BY s HAVING avg({p}) > 0 ORDER BY s",
    "where": "SELECT id FROM {t} WHERE {p} > 2 ORDER BY id",
    "join": "SELECT l.id, r.id FROM {t} l JOIN {t} r ON l.id = r.id AND {lp} > 2 ORDER BY 1",
    "subquery": "SELECT id, q FROM (SELECT id, {p} AS q FROM {t}) WHERE q > 2 ORDER BY id",
    "union": "SELECT {p} AS q FROM {t} UNION SELECT -{p} FROM {t} ORDER BY q",
    "window": "SELECT id, rank() OVER (PARTITION BY s ORDER BY {p}) FROM {t} ORDER BY id",
    "nested": "SELECT id, {nested} FROM {t} ORDER BY id",
    "lambda": "SELECT id, transform(array(x, y), x -> {lambda}) FROM {t} ORDER BY id",
}


@pytest.mark.parametrize("place", USES)
def test_where_a_pipeline_may_stand(spark: SparkSession, assembling: Case, rows: str, place: str) -> None:
    """A pipeline with a VectorAssembler, which Spark calls non-deterministic, may stand wherever a number may."""
    spark.sql(f"CREATE OR REPLACE TEMP VIEW clean AS SELECT * FROM {rows} WHERE id < 100")
    expected = assembling.model.transform(spark.table("clean"))
    expected.select("id", "x", "y", "n", "s", "prediction").createOrReplaceTempView("spark_ml_scored")
    again = spark.table("spark_ml_scored").withColumn("x", F.col("prediction"))
    assembling.model.transform(again.drop("prediction")).createOrReplaceTempView("twice")
    call = "PREDICT('assembling', 1, {x}, y, n)"
    found = spark.sql(
        USES[place].format(
            t="clean",
            p=call.format(x="x"),
            lp="PREDICT('assembling', 1, l.x, l.y, l.n)",
            nested=call.format(x=call.format(x="x")),
            **{"lambda": call.format(x="x")},
        )
    )
    if place == "nested":
        wanted = spark.sql("SELECT id, prediction FROM twice ORDER BY id")
    elif place == "lambda":
        each = spark.table("clean").select("id", "y", "n", F.posexplode(F.array("x", "y")).alias("at", "x"))
        assembling.model.transform(each).createOrReplaceTempView("exploded")
        listed = "transform(array_sort(collect_list(struct(at, prediction))), e -> e.prediction)"
        wanted = spark.sql(f"SELECT id, {listed} FROM exploded GROUP BY id ORDER BY id")
    else:
        wanted = spark.sql(USES[place].format(t="spark_ml_scored", p="prediction", lp="l.prediction"))

    assert bits(found.collect()) == bits(wanted.collect())
    assert not has_python(found)


def test_column_without_alias(spark: SparkSession, assembling: Case, rows: str) -> None:
    """A column without an alias is named by the call, not by what the pipeline computes."""
    found = spark.sql(f"SELECT PREDICT('assembling', 1, x, y, n) FROM {rows}")

    assert found.columns == ["predict(assembling, 1, x, y, n)"]


def test_views(spark: SparkSession, assembling: Case, rows: str) -> None:
    """A temporary and a permanent view have a pipeline's predictions."""
    query = f"SELECT id, PREDICT('assembling', 1, *) AS p FROM {rows} WHERE id < 100"
    spark.sql(f"CREATE OR REPLACE TEMP VIEW temporary AS {query}")
    spark.sql(f"CREATE VIEW permanent AS {query}")
    expected = sorted(spark.sql(query).collect())

    assert sorted(spark.table("temporary").collect()) == expected
    assert sorted(spark.table("permanent").collect()) == expected
    spark.sql("DROP VIEW permanent")


def test_calls_in_calls_keep_their_values(spark: SparkSession, cases: Callable[[str], Case], rows: str) -> None:
    """A call whose argument is a call of the same model, both with shared parts, has the values of its own."""
    cases("regressors")
    inner = "PREDICT('regressors', 1, x, y, n).linear"
    first = spark.sql(f"SELECT id, {inner} AS x, y, n FROM {rows} WHERE id < 100").cache()
    first.createOrReplaceTempView("inner_first")
    expected = spark.sql("SELECT PREDICT('regressors', 1, *) AS p FROM inner_first ORDER BY id").collect()
    nested = f"SELECT PREDICT('regressors', 1, {inner}, y, n) AS p FROM {rows} WHERE id < 100 ORDER BY id"

    assert bits(spark.sql(nested).collect()) == bits(expected)
    first.unpersist()


@pytest.fixture(scope="module")
def on_vectors(training: DataFrame) -> PipelineModel:
    """The registered model ``on_vectors``, whose signature was inferred from data frames with vectors."""
    stages = [
        feature.StandardScaler(inputCol="v", outputCol="scaled"),
        regression.LinearRegression(labelCol="amount", featuresCol="scaled", regParam=0.1),
    ]
    model = Pipeline(stages=stages).fit(training)
    inferred = infer_signature(training.select("v"), model.transform(training).select("scaled", "prediction"))
    models.log("on_vectors", model, inferred)
    return model


@pytest.mark.parametrize("given", ["v", "CAST(v AS ARRAY<FLOAT>)", "CAST(v AS ARRAY<INT>)", "vector", "sparse"])
def test_vector_inputs(spark: SparkSession, on_vectors: PipelineModel, rows: str, given: str) -> None:
    """A vector is given as an ARRAY of numbers, or as a vector, dense or sparse."""
    sparse = spark.createDataFrame(
        [(id, Vectors.sparse(3, [0, 2], [0.1 * id, 0.7])) for id in range(12)], ["id", "sparse"]
    )
    dense = spark.table(rows).where("id < 100").withColumn("vector", array_to_vector("v")).join(sparse, "id")
    dense.createOrReplaceTempView("dense")
    scored = spark.sql(f"SELECT id, PREDICT('on_vectors', 1, {given}) AS p FROM dense ORDER BY id")
    wanted = F.col(given) if given in ("vector", "sparse") else array_to_vector(F.expr(given).cast("array<double>"))
    expected = models.plain(
        on_vectors.transform(dense.select("id", wanted.alias("v"))).orderBy("id"), ("scaled", "prediction")
    )

    assert scored.schema["p"].dataType.simpleString() == "struct<scaled:array<double>,prediction:double>"
    assert bits(scored.collect()) == bits(expected.collect())


@pytest.mark.parametrize("value", ["array()", "array(1D)", "array(1D, 2D, 3D, 4D)"])
def test_vector_of_another_size(spark: SparkSession, on_vectors: PipelineModel, value: str) -> None:
    """A vector of another size fails, as it does with ``transform``, and is NULL for TRY_PREDICT."""
    given = spark.sql(f"SELECT CAST({value} AS ARRAY<DOUBLE>) AS v")
    with pytest.raises(Exception, match=r"[Ss]ize|length|dimension|bounds|FAILED_EXECUTE_UDF"):
        on_vectors.transform(given.select(array_to_vector("v").alias("v"))).collect()
    given.createOrReplaceTempView("odd")

    with pytest.raises(Exception, match=r"[Ss]ize|length|dimension|bounds|FAILED_EXECUTE_UDF"):
        spark.sql("SELECT PREDICT('on_vectors', 1, v) FROM odd").collect()
    assert spark.sql("SELECT TRY_PREDICT('on_vectors', 1, v) AS p FROM odd").collect()[0].p is None


def test_array_that_is_no_vector(spark: SparkSession) -> None:
    """An ARRAY that a stage takes as such is not made a vector, and a bare stage is a pipeline of one."""
    stage = feature.SQLTransformer(statement="SELECT a[1] + size(a) AS prediction FROM __THIS__")
    models.log("array_kept", stage, signature("prediction", a=Array("double")))
    found = spark.sql("SELECT PREDICT('array_kept', 1, a) AS p FROM VALUES (array(1D, 2D)), (NULL) AS t(a)").collect()

    assert {row.p for row in found} == {4.0, None}


def test_missing_value_that_a_statement_takes(spark: SparkSession) -> None:
    """A NULL that a pipeline has a value for gets that value."""
    stage = feature.SQLTransformer(statement="SELECT coalesce(x, 7D) * 2 AS prediction FROM __THIS__")
    models.log("coalescing", stage, signature("prediction", x="double"))
    query = "SELECT PREDICT('coalescing', 1, x) AS p FROM VALUES (1D), (NULL) AS t(x)"

    assert {row.p for row in spark.sql(query).collect()} == {2.0, 14.0}


@pytest.mark.parametrize("function", ["PREDICT", "TRY_PREDICT"])
def test_shared_parts_fail_row_by_row(spark: SparkSession, cases: Callable[[str], Case], function: str) -> None:
    """A part that several outputs share, and that fails, does not fail the rows that are to be NULL."""
    cases("vectors")
    bad = "array(1D)" if function == "TRY_PREDICT" else "array(1D, NULL, 2D)"
    query = f"SELECT {function}('vectors', 1, v).pca AS p FROM VALUES (array(1D, 2D, 3D)), ({bad}) AS t(v)"

    assert sorted(row.p is None for row in spark.sql(query).collect()) == [False, True]


class Doubled(Transformer, DefaultParamsReadable, DefaultParamsWritable):  # type: ignore[misc]
    """A stage in Python that computes by a function in Python."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return dataset.withColumn("prediction", F.udf(lambda value: 2 * value, "double")("x"))


STATEMENTS = {
    "where": "SELECT *, x AS prediction FROM __THIS__ WHERE x > 0",
    "aggregate": "SELECT max(x) AS prediction FROM __THIS__",
    "window": "SELECT *, avg(x) OVER () AS prediction FROM __THIS__",
    "join": "SELECT a.*, b.x AS prediction FROM __THIS__ a JOIN __THIS__ b ON a.x = b.x",
    "order": "SELECT *, x AS prediction FROM __THIS__ ORDER BY x",
    "limit": "SELECT *, x AS prediction FROM __THIS__ LIMIT 1",
    "distinct": "SELECT DISTINCT x AS prediction FROM __THIS__",
    "explode": "SELECT *, explode(array(x, x)) AS prediction FROM __THIS__",
    "union": "SELECT x AS prediction FROM __THIS__ UNION ALL SELECT x FROM __THIS__",
    "subquery": "SELECT *, (SELECT double(max(id)) FROM range(3)) AS prediction FROM __THIS__",
    "other_table": "SELECT id * 1D AS prediction FROM range(1)",
    "rand": "SELECT *, x + rand() AS prediction FROM __THIS__",
    "increasing": "SELECT *, double(monotonically_increasing_id()) AS prediction FROM __THIS__",
    "file": "SELECT *, double(length(input_file_name())) AS prediction FROM __THIS__",
}


def skipping() -> dict[str, list[Any]]:
    """Pipelines that drop rows."""
    indexer = feature.VectorIndexer(inputCol="v", outputCol="indexed", maxCategories=4, handleInvalid="skip")
    hint = feature.VectorSizeHint(inputCol="v", size=3, handleInvalid="skip")
    return {
        "StringIndexerModel": [feature.StringIndexer(inputCol="s", outputCol="prediction", handleInvalid="skip")],
        "VectorAssembler": [feature.VectorAssembler(inputCols=["x"], outputCol="features", handleInvalid="skip")],
        "Bucketizer": [
            feature.Bucketizer(splits=[-99.0, 0.0, 99.0], inputCol="x", outputCol="prediction", handleInvalid="skip")
        ],
        "QuantileDiscretizer": [
            feature.QuantileDiscretizer(numBuckets=2, inputCol="x", outputCol="prediction", handleInvalid="skip")
        ],
        "VectorIndexerModel": [indexer],
        "VectorSizeHint": [hint, feature.Normalizer(inputCol="v", outputCol="prediction")],
        "RFormulaModel": [feature.RFormula(formula="amount ~ x + s", handleInvalid="skip")],
    }


def refusal(spark: SparkSession, name: str, inputs: str) -> str:
    """What PREDICT says about a model, when the query is analysed."""
    columns = inputs.replace(" ", ", ")
    with pytest.raises(AnalysisException) as raised:
        spark.sql(f"SELECT PREDICT('{name}', 1, {columns}) FROM spark_ml_rows")
    return str(raised.value).partition(" SQLSTATE")[0]


def test_refusals(spark: SparkSession, training: DataFrame, rows: str, golden: Callable[[str, str], None]) -> None:
    """What is more than a computation on each row is refused when the query is analysed, with what to do instead."""
    told = []
    for name, last in skipping().items():
        inputs = "v" if name.startswith("Vector") and name != "VectorAssembler" else "x s"
        vector = name in ("VectorIndexerModel", "VectorSizeHint", "VectorAssembler", "RFormulaModel")
        given = {each: models.COLUMNS[each] for each in inputs.split()}
        model = Pipeline(stages=last).fit(training)
        output = "features" if name == "RFormulaModel" else None
        models.log(f"skip_{name}", model, signature(output, Array("double") if vector else "double", **given))
        told.append(refusal(spark, f"skip_{name}", inputs))
    for name, statement in STATEMENTS.items():
        stage = feature.SQLTransformer(statement=statement)
        models.log(f"sql_{name}", stage, signature("prediction", x="double"))
        told.append(refusal(spark, f"sql_{name}", "x"))
    models.log("python_stage", PipelineModel([Doubled()]), signature("prediction", x="double"))
    told.append(refusal(spark, "python_stage", "x"))
    ratings = recommendation.ALS(userCol="n", itemCol="id", ratingCol="amount", rank=2, maxIter=1, seed=7)
    integers = {"n": "integer", "id": "integer"}
    models.log("als", ratings.fit(training), signature("prediction", "float", **integers))
    told.append(refusal(spark, "als", "n id"))
    topics = clustering.LDA(k=2, seed=7, maxIter=1, featuresCol="v", optimizer="em").fit(training)
    models.log("topics", topics, signature(None, Array("double"), v=Array("double")))
    told.append(refusal(spark, "topics", "v"))

    golden("sql/spark_ml_refused.txt", "\n\n".join(told))


def test_stage_whose_code_is_missing(
    spark: SparkSession, rows: str, monkeypatch: pytest.MonkeyPatch, golden: Callable[[str, str], None]
) -> None:
    """A stage of a class that the driver does not have is told to be one, with where its code is to come from."""
    monkeypatch.setattr(Doubled, "__module__", "cleaning_of_another_project")
    models.log("stage_without_code", PipelineModel([Doubled()]), signature("prediction", x="double"))

    golden("sql/spark_ml_without_code.txt", refusal(spark, "stage_without_code", "x"))


def test_other_outputs_and_inputs(
    spark: SparkSession, assembling: Case, rows: str, golden: Callable[[str, str], None]
) -> None:
    """A signature that the pipeline does not keep is an error with the columns that there are."""
    model = assembling.model
    models.log("wrong_output", PipelineModel(model.stages[:1]), signature("prediction"))
    text = signature("prediction", x="string", y="double", n="integer")
    models.log("wrong_input", model, text)
    several = ModelSignature(signature(None).inputs, Schema([ColSpec("double", "prediction"), ColSpec("double", "q")]))
    models.log("wrong_outputs", model, several)
    told = [refusal(spark, "wrong_output", "x y n"), refusal(spark, "wrong_outputs", "x y n")]
    told.append(refusal(spark, "wrong_input", "s y n"))

    golden("sql/spark_ml_signature.txt", "\n\n".join(told))
