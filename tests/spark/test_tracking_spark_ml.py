"""Training of Spark ML models in runs: what a run has, and that PREDICT gives what ``transform`` gives."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from matplotlib.image import imread
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.models import get_model_info
from mlflow.utils.autologging_utils import autologging_is_disabled
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import DecisionTreeClassifier, LogisticRegression
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import (
    BinaryClassificationEvaluator,
    MulticlassClassificationEvaluator,
    RegressionEvaluator,
)
from pyspark.ml.feature import (
    IndexToString,
    SQLTransformer,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
)
from pyspark.ml.recommendation import ALS
from pyspark.ml.regression import LinearRegression, RandomForestRegressor
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from lakepredict import tracking
from lakepredict.cli import _facts
from lakepredict.errors import FitError

PAGE = (Path(__file__).parents[2] / "docs" / "tracking.md").read_text("utf-8")
MARK = "<!-- run by: tests/spark/test_tracking_spark_ml.py -->"
EXAMPLE = re.search(rf"{MARK}\n```python\n(.*?)^```$", PAGE, re.M | re.S).group(1)  # type: ignore[union-attr]
EXPERIMENT = "spark_ml"


@pytest.fixture(scope="module")
def weeks(spark: SparkSession) -> DataFrame:
    """A Delta table of 120 store weeks: numbers, text, a label to estimate and two to tell apart."""
    rows = spark.range(120).selectExpr(
        "id",
        "date_add(DATE '2024-01-05', int(7 * (id % 100))) AS week",
        "array('basic', 'plus', 'pro')[int(id % 3)] AS plan",
        "int(id % 4) AS region",
        "int(id * 7 % 31) AS visits",
        "2.0 + (id * 5 % 11) / 4 AS price",
        "double(1 + id % 2) AS weight",
        "double(id * 7 % 31) * 3 + 10 * (id % 3) - (id * 5 % 11) + sin(id) AS sales",
        "CASE WHEN id * 7 % 31 + 3 * sin(id) > 15 THEN 'leaves' ELSE 'stays' END AS outcome",
    )
    rows.write.saveAsTable("store_weeks")
    return spark.table("store_weeks")


@pytest.fixture(scope="module")
def example(spark: SparkSession, weeks: DataFrame) -> dict[str, Any]:
    """What the names in the first example of docs/tracking.md on Spark ML stand for after its code has run."""
    names: dict[str, Any] = {"spark": spark}
    exec(compile(EXAMPLE, "tracking.md", "exec"), names)
    return names


def split(weeks: DataFrame) -> tuple[DataFrame, DataFrame]:
    return weeks.where("id % 5 > 0"), weeks.where("id % 5 = 0")


def fitted(estimator: Any, weeks: DataFrame, name: str, **options: Any) -> tracking.Fit:
    """Fit on four fifths of the table, judge on the rest."""
    return tracking.fit_and_log(
        estimator, *split(weeks), experiment=EXPERIMENT, name=name, table="store_weeks", progress=False, **options
    )


def run_of(fit: tracking.Fit) -> Run:
    return mlflow.get_run(fit.run_id)


def artifacts(fit: tracking.Fit) -> set[str]:
    return {each.path for each in MlflowClient().list_artifacts(fit.run_id)}


def artifact(fit: tracking.Fit, name: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(run_id=fit.run_id, artifact_path=name))


def table(fit: tracking.Fit, name: str) -> pd.DataFrame:
    return pd.read_json(artifact(fit, name), orient="split")


def assert_predict_equals_transform(spark: SparkSession, fit: tracking.Fit, weeks: DataFrame, output: str) -> None:
    """PREDICT of the registered model gives exactly the column that ``transform`` of the fitted model gives."""
    name = f"spark_ml_{fit.run_id[:8]}"
    tracking.register(fit.run_id, name)
    found = spark.sql(f"SELECT id, PREDICT('{name}', 1, *) AS p FROM store_weeks ORDER BY id").toPandas()
    expected = fit.model.transform(weeks).orderBy("id").select(output).toPandas()[output]

    assert found["p"].tolist() == expected.tolist()


# --- the example of the documentation ----------------------------------------------------------------------


def test_metrics_are_those_of_sparks_evaluators(example: dict[str, Any]) -> None:
    """RMSE, MAE and R2 are what Spark ML's evaluators give, on both data."""
    fit = example["fit"]
    for prefix, data in (("train_", example["train"]), ("", example["held_out"])):
        transformed = fit.model.transform(data)
        for metric in ("rmse", "mae", "r2"):
            evaluator = RegressionEvaluator(labelCol="sales", metricName=metric)

            assert fit.metrics[prefix + metric] == pytest.approx(evaluator.evaluate(transformed), rel=1e-9)


