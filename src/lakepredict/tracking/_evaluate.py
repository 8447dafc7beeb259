"""How good a fitted model of Spark ML is on some rows: the metrics, and what their plots show.

Several metrics come from one pass over the rows where that is possible; they are those of Spark ML's evaluators, which
take a pass each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from pyspark.ml.evaluation import BinaryClassificationEvaluator, ClusteringEvaluator
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakepredict._sql import quoted
from lakepredict.tracking._stages import columns, label_of, metric_of

Kind = Literal["regression", "binary", "classification", "clustering"]

PLOTTED = 5_000
"""Rows of a residual plot."""

CURVED = 50_000
"""Rows of an ROC curve."""

_SEED = 20
_SMALLEST = 1e-15
"""The least probability that counts in a log loss, as in Spark ML's evaluator."""


@dataclass(frozen=True)
class Predictor:
    """What of a fitted stage tells how its predictions are to be judged.

    Attributes:
        kind: what it predicts.
        prediction, label, weight, features: the names of its columns; None where it has none.
        score: the column of probabilities or, where it has none, of raw predictions.
        probabilities: whether ``score`` are probabilities.
    """

    kind: Kind
    prediction: str
    label: str | None = None
    weight: str | None = None
    features: str | None = None
    score: str | None = None
    probabilities: bool = False

    @classmethod
    def of(cls, stage: Any) -> Predictor:
        """Read it off a fitted stage with a prediction column."""
        prediction, label, weight, features, probability, raw = (
            _column(stage, param)
            for param in ("predictionCol", "labelCol", "weightCol", "featuresCol", "probabilityCol", "rawPredictionCol")
        )
        if label_of(stage) is None:
            return cls("clustering", str(prediction), features=features)
        if not stage.hasParam("rawPredictionCol") and not stage.hasParam("probabilityCol"):
            return cls("regression", str(prediction), label_of(stage), weight)
        score = probability or raw
        kind: Kind = "binary" if score and _classes(stage) == 2 else "classification"
        return cls(kind, str(prediction), label, weight, features, score, probability is not None)


def _column(stage: Any, param: str) -> str | None:
    found = columns(stage, [param])
    return found[0] if found else None


def _classes(stage: Any) -> int:
    """How many classes a classifier tells apart; 0 where it does not say."""
    models = getattr(stage, "models", None)  # of OneVsRest
    return len(models) if models is not None else int(getattr(stage, "numClasses", 0))


@dataclass(frozen=True)
class Evaluation:
    """A model judged on some rows.

    Attributes:
        rows: how many rows had a label and a prediction.
        metrics: name -> value.
        table: what a plot shows: a sample of ``label`` and ``prediction`` of a regression; of a classification how
            many ``rows`` (their weight) there are of each ``label`` and ``prediction``; the ``rows`` of each cluster.
        curve: a sample of ``label`` and ``score``, of a classification with two classes.
        labels: the names of the classes, where the label column has them.
    """

    rows: int
    metrics: dict[str, float]
    table: pd.DataFrame
    curve: pd.DataFrame | None = None
    labels: list[str] = field(default_factory=list)


def evaluate(transformed: DataFrame, predictor: Predictor, *, sampled: bool) -> Evaluation:
    """Judge a model by what its ``transform`` gave.

    The columns that are looked at are computed once and kept until the metrics are there.

    Args:
        transformed: rows with prediction and label; those where either is missing do not count.
        predictor: how they are to be judged.
        sampled: whether rows for plots are wanted.
    """
    judge = {"regression": _regression, "clustering": _clustering}.get(predictor.kind, _classification)
    with _kept(_looked_at(transformed, predictor)) as rows:
        found = judge(rows, predictor, sampled)
    metadata = transformed.schema[predictor.label].metadata if predictor.label else {}
    return Evaluation(**found, labels=[str(each) for each in metadata.get("ml_attr", {}).get("vals", [])])


@contextmanager
def _kept(rows: DataFrame) -> Iterator[DataFrame]:
    rows.persist()
    try:
        yield rows
    finally:
        rows.unpersist()


def _looked_at(transformed: DataFrame, predictor: Predictor) -> DataFrame:
    """The columns that metrics are made of, under fixed names, of the rows that can be judged."""

    def number(column: str | None, name: str) -> Column:
        return F.col(quoted(str(column))).cast("double").alias(name)

    chosen, judged = [number(predictor.prediction, "prediction")], ["prediction"]
    if predictor.kind == "clustering":
        chosen.append(F.col(quoted(str(predictor.features))).alias("features"))
    else:
        chosen.append(number(predictor.label, "label"))
        chosen.append(number(predictor.weight, "weight") if predictor.weight else F.lit(1.0).alias("weight"))
        judged.append("label")
    if predictor.score:
        chosen.append(F.col(quoted(predictor.score)).alias("score"))
    rows = transformed.select(*chosen)
    for name in judged:
        rows = rows.where(F.col(name).isNotNull() & ~F.isnan(name))
    return rows


