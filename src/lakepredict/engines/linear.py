"""The native engine for linear models of scikit-learn: plain arithmetic in the query, with no Python worker.

The numbers are those of scikit-learn up to the order in which terms are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from operator import and_
from pathlib import Path

import mlflow.sklearn
from mlflow.models import Model
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict._worker.packed_model import OwnModules
from lakepredict.engines import _sklearn_linear
from lakepredict.engines._nulls import refuse_nulls
from lakepredict.engines._sklearn_linear import LinearForm, NotLinearError, Term
from lakepredict.engines.base import Request
from lakepredict.errors import ModelFailedError

_LARGEST_FILE = 16 * 2**20
"""Files that a linear model does not need."""

_LARGEST = 1.7976931348623157e308
_WHOLE = (T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType)


def supports(flavors: Iterable[str]) -> bool:
    """Whether the model was logged with ``mlflow.sklearn``."""
    return "sklearn" in flavors


def read(request: Request, files: Path) -> LinearForm:
    """The arithmetic of a model of scikit-learn, read from its files on the driver.

    Files that name no linear model are not loaded.

    Raises:
        NotLinearError: it has none that is known.
    """
    flavors = Model.load(str(files)).flavors
    fitted = files / flavors["sklearn"]["pickled_model"]
    if fitted.stat().st_size > _LARGEST_FILE or b"linear_model" not in fitted.read_bytes():
        raise NotLinearError("its file names no linear model")
    try:
        with OwnModules(files).in_place():
            form = _sklearn_linear.read(mlflow.sklearn.load_model(str(files)), [each.name for each in request.inputs])
    except NotLinearError:
        raise
    except Exception as exc:  # a model may be unlike all that are known; a Python worker can score it still
        raise NotLinearError(f"the driver cannot read it: {exc}") from exc
    return replace(form, function=str(flavors["python_function"].get("predict_fn", "predict")))


def build(spark: SparkSession, request: Request, form: LinearForm) -> DataFrame:
    """The predictions for an empty data frame of the inputs, as one column.

    Raises:
        NotLinearError: the signature has an input or a result that the arithmetic is not known for.
    """
    _check(request, form)
    names = [f"c{position}" for position in range(len(request.inputs))]
    fields = [T.StructField(name, each.type) for name, each in zip(names, request.inputs, strict=True)]
    frame = spark.createDataFrame([], T.StructType(fields))
    scores = [_score(form, position, names) for position in range(len(form.weights))]
    outputs = _probabilities(form, scores) if request.probabilities else _prediction(form, scores)
    return frame.select(_guarded(request, form, names, scores, outputs).alias("prediction"))


def _check(request: Request, form: LinearForm) -> None:
    if request.params:
        raise NotLinearError("it is called with parameters")
    if form.function != "predict" and not request.probabilities:
        raise NotLinearError(f"it was logged with {form.function}")
    result = request.model.signature.result
    scaled = any(term != Term(term.input) for term in form.terms)
    for each in request.inputs:
        if not isinstance(each.type, (*_WHOLE, T.FloatType, T.DoubleType)):
            raise NotLinearError(f"it has an input of type {each.type.simpleString()}")
        if isinstance(each.type, T.FloatType) and scaled:
            raise NotLinearError("it computes with single precision")
    if request.probabilities:
        if not form.logistic:
            raise NotLinearError("it gives no probabilities by arithmetic")
    elif not form.labels:
        if not isinstance(result, T.DoubleType):
            raise NotLinearError(f"it gives {result.simpleString()}")
    elif form.label_type != result:
        raise NotLinearError(f"it gives {result.simpleString()} for labels of another type")


def _score(form: LinearForm, row: int, names: Sequence[str]) -> Column:
    """A score, its terms added in pairs, so that the expression is as shallow as can be."""
    summands = []
    for term, weight in zip(form.terms, form.weights[row], strict=True):
        value = F.col(names[term.input]).cast("double")
        value = value if term.offset is None else value - F.lit(term.offset)
        value = value if term.scale is None else value / F.lit(term.scale)
        summands.append(value * F.lit(weight))
    while len(summands) > 1:
        pairs = [left + right for left, right in zip(summands[::2], summands[1::2], strict=False)]
        summands = pairs + summands[len(pairs) * 2 :]
    return summands[0] + F.lit(form.intercepts[row])


def _prediction(form: LinearForm, scores: Sequence[Column]) -> Column:
    if not form.labels:
        return scores[0]
    labels = [F.lit(label).cast(form.label_type) for label in form.labels]
    if len(scores) == 1:
        return F.when(scores[0] > 0, labels[1]).otherwise(labels[0])
    best = F.array_position(F.array(*scores), F.greatest(*scores)).cast("int")
    return F.element_at(F.array(*labels), best)


def _probabilities(form: LinearForm, scores: Sequence[Column]) -> Column:
    labels = F.array(*(F.lit(label).cast(form.label_type) for label in form.labels))
    if len(scores) == 1:
        positive = F.lit(1.0) / (F.lit(1.0) + F.exp(-scores[0]))
        return F.map_from_arrays(labels, F.array(F.lit(1.0) - positive, positive))
    powers = [F.exp(score - F.greatest(*scores)) for score in scores]
    total = reduce(lambda left, right: left + right, powers)
    return F.map_from_arrays(labels, F.array(*(power / total for power in powers)))


def _guarded(
    request: Request, form: LinearForm, names: Sequence[str], scores: Sequence[Column], outputs: Column
) -> Column:
    """The outputs, but what scikit-learn does where an input is missing or infinite.

    A score that is finite has no such input, which is all that most rows have to be asked.
    """
    used = F.array(*(F.col(names[place]).cast("double") for place in sorted({term.input for term in form.terms})))
    no_number = F.exists(used, F.isnan)
    unusable = F.raise_error(
        str(
            ModelFailedError(
                model=request.label, rows="1", reason="ValueError: an input of a linear model is missing or infinite."
            )
        )
    )
    infinite = F.exists(used, lambda value: F.abs(value) > F.lit(_LARGEST))
    missing = F.exists(used, lambda value: value.isNull())
    if request.on_null == "null":
        other = F.when(~(missing | no_number), F.when(infinite, unusable).otherwise(outputs))
    else:
        other = F.when(missing | no_number | infinite, unusable).otherwise(outputs)
    found = F.when(reduce(and_, (F.abs(score) <= F.lit(_LARGEST) for score in scores)), outputs).otherwise(other)
    return _on_null(request, form, names, found)


def _on_null(request: Request, form: LinearForm, names: Sequence[str], found: Column) -> Column:
    """NULL, or an error, for a NULL that the arithmetic does not see, or must not pass over."""
    if request.on_null == "error":
        return refuse_nulls(request, [F.col(name) for name in names], found)
    used = {term.input for term in form.terms}
    unseen = [
        F.col(name).isNotNull()
        for position, (name, each) in enumerate(zip(names, request.inputs, strict=True))
        if position not in used and isinstance(each.type, _WHOLE) and request.on_null == "null"
    ]
    return F.when(reduce(and_, unseen), found) if unseen else found