def test_run_has_what_the_documentation_says(example: dict[str, Any]) -> None:
    """The run has parameters of each stage, metrics, durations, datasets, tables and plots."""
    fit = example["fit"]
    run = run_of(fit)
    sizes = [example[name].count() for name in ("train", "held_out")]

    assert run.info.status == "FINISHED"
    assert run.data.metrics.items() >= fit.metrics.items()
    assert {"fit_seconds", "evaluate_seconds", "wape"} <= set(run.data.metrics)
    assert run.data.params["LinearRegression.regParam"] == "0.1"
    assert run.data.params["stages"] == "['StringIndexer', 'OneHotEncoder', 'VectorAssembler', 'LinearRegression']"
    assert [run.data.params[name] for name in ("train_rows", "evaluation_rows")] == list(map(str, sizes))
    assert artifacts(fit) >= {"features.json", "importances.json", "importances.png", "residuals.png"}
    assert json.loads(artifact(fit, "features.json").read_text()) == {
        "features": ["plan", "visits", "price"],
        "label": "sales",
    }


def test_datasets_name_the_table(example: dict[str, Any]) -> None:
    """Training and evaluation data are datasets of the run, with the Delta table, its version and a schema."""
    digests = [_facts.run(example[name].run_id)["tags"]["lakepredict.schema_digest"] for name in ("fit", "found")]
    facts = _facts.run(example["fit"].run_id)["datasets"]
    schemas = [each.dataset.schema for each in run_of(example["fit"]).inputs.dataset_inputs]

    assert sorted(each["context"] for each in facts) == ["evaluation", "training"]
    assert {(each["table"], each["version"]) for each in facts} == {("store_weeks", 0)}
    assert len({each["digest"] for each in facts}) == 2
    assert all("visits" in schema for schema in schemas)
    assert digests[0] == digests[1]


def test_signature_has_the_sources(example: dict[str, Any]) -> None:
    """The model takes the columns that its stages read from the table, whole numbers as double, and no label."""
    signature = get_model_info(f"runs:/{example['fit'].run_id}/model").signature
    expected = [("plan", "string"), ("visits", "double"), ("price", "double")]

    assert [(each.name, each.type.name) for each in signature.inputs] == expected
    assert [(each.name, each.type.name) for each in signature.outputs] == [("prediction", "double")]
    assert example["fit"].inputs == [name for name, _ in expected]


def test_model_has_an_input_example_and_pinned_packages(example: dict[str, Any]) -> None:
    """The input example has the types of the signature, and the packages are named with their versions."""
    uri = get_model_info(f"runs:/{example['fit'].run_id}/model").model_uri
    model = mlflow.models.Model.load(uri)
    shown = model.load_input_example(mlflow.artifacts.download_artifacts(uri))
    pins = mlflow.pyfunc.get_model_dependencies(uri)

    assert list(shown.columns) == ["plan", "visits", "price"]
    assert shown["visits"].dtype == "float64"
    assert re.findall(r"^(\w+)==", Path(pins).read_text(), re.M) == ["mlflow", "pyspark"]


def test_predict_gives_what_transform_gives(spark: SparkSession, example: dict[str, Any], weeks: DataFrame) -> None:
    """PREDICT gives exactly what ``transform`` gives, and NULL where a number is missing."""
    assert_predict_equals_transform(spark, example["fit"], weeks, "prediction")
    missing = spark.sql(
        "SELECT PREDICT('weekly_store_sales', 'champion', plan, CAST(NULL AS INT), price) AS p FROM store_weeks LIMIT 1"
    )

    assert missing.first()["p"] is None


def test_importances_have_the_names_of_categories(example: dict[str, Any]) -> None:
    """Each element of the features has its name; scaled, a coefficient is times its feature's deviation."""
    found = table(example["fit"], "importances.json").set_index("feature")
    index, *_, regression = example["fit"].model.stages
    names = [*(f"plan_is_{plan}" for plan in index.labels), "visits", "price"]
    by_name = dict(zip(names, regression.coefficients, strict=True))
    deviation = example["train"].agg(F.stddev("visits")).first()[0]

    assert found["coefficient"].to_dict() == pytest.approx(by_name)
    assert found.loc["plan_is_pro", "coefficient"] - found.loc["plan_is_basic", "coefficient"] == pytest.approx(20, 0.1)
    assert found.index[0] == "visits"
    assert found.loc["visits", "scaled"] == pytest.approx(by_name["visits"] * deviation)


