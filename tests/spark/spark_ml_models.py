"""Pipelines of Spark ML that together have every stage that PREDICT splices into a query, on one small table."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array
from pyspark.ml import Pipeline, PipelineModel, classification, clustering, evaluation, feature, fpm, regression, tuning
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

COLUMNS: dict[str, Any] = {
    "x": "double",
    "y": "double",
    "n": "integer",
    "s": "string",
    "text": "string",
    "words": Array("string"),
    "v": Array("double"),
}
"""The columns that models take, and their types in a signature."""

SCHEMA = """
    id INT, x DOUBLE, y DOUBLE, n INT, s STRING, text STRING, words ARRAY<STRING>, v ARRAY<DOUBLE>,
    kind DOUBLE, binary DOUBLE, amount DOUBLE, censor DOUBLE
"""


def training(spark: SparkSession) -> DataFrame:
    """Forty rows without missing values; ``v`` is a vector."""
    dice = random.Random(7)
    colours, words = ["red", "green", "blue"], ["a", "the", "cat", "dog", "sat", "mat", "ran"]
    rows = []
    for number in range(40):
        kind = number % 3
        said = [dice.choice(words) for _ in range(5)]
        point = [abs(dice.gauss(kind, 0.5)), float(number % 4), abs(dice.gauss(3 - kind, 1))]
        x, y = dice.gauss(kind, 1), dice.gauss(-kind, 2)
        amount = abs(2 * x - y) + 1
        text = " ".join(said).title()
        rows.append((number, x, y, number % 5, colours[kind], text, said, point, float(kind), float(kind > 0)))
        rows[-1] += (amount, float(number % 2))
    frame = spark.createDataFrame(rows, SCHEMA).coalesce(1)
    return frame.withColumn("v", array_to_vector("v"))


BROKEN: tuple[dict[str, Any], ...] = (
    {"x": None},
    {"x": float("nan")},
    {"y": None},
    {"n": None},
    {"s": None},
    {"s": "purple"},
    {"text": None},
    {"words": None},
    {"words": ["cat", None]},
    {"v": None},
    {"v": [1.0, None, 2.0]},
)
"""What rows 100, 101 and so on have in place of a value: nothing, or something that no model has seen."""


def to_score(spark: SparkSession) -> DataFrame:
    """Twelve rows with all values, and one for each member of ``BROKEN``; ``v`` is an array."""
    whole = training(spark).select("id", *COLUMNS).withColumn("v", vector_to_array("v")).limit(12).collect()
    broken = [whole[at % 12].asDict() | change | {"id": 100 + at} for at, change in enumerate(BROKEN)]
    rows = [tuple(row) for row in whole] + [tuple(row[name] for name in ("id", *COLUMNS)) for row in broken]
    return spark.createDataFrame(rows, SCHEMA.partition("kind")[0].rstrip(" ,\n"))


@dataclass(frozen=True)
class Case:
    """A fitted pipeline.

    Attributes:
        model: the pipeline.
        inputs: the columns it takes.
        outputs: the columns it gives that PREDICT is to give.
    """

    model: PipelineModel
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


Make = Callable[[DataFrame], Case]


def fitted(frame: DataFrame, stages: list[Any], inputs: str, outputs: str) -> Case:
    """The stages fitted to the frame."""
    return Case(Pipeline(stages=stages).fit(frame), tuple(inputs.split()), tuple(outputs.split()))


def scalars(frame: DataFrame) -> Case:
    """The transformers of numbers and categories."""
    stages = [
        feature.Binarizer(threshold=0.5, inputCol="x", outputCol="positive"),
        feature.Bucketizer(splits=[-99.0, 0.0, 1.0, 99.0], inputCol="x", outputCol="bucket", handleInvalid="keep"),
        feature.QuantileDiscretizer(numBuckets=3, inputCol="y", outputCol="third", handleInvalid="keep"),
        feature.Imputer(inputCols=["x", "y"], outputCols=["x_full", "y_full"]),
        feature.StringIndexer(inputCol="s", outputCol="colour", handleInvalid="keep"),
        feature.IndexToString(inputCol="colour", outputCol="colour_text"),
        feature.OneHotEncoder(inputCols=["colour"], outputCols=["one_hot"], handleInvalid="keep"),
        feature.TargetEncoder(
            inputCols=["n"], outputCols=["target"], labelCol="amount", targetType="continuous", handleInvalid="keep"
        ),
        feature.FeatureHasher(inputCols=["x", "n", "s"], outputCol="hashed", numFeatures=16),
        feature.SQLTransformer(statement="SELECT *, coalesce(x, -1) * 2 AS twice FROM __THIS__"),
        feature.VectorAssembler(inputCols=["x_full", "one_hot", "n"], outputCol="assembled", handleInvalid="keep"),
        feature.Interaction(inputCols=["x_full", "one_hot"], outputCol="interaction"),
    ]
    outputs = "positive bucket third x_full colour colour_text one_hot target hashed twice assembled interaction"
    return fitted(frame, stages, "x y n s", outputs)


def texts(frame: DataFrame) -> Case:
    """The transformers of text."""
    stages = [
        feature.Tokenizer(inputCol="text", outputCol="tokens"),
        feature.RegexTokenizer(inputCol="text", outputCol="letters", pattern="[^a-z]+", minTokenLength=2),
        feature.StopWordsRemover(inputCol="tokens", outputCol="content"),
        feature.NGram(n=2, inputCol="words", outputCol="pairs"),
        feature.HashingTF(inputCol="words", outputCol="frequencies", numFeatures=32),
        feature.CountVectorizer(inputCol="words", outputCol="counts"),
        feature.IDF(inputCol="counts", outputCol="weights"),
        feature.Word2Vec(vectorSize=3, minCount=1, inputCol="words", outputCol="meaning", seed=7),
        feature.MinHashLSH(inputCol="counts", outputCol="hashes", numHashTables=2, seed=7),
        feature.SQLTransformer(statement="SELECT *, array_distinct(words) AS basket FROM __THIS__"),
        fpm.FPGrowth(itemsCol="basket", predictionCol="also", minSupport=0.4, minConfidence=0.4),
    ]
    return fitted(
        frame, stages, "text words", "tokens letters content pairs frequencies counts weights meaning hashes also"
    )


def vectors(frame: DataFrame) -> Case:
    """The transformers of vectors."""
    scaled = "max_abs min_max robust standard"
    stages = [
        feature.VectorSizeHint(inputCol="v", size=3, handleInvalid="error"),
        feature.DCT(inputCol="v", outputCol="dct"),
        feature.ElementwiseProduct(inputCol="v", outputCol="product", scalingVec=Vectors.dense([2.0, 0.1, -3.0])),
        feature.MaxAbsScaler(inputCol="v", outputCol="max_abs"),
        feature.MinMaxScaler(inputCol="v", outputCol="min_max"),
        feature.RobustScaler(inputCol="v", outputCol="robust", withCentering=True),
        feature.StandardScaler(inputCol="v", outputCol="standard", withMean=True),
        feature.Normalizer(inputCol="v", outputCol="normal", p=1.5),
        feature.PolynomialExpansion(inputCol="v", outputCol="polynomial"),
        feature.PCA(k=2, inputCol="v", outputCol="pca"),
        feature.VectorIndexer(inputCol="v", outputCol="indexed", maxCategories=4, handleInvalid="keep"),
        feature.VectorSlicer(inputCol="v", outputCol="slice", indices=[2, 0]),
        feature.ChiSqSelector(featuresCol="v", outputCol="chi_squared", labelCol="kind", numTopFeatures=1),
        feature.UnivariateFeatureSelector(
            featuresCol="v", outputCol="univariate", labelCol="kind", selectionMode="numTopFeatures"
        )
        .setFeatureType("continuous")
        .setLabelType("categorical")
        .setSelectionThreshold(1),
        feature.VarianceThresholdSelector(featuresCol="v", outputCol="varied", varianceThreshold=1.0),
        feature.BucketedRandomProjectionLSH(
            inputCol="v", outputCol="hashes", bucketLength=1.0, numHashTables=2, seed=7
        ),
    ]
    own = "dct product normal polynomial pca indexed slice chi_squared univariate varied hashes"
    return fitted(frame, stages, "v", f"{scaled} {own}")


def formula(frame: DataFrame) -> Case:
    """An RFormula, with categories and an interaction, and a regression on it."""
    stages = [
        feature.RFormula(formula="amount ~ x + s + y:n", handleInvalid="keep"),
        regression.LinearRegression(labelCol="amount", regParam=0.1),
    ]
    return fitted(frame, stages, "x s y n", "features prediction")


def assembled() -> feature.VectorAssembler:
    """What the predictors below learn from."""
    return feature.VectorAssembler(inputCols=["x", "y", "n"], outputCol="features")


def regressors(frame: DataFrame) -> Case:
    """The regressors, each with its own name for its prediction."""
    of: dict[str, Any] = {"labelCol": "amount"}
    stages = [
        assembled(),
        regression.LinearRegression(predictionCol="linear", regParam=0.1, **of),
        regression.IsotonicRegression(predictionCol="isotonic", **of),
        regression.DecisionTreeRegressor(
            predictionCol="tree", leafCol="leaf", varianceCol="variance", maxDepth=3, **of
        ),
        regression.RandomForestRegressor(predictionCol="forest", numTrees=3, maxDepth=3, seed=7, **of),
        regression.GBTRegressor(predictionCol="boosted", maxIter=3, maxDepth=2, seed=7, **of),
        regression.AFTSurvivalRegression(
            predictionCol="survival", quantilesCol="quantiles", quantileProbabilities=[0.2, 0.8], maxIter=5, **of
        ),
        regression.GeneralizedLinearRegression(
            predictionCol="general", family="gamma", link="log", linkPredictionCol="link", maxIter=5, **of
        ),
        regression.FMRegressor(predictionCol="factors", maxIter=3, factorSize=2, seed=7, **of),
    ]
    outputs = "linear isotonic tree leaf variance forest boosted survival quantiles general link factors"
    return fitted(frame, stages, "x y n", outputs)


PROBABILISTIC: Mapping[str, Callable[..., Any]] = {
    "logistic": partial(classification.LogisticRegression, labelCol="kind", maxIter=5),
    "two_classes": partial(classification.LogisticRegression, labelCol="binary", maxIter=5),
    "tree": partial(classification.DecisionTreeClassifier, labelCol="kind", maxDepth=3),
    "forest": partial(classification.RandomForestClassifier, labelCol="kind", numTrees=3, maxDepth=3, seed=7),
    "boosted": partial(classification.GBTClassifier, labelCol="binary", maxIter=3, maxDepth=2, seed=7),
    "bayes": partial(classification.NaiveBayes, labelCol="kind", modelType="gaussian"),
    "perceptron": partial(
        classification.MultilayerPerceptronClassifier, labelCol="kind", layers=[3, 4, 3], maxIter=5, seed=7
    ),
    "factors": partial(classification.FMClassifier, labelCol="binary", maxIter=3, factorSize=2, seed=7),
    "thresholds": partial(classification.LogisticRegression, labelCol="kind", maxIter=5, thresholds=[0.9, 0.05, 0.05]),
}
"""The classifiers that give probabilities."""


def renamed(name: str) -> dict[str, str]:
    """The output columns of a classifier under names of its own."""
    return {
        "predictionCol": f"{name}_prediction",
        "probabilityCol": f"{name}_probability",
        "rawPredictionCol": f"{name}_raw",
    }


def machine() -> classification.LinearSVC:
    """A classifier without probabilities."""
    return classification.LinearSVC(labelCol="binary", maxIter=5, rawPredictionCol="svc_raw")


def one_vs_rest() -> classification.OneVsRest:
    """A classifier for each class.

    Under another name than Spark's, it would not find the raw predictions again after it is loaded.
    """
    one = classification.LogisticRegression(maxIter=3)
    return classification.OneVsRest(classifier=one, labelCol="kind", predictionCol="one_vs_rest")


def classifiers(frame: DataFrame) -> Case:
    """The classifiers, each with its own names for what it gives."""
    stages: list[Any] = [assembled()]
    outputs = []
    for name, make in PROBABILISTIC.items():
        stage = make()
        stages.append(stage.copy({stage.getParam(param): value for param, value in renamed(name).items()}))
        outputs += renamed(name).values()
    for kind in ("multinomial", "bernoulli", "complement"):
        source = "features_binary" if kind == "bernoulli" else "v"
        stages.append(classification.NaiveBayes(labelCol="kind", modelType=kind, featuresCol=source, **renamed(kind)))
        outputs += renamed(kind).values()
    stages[1:1] = [feature.Binarizer(inputCol="v", outputCol="features_binary", threshold=1.0)]
    outputs += ["prediction", "svc_raw", "one_vs_rest", "rawPrediction"]
    return fitted(frame, [*stages, machine(), one_vs_rest()], "x y n v", " ".join(outputs))


def clusterers(frame: DataFrame) -> Case:
    """The clusterers, each with its own name for its prediction."""
    stages = [
        assembled(),
        clustering.KMeans(k=3, seed=7, predictionCol="k_means"),
        clustering.BisectingKMeans(k=3, seed=7, predictionCol="bisecting"),
        clustering.GaussianMixture(k=2, seed=7, maxIter=3, predictionCol="mixture", probabilityCol="mixture_shares"),
        clustering.LDA(k=2, seed=7, maxIter=2, featuresCol="v", topicDistributionCol="topics"),
    ]
    return fitted(frame, stages, "x y n v", "k_means bisecting mixture mixture_shares topics")


def tuned(frame: DataFrame) -> Case:
    """Models that were chosen among several, and a pipeline in a pipeline."""
    first = regression.LinearRegression(labelCol="amount", predictionCol="first")
    second = regression.LinearRegression(labelCol="amount", predictionCol="second")
    inner = Pipeline(
        stages=[feature.StandardScaler(inputCol="features", outputCol="scaled"), clustering.KMeans(k=2, seed=7)]
    )
    judges = [evaluation.RegressionEvaluator(labelCol="amount", predictionCol=each) for each in ("first", "second")]
    grids = [tuning.ParamGridBuilder().addGrid(each.regParam, [0.1, 10.0]).build() for each in (first, second)]
    stages = [
        assembled(),
        tuning.CrossValidator(estimator=first, estimatorParamMaps=grids[0], evaluator=judges[0], numFolds=2, seed=7),
        tuning.TrainValidationSplit(estimator=second, estimatorParamMaps=grids[1], evaluator=judges[1], seed=7),
        inner,
    ]
    return fitted(frame, stages, "x y n", "first second scaled prediction")


CASES: Mapping[str, Make] = {
    make.__name__: make for make in (scalars, texts, vectors, formula, regressors, classifiers, clusterers, tuned)
}


def with_vectors(rows: DataFrame) -> DataFrame:
    """The rows as ``transform`` takes them."""
    return rows.withColumn("v", array_to_vector("v")) if "v" in rows.columns else rows


def output_type(kind: T.DataType) -> Any:
    """The type of a column in a signature."""
    if isinstance(kind, VectorUDT):
        return Array("double")
    if isinstance(kind, T.ArrayType):
        return Array(output_type(kind.elementType))
    return {"double": "double", "int": "integer", "string": "string"}[kind.simpleString()]


def signature_of(frame: DataFrame, case: Case) -> ModelSignature:
    """The signature of a pipeline that was fitted to the frame."""
    given = case.model.transform(frame).schema
    outputs = [ColSpec(output_type(given[name].dataType), name) for name in case.outputs]
    return ModelSignature(Schema([ColSpec(COLUMNS[name], name) for name in case.inputs]), Schema(outputs))


def log(name: str, model: Any, signature: ModelSignature) -> None:
    """Register a model of Spark ML."""
    with mlflow.start_run():
        mlflow.spark.log_model(
            model,
            artifact_path="model",
            signature=signature,
            pip_requirements=["pyspark"],
            registered_model_name=name,
        )


def latest(name: str) -> Any:
    """The registered model as MLflow loads it."""
    return mlflow.spark.load_model(f"models:/{name}/1")


def plain(frame: DataFrame, outputs: tuple[str, ...]) -> DataFrame:
    """``id`` and the outputs, vectors as arrays."""
    columns = []
    for name in outputs:
        kind = frame.schema[name].dataType
        column = F.col(name)
        if isinstance(kind, VectorUDT):
            column = vector_to_array(column)
        elif isinstance(kind, T.ArrayType) and isinstance(kind.elementType, VectorUDT):
            column = F.transform(column, lambda each: vector_to_array(each))
        columns.append(column.alias(name))
    return frame.select("id", F.struct(*columns).alias("p"))