def _regression(rows: DataFrame, predictor: Predictor, sampled: bool) -> dict[str, Any]:
    weight, label = F.col("weight"), F.col("label")
    error = F.col("prediction") - label
    sums = rows.agg(
        F.count("*").alias("rows"),
        F.sum(weight).alias("weight"),
        F.sum(weight * error * error).alias("squared"),
        F.sum(weight * F.abs(error)).alias("absolute"),
        F.sum(weight * F.abs(label)).alias("size"),
        F.sum(weight * label).alias("labels"),
        F.var_pop(label).alias("variance"),
    ).collect()[0]
    if not sums["weight"]:
        return {"rows": sums["rows"], "metrics": {}, "table": pd.DataFrame({"label": [], "prediction": []})}
    spread = sums["variance"] * sums["rows"]
    if predictor.weight:
        mean = sums["labels"] / sums["weight"]
        spread = rows.agg(F.sum(weight * (label - mean) * (label - mean))).collect()[0][0]
    metrics = {
        "rmse": (sums["squared"] / sums["weight"]) ** 0.5,
        "mae": sums["absolute"] / sums["weight"],
    }
    if sums["size"]:
        metrics["wape"] = sums["absolute"] / sums["size"]
    if spread:
        metrics["r2"] = 1 - sums["squared"] / spread
    table = _sample(rows.select("label", "prediction"), sums["rows"], PLOTTED) if sampled else pd.DataFrame()
    return {"rows": sums["rows"], "metrics": metrics, "table": table}


def _classification(rows: DataFrame, predictor: Predictor, sampled: bool) -> dict[str, Any]:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    loss = F.lit(None).cast("double")
    if predictor.probabilities:
        probability = F.get(vector_to_array(F.col("score")), F.col("label").cast("int"))
        loss = -F.log(F.greatest(probability, F.lit(_SMALLEST)))
    grouped = rows.groupBy("label", "prediction").agg(
        F.count("*").alias("count"), F.sum("weight").alias("rows"), F.sum(F.col("weight") * loss).alias("loss")
    )
    pairs = grouped.orderBy("label", "prediction").toPandas()
    count, weight = int(pairs["count"].sum()), pairs["rows"]
    found: dict[str, Any] = {"rows": count, "metrics": {}, "table": pairs[["label", "prediction", "rows"]]}
    if not count or not weight.sum():
        return found
    given = {"y_true": pairs["label"], "y_pred": pairs["prediction"], "sample_weight": weight}
    precision, recall, f1, _ = precision_recall_fscore_support(**given, average="weighted", zero_division=0)
    found["metrics"] = {
        "accuracy": float(accuracy_score(**given)),
        "f1": float(f1),
        "weightedPrecision": float(precision),
        "weightedRecall": float(recall),
    }
    if pairs["loss"].notna().all():
        found["metrics"]["logLoss"] = float(pairs["loss"].sum() / weight.sum())
    if predictor.kind == "binary" and pairs["label"].nunique() == 2:
        found["metrics"] |= _areas(rows)
        if sampled:
            scores = rows.select("label", F.get(vector_to_array(F.col("score")), F.lit(1)).alias("score"))
            found["curve"] = _sample(scores, count, CURVED)
    return found


def _areas(rows: DataFrame) -> dict[str, float]:
    evaluator = BinaryClassificationEvaluator(rawPredictionCol="score", labelCol="label", weightCol="weight")
    names = ("areaUnderROC", "areaUnderPR")
    return {name: evaluator.evaluate(rows, {evaluator.metricName: name}) for name in names}


def _clustering(rows: DataFrame, predictor: Predictor, sampled: bool) -> dict[str, Any]:
    sizes = rows.groupBy("prediction").agg(F.count("*").alias("rows")).orderBy("prediction").toPandas()
    metrics = {}
    if len(sizes) > 1:
        metrics["silhouette"] = ClusteringEvaluator(featuresCol="features", predictionCol="prediction").evaluate(rows)
    return {"rows": int(sizes["rows"].sum()), "metrics": metrics, "table": sizes}


def _sample(rows: DataFrame, total: int, at_most: int) -> pd.DataFrame:
    """All rows, or about ``at_most`` of them, the same ones each time."""
    if total > at_most:
        rows = rows.sample(at_most / total, _SEED)
    return rows.toPandas()


def of_training(stage: Any) -> dict[str, float]:
    """What a fitted clustering model says of its own training."""
    found = {}
    summary = stage.summary if getattr(stage, "hasSummary", False) else None
    for name in ("trainingCost", "logLikelihood"):
        if hasattr(summary, name):
            found[name] = float(getattr(summary, name))
    return found


def by_evaluators(transformed: DataFrame, evaluators: Sequence[Any]) -> dict[str, float]:
    """The metrics of Spark ML's evaluators, under their names; each is a pass over the rows."""
    return {metric_of(each): float(each.evaluate(transformed)) for each in evaluators}