def test_plots_are_pictures(example: dict[str, Any]) -> None:
    """The plots are PNG files with something on them."""
    for name in ("residuals.png", "importances.png"):
        assert imread(artifact(example["fit"], name)).std() > 0.01


def test_search_has_a_child_for_each_set(example: dict[str, Any]) -> None:
    """A cross validation has a child run for each set of parameters, with its metric over the folds."""
    found = example["found"]
    children = mlflow.search_runs(
        experiment_names=["store_weeks"],
        filter_string=f"tags.mlflow.parentRunId = '{found.run_id}'",
        output_format="list",
    )
    by_set = {run.data.params["LinearRegression.regParam"]: run.data.metrics for run in children}
    expected = dict(zip(["0.1", "10.0"], found.model.avgMetrics, strict=True))

    assert {name: metrics["avg_rmse"] for name, metrics in by_set.items()} == expected
    assert all(metrics["fit_seconds"] > 0 for metrics in by_set.values())
    assert all(run.info.status == "FINISHED" for run in children)


def test_search_reports_its_best(example: dict[str, Any]) -> None:
    """The search's own run has the best set and its metric, and a table of all."""
    found = example["found"]
    run = run_of(found)
    tried = pd.read_csv(artifact(found, "search_results.csv"))

    assert run.data.metrics["avg_rmse"] == min(found.model.avgMetrics)
    assert run.data.params["best_LinearRegression.regParam"] == "0.1"
    assert run.data.params["LinearRegression.regParam"] == "0.1"
    assert run.data.params["VectorAssembler.inputCols"] == "['plan_is', 'visits', 'price']"
    assert json.loads(artifact(found, "best_parameters.json").read_text()) == {"LinearRegression.regParam": 0.1}
    assert tried["param.LinearRegression.regParam"].tolist() == [0.1, 10.0]
    assert tried["avg_rmse"].tolist() == pytest.approx(found.model.avgMetrics)


def test_search_gives_the_users_own_estimator_back(example: dict[str, Any]) -> None:
    """The fitted search is as Spark ML gives it: with the estimator that was searched."""
    model = example["found"].model

    assert model.getEstimator() is example["pipeline"]
    assert isinstance(model.bestModel, PipelineModel)


def test_search_is_compared_by_its_best(example: dict[str, Any]) -> None:
    """The two runs are compared, not the search's children, and the better one is registered."""
    assert sorted(example["compared"]["run_name"]) == ["ridge", "ridge_search"]
    assert example["version"] == 1


# --- other kinds of models ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def binary(weeks: DataFrame) -> tracking.Fit:
    """A weighted logistic regression of a text label, behind a scaler, with the prediction as text."""
    stages = [
        StringIndexer(inputCol="outcome", outputCol="label", stringOrderType="alphabetDesc"),
        VectorAssembler(inputCols=["visits", "price"], outputCol="raw"),
        StandardScaler(inputCol="raw", outputCol="features"),
        LogisticRegression(weightCol="weight", maxIter=5),
        IndexToString(inputCol="prediction", outputCol="predicted", labels=["stays", "leaves"]),
    ]
    return fitted(Pipeline(stages=stages), weeks, "logistic")


def test_binary_metrics_are_those_of_sparks_evaluators(binary: tracking.Fit, weeks: DataFrame) -> None:
    """Metrics of a classifier of two classes are what Spark ML's evaluators give with the same weights."""
    transformed = binary.model.transform(split(weeks)[1])
    names = ["accuracy", "f1", "weightedPrecision", "weightedRecall", "logLoss"]
    several = MulticlassClassificationEvaluator(weightCol="weight")
    two = BinaryClassificationEvaluator(weightCol="weight")
    expected = {name: several.evaluate(transformed, {several.metricName: name}) for name in names}
    expected |= {name: two.evaluate(transformed, {two.metricName: name}) for name in ("areaUnderROC", "areaUnderPR")}

    assert {name: binary.metrics[name] for name in expected} == pytest.approx(expected)
    assert binary.metrics["accuracy"] > 0.5


def test_binary_artifacts(binary: tracking.Fit) -> None:
    """A classifier of two classes has a confusion matrix, a curve, and coefficients with the names before scaling."""
    counts = table(binary, "confusion_matrix.json")

    assert artifacts(binary) >= {"confusion_matrix.png", "roc.png", "importances.png"}
    assert counts["rows"].sum() == 36  # 24 rows, half of them of weight 2
    assert set(table(binary, "importances.json")["feature"]) == {"visits", "price"}


def test_binary_predicts_text(spark: SparkSession, binary: tracking.Fit, weeks: DataFrame) -> None:
    """The label and the weight are no inputs, and the text of the class is the prediction."""
    assert binary.inputs == ["visits", "price"]
    assert_predict_equals_transform(spark, binary, weeks, "predicted")


def test_integers_that_a_stage_reads_as_text(spark: SparkSession, weeks: DataFrame) -> None:
    """A whole number that is indexed keeps its type, for 1 is not the category 1.0; a search is a stage here."""
    index = StringIndexer(inputCol="region", outputCol="region_number", handleInvalid="keep")
    label = StringIndexer(inputCol="plan", outputCol="label")
    features = VectorAssembler(inputCols=["region_number", "visits", "price"], outputCol="features")
    tree = DecisionTreeClassifier(seed=1)
    search = TrainValidationSplit(
        estimator=tree,
        estimatorParamMaps=ParamGridBuilder().addGrid(tree.maxDepth, [1, 4]).build(),
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        seed=3,
    )
    fit = fitted(Pipeline(stages=[index, label, features, search]), weeks, "tree")
    expected = {"region": "integer", "visits": "double", "price": "double"}
    best = run_of(fit).data.params["best_DecisionTreeClassifier.maxDepth"]

    assert {each.name: each.type.name for each in fit.signature.inputs} == expected  # type: ignore[union-attr]
    assert fit.model.stages[-1].bestModel.getMaxDepth() == int(best)
    assert "validation_accuracy" in run_of(fit).data.metrics
    assert {"accuracy", "f1", "logLoss"} <= set(fit.metrics)
    assert "areaUnderROC" not in fit.metrics
    assert table(fit, "importances.json")["feature"].isin(["region_number", "visits", "price"]).all()
    assert_predict_equals_transform(spark, fit, weeks, "prediction")


def test_clusters(spark: SparkSession, weeks: DataFrame) -> None:
    """Clustering has no label; it is judged by its silhouette, and PREDICT gives the number of the cluster."""
    features = VectorAssembler(inputCols=["visits", "price"], outputCol="features")
    fit = fitted(Pipeline(stages=[features, KMeans(k=2, seed=1)]), weeks, "k-means")

    assert set(fit.metrics) == {"silhouette", "train_silhouette", "trainingCost"}
    assert artifacts(fit) >= {"clusters.png"}
    assert_predict_equals_transform(spark, fit, weeks, "prediction")


def test_columns_in_a_stages_sql(spark: SparkSession, weeks: DataFrame) -> None:
    """Columns that stand in a stage's SQL are found by trying; without evaluation data the training data is plotted."""
    stages = [
        SQLTransformer(statement="SELECT *, log(visits + 1) * price AS worth FROM __THIS__"),
        VectorAssembler(inputCols=["worth"], outputCol="features"),
        RandomForestRegressor(labelCol="sales", numTrees=2, maxDepth=2, seed=1),
    ]
    fit = tracking.fit_and_log(
        Pipeline(stages=stages),
        weeks,
        experiment=EXPERIMENT,
        evaluators=[RegressionEvaluator(labelCol="sales", metricName="mse")],
        progress=False,
    )

    assert fit.inputs == ["visits", "price"]
    assert fit.metrics["train_mse"] == pytest.approx(fit.metrics["train_rmse"] ** 2)
    assert "residuals.png" in artifacts(fit)
    assert not [name for name in fit.metrics if not name.startswith("train_")]
    assert table(fit, "importances.json").to_dict("list") == {"feature": ["worth"], "importance": [1.0]}
    assert_predict_equals_transform(spark, fit, weeks, "prediction")


def test_model_that_predict_cannot_use(weeks: DataFrame) -> None:
    """A column that MLflow has no type for leaves the model without signature, with a warning and the reason."""
    odd = weeks.withColumn("facts", F.create_map(F.lit("visits"), F.col("visits").cast("double")))
    stages = [
        SQLTransformer(statement="SELECT *, facts['visits'] AS fact FROM __THIS__"),
        VectorAssembler(inputCols=["fact"], outputCol="features"),
        LinearRegression(labelCol="sales", maxIter=1),
    ]
    with pytest.warns(UserWarning, match="PREDICT cannot use this model"):
        fit = fitted(Pipeline(stages=stages), odd, "odd")
    run = run_of(fit)

    assert (fit.signature, fit.inputs) == (None, ["facts"])
    assert "MAP<STRING, DOUBLE>" in run.data.tags["lakepredict.not_for_predict"]
    assert run.info.status == "FINISHED"


def test_stage_that_drops_rows(weeks: DataFrame) -> None:
    """A stage that leaves rows out makes a model that PREDICT cannot use, which is said when it is logged."""
    features = VectorAssembler(inputCols=["visits"], outputCol="features", handleInvalid="skip")
    regression = LinearRegression(labelCol="sales", solver="normal")
    with pytest.warns(UserWarning, match="VectorAssembler with handleInvalid='skip' drops rows"):
        fit = fitted(Pipeline(stages=[features, regression]), weeks, "dropping")

    assert fit.signature is not None


def test_stage_that_joins(spark: SparkSession) -> None:
    """A recommender joins rows with its factors, which PREDICT cannot, and that is said when it is logged."""
    ratings = spark.range(60).selectExpr("int(id % 5) user", "int(id % 7) item", "float(id % 5) rating")
    with pytest.warns(UserWarning, match="a step does more than compute a row's prediction from that row: Join"):
        fitted(ALS(maxIter=1, seed=1), ratings, "joining")


# --- runs --------------------------------------------------------------------------------------------------


def small() -> Pipeline:
    features = VectorAssembler(inputCols=["visits", "price"], outputCol="features")
    return Pipeline(stages=[features, LinearRegression(labelCol="sales", solver="normal")])


def last_run() -> Run:
    return mlflow.search_runs(experiment_names=[EXPERIMENT], max_results=1, output_format="list")[0]


def test_fit_that_fails(weeks: DataFrame) -> None:
    """A fit that fails leaves a run FAILED with its parameters and the error, and raises Spark's own error."""
    assembler = VectorAssembler(inputCols=["nowhere"], outputCol="features")
    pipeline = Pipeline(stages=[assembler, LinearRegression(labelCol="sales")])
    with pytest.raises(Exception, match="nowhere"):
        fitted(pipeline, weeks, "broken")
    run = last_run()

    assert (run.info.run_name, run.info.status) == ("broken", "FAILED")
    assert "nowhere" in run.data.tags["lakepredict.error"]
    assert run.data.params["VectorAssembler.inputCols"] == "['nowhere']"
    assert mlflow.active_run() is None


def test_interrupted_search(spark: SparkSession, weeks: DataFrame) -> None:
    """Ctrl-C ends a search with a run FAILED, and nothing of it runs on: no job, and no next set of parameters."""
    slowly = F.udf(lambda value: (time.sleep(0.1), value)[1], "double")
    train = weeks.repartition(2).withColumn("price", slowly(F.col("price")))
    pipeline = small()
    search = CrossValidator(
        estimator=pipeline,
        estimatorParamMaps=ParamGridBuilder().addGrid(pipeline.getStages()[1].regParam, [0.1, 1.0, 2.0, 3.0]).build(),
        evaluator=RegressionEvaluator(labelCol="sales"),
    )
    tracker = spark.sparkContext.statusTracker()

    def interrupt() -> None:
        while not tracker.getActiveStageIds():
            time.sleep(0.05)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        tracking.fit_and_log(search, train, experiment=EXPERIMENT, name="interrupted", progress=False)
    running = []
    for _ in range(10):
        running += tracker.getActiveJobsIds()
        time.sleep(0.1)

    assert running == []
    assert (last_run().info.run_name, last_run().info.status) == ("interrupted", "FAILED")
    assert last_run().data.tags["lakepredict.error"] == "KeyboardInterrupt"


@pytest.mark.parametrize("case", ["estimator", "label", "label of training", "table"])
def test_what_cannot_be_fitted(weeks: DataFrame, case: str) -> None:
    """What can be known to fail is refused before a run is made."""
    train, evaluation = split(weeks)
    expected = {
        "estimator": "not an estimator",
        "label": "The evaluation data lacks",
        "label of training": "did you mean `sales_made`",
        "table": "no Delta table `nowhere`",
    }[case]
    before = len(mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list"))
    with pytest.raises(FitError, match=expected):
        tracking.fit_and_log(
            object() if case == "estimator" else small(),  # type: ignore[arg-type]
            train.withColumnRenamed("sales", "sales_made") if case == "label of training" else train,
            evaluation.drop("sales") if case == "label" else evaluation,
            experiment=EXPERIMENT,
            table="nowhere" if case == "table" else None,
        )

    assert len(mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")) == before


def test_autologging_makes_no_second_run(weeks: DataFrame) -> None:
    """With autologging on there is one run, its parameters are those that autologging logs, and it stays on."""
    mlflow.pyspark.ml.autolog(log_models=False, log_datasets=False)
    try:
        with mlflow.start_run(experiment_id=mlflow.create_experiment("autologged")) as autologged:
            small().fit(weeks)
        before = len(mlflow.search_runs(search_all_experiments=True, output_format="list"))
        fit = fitted(small(), weeks, "beside")
        after = len(mlflow.search_runs(search_all_experiments=True, output_format="list"))
        stays = not autologging_is_disabled("pyspark.ml")
    finally:
        mlflow.pyspark.ml.autolog(disable=True)
    expected = mlflow.get_run(autologged.info.run_id).data

    assert (after - before, stays) == (1, True)
    assert run_of(fit).data.params.items() >= expected.params.items()
    assert expected.params
    assert run_of(fit).data.tags["estimator_class"] == expected.tags["estimator_class"]


def test_track_without_fit(weeks: DataFrame) -> None:
    """A run of any library has the table that it learns from, at the version given; a run inside it is its child."""
    with tracking.track(EXPERIMENT, "outer", data=weeks, table="store_weeks", version=0, tags={"a": "b"}) as run:
        mlflow.log_metric("rmse", 1.0)
        with tracking.track(EXPERIMENT, "inner") as inner:
            pass
    facts = _facts.run(run.info.run_id)

    assert [(each["context"], each["table"], each["version"]) for each in facts["datasets"]] == [
        ("training", "store_weeks", 0)
    ]
    assert facts["tags"]["a"] == "b"
    assert facts["tags"]["lakepredict.table_version"] == "0"
    assert mlflow.get_run(inner.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id


def test_progress_is_told(weeks: DataFrame) -> None:
    """Where there is no terminal, each step is told when it is done, and the run with its metrics at the end."""
    console = Console(file=io.StringIO(), width=200)
    with tracking.track(EXPERIMENT, "told", progress=console) as run:
        fit = run.fit(small(), weeks)
    told = re.sub(r"\d+\.\d s", "N s", console.file.getvalue()).splitlines()  # type: ignore[attr-defined]

    assert told[:3] == ["✓ fit Pipeline  N s", "✓ log the model  N s", "✓ evaluate  N s"]
    assert told[3].startswith(f"run {fit.run_id[:8]} told: train_rmse ")


def test_progress_moves_on_a_terminal(weeks: DataFrame) -> None:
    """On a terminal a line moves while Spark works, with its tasks."""
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    slowly = F.udf(lambda value: (time.sleep(0.01), value)[1], "double")
    with tracking.track(EXPERIMENT, "moving", progress=console) as run:
        run.fit(small(), weeks.where("id < 60").repartition(1).withColumn("price", slowly(F.col("price"))))

    assert re.search(r"fit Pipeline, 0 of \d+ tasks, \d+ s", console.file.getvalue())  # type: ignore[attr-defined]


def test_samples_for_plots_are_the_same_each_time(spark: SparkSession) -> None:
    """Of many rows a plot has about as many as it may have, the same ones each time; metrics are of all rows."""
    from lakepredict.tracking import _evaluate

    rows = spark.range(20_000, numPartitions=2).selectExpr("double(id) AS prediction", "double(id + id % 2) AS label")
    judge = _evaluate.Predictor("regression", "prediction", "label")
    first, second = (_evaluate.evaluate(rows, judge, sampled=True) for _ in range(2))

    assert first.rows == 20_000
    assert first.metrics["mae"] == 0.5
    assert abs(len(first.table) - _evaluate.PLOTTED) < 300
    pd.testing.assert_frame_equal(first.table, second.table)


def test_rows_that_cannot_be_judged(spark: SparkSession) -> None:
    """Rows without label or prediction do not count; without any row there are no metrics, and nothing fails."""
    from lakepredict.tracking import _evaluate

    rows = spark.createDataFrame([(1.0, 2.0), (None, 1.0), (1.0, float("nan"))], "label DOUBLE, prediction DOUBLE")
    judge = _evaluate.Predictor("regression", "prediction", "label")

    assert _evaluate.evaluate(rows, judge, sampled=True).metrics == {"rmse": 1.0, "mae": 1.0, "wape": 1.0}
    assert _evaluate.evaluate(rows.limit(0), judge, sampled=True).metrics == {}
