"""The native engine for linear models of scikit-learn: plain arithmetic in the query, with no Python worker.

The numbers are those of scikit-learn up to the order in which terms are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add, and_
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
from lakepredict.errors import InputInvalidError, ModelFailedError

_LARGEST_FILE = 16 * 2**20
"""Files that a linear model does not need."""

_LARGEST = 1.7976931348623157e308
_TERMS = 32
"""How many terms are added up in one part. The JVM compiles no method of more than 8,000 bytes of code."""

_WHOLE = (T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType)


_SIZE = "\ue000"
"""Stands in a message for what a row has: a character that no name has."""


def supports(flavors: Iterable[str]) -> bool:
    """Whether the model was logged with ``mlflow.sklearn``."""
    return "sklearn" in flavors


def read(request: Request, files: Path) -> LinearForm:
    """The arithmetic of a model of scikit-learn, read from its files on the driver.

    Files that name no linear model, and files of models with other inputs than numbers, are not loaded.

    Raises:
        NotLinearError: it has none that is known.
    """
    names = _feature_names(request)
    flavors = Model.load(str(files)).flavors
    fitted = files / flavors["sklearn"]["pickled_model"]
    if fitted.stat().st_size > _LARGEST_FILE or b"linear_model" not in fitted.read_bytes():
        raise NotLinearError("its file names no linear model")
    try:
        with OwnModules(files).in_place():
            form = _sklearn_linear.read(mlflow.sklearn.load_model(str(files)), names)
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
    columns = [f"c{position}" for position in range(len(request.inputs))]
    fields = [T.StructField(name, each.type) for name, each in zip(columns, request.inputs, strict=True)]
    frame = spark.createDataFrame([], T.StructType(fields))
    scores = _scores(request, form, _features(request, columns))
    outputs = _probabilities(form, scores) if request.probabilities else _prediction(form, scores)
    return frame.select(_on_null(request, form, columns, outputs).alias("prediction"))


def _feature_names(request: Request) -> list[str | None]:
    """The names of the features: those of the inputs, or none for each element of one ARRAY.

    Raises:
        NotLinearError: the inputs are other than numbers and texts, or an ARRAY of another kind.
    """
    kinds = (*_WHOLE, T.FloatType, T.DoubleType, T.StringType)
    other = next((each for each in request.inputs if not isinstance(each.type, kinds)), None)
    if other is None:
        return [each.name for each in request.inputs]
    sized = len(other.shape) == 1 and other.shape[0] > 0
    if len(request.inputs) > 1 or other.type != T.ArrayType(T.DoubleType()) or not sized:
        raise NotLinearError(f"it has an input of type {other.type.simpleString()}")
    return [None] * other.shape[0]


def _features(request: Request, columns: Sequence[str]) -> list[Column]:
    """A number, or a text, for each input or each element of it; an array of another length is an error."""
    shape = request.inputs[0].shape
    if not shape:
        texts = [isinstance(each.type, T.StringType) for each in request.inputs]
        pairs = zip(columns, texts, strict=True)
        return [F.col(name) if text else F.col(name).cast("double") for name, text in pairs]
    array, (width,) = F.col(columns[0]), shape
    error = InputInvalidError(
        model=request.label,
        input=request.inputs[0].name or "1",
        expected=f"values of {request.inputs[0].dtype} in the shape {shape}",
        got=f"an array has {_SIZE} values where the model takes {width}",
    )
    before, _, after = str(error).partition(_SIZE)
    size = F.size(array)
    refused = F.raise_error(F.concat(F.lit(before), size.cast("string"), F.lit(after))).cast("array<double>")
    # The check is in the array, for Spark drops one beside an element that it knows to be missing.
    checked = F.when(array.isNotNull() & (size != width), refused).otherwise(array)
    return [F.get(checked, F.lit(position)) for position in range(width)]


def _check(request: Request, form: LinearForm) -> None:
    if request.params:
        raise NotLinearError("it is called with parameters")
    if form.function != "predict" and not request.probabilities:
        raise NotLinearError(f"it was logged with {form.function}")
    if request.on_null != "null" and request.inputs[0].shape:
        raise NotLinearError(f"its input is an array, where spark.lakepredict.onNull = {request.on_null}")
    result = request.model.signature.result
    scaled = any(term != Term(term.input) for term in form.terms)
    texts = {term.input for term in form.terms if term.text is not None}
    for place, each in enumerate(request.inputs):
        if isinstance(each.type, T.StringType) is not (place in texts):
            raise NotLinearError(f"it computes with {each.name} otherwise than as {each.type.simpleString()}")
    for each in request.inputs:
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


def _scores(request: Request, form: LinearForm, features: Sequence[Column]) -> list[Column]:
    """The scores; NULL where something is missing, an error where scikit-learn refuses something.

    A sum that is finite has no such input, which is all that most rows are asked. What occurs twice, and is needed in
    any case, Spark computes once, in a method of its own: so each part of a sum is a method that the JVM can compile.
    """
    sums = [_sums(form, row, features) for row in range(len(form.weights))]
    magnitude = reduce(add, (F.abs(part) for parts in sums for part in parts))
    nothing = F.when(magnitude <= F.lit(_LARGEST), F.lit(-0.0)).otherwise(_nothing(request, form, features))
    return [
        nothing + (reduce(add, parts) + F.lit(intercept))
        for parts, intercept in zip(sums, form.intercepts, strict=True)
    ]


def _sums(form: LinearForm, row: int, values: Sequence[Column]) -> list[Column]:
    """The terms of a score, added up in parts."""
    summands: list[Column] = []
    texts: dict[int, dict[str, float]] = {}
    for term, weight in zip(form.terms, form.weights[row], strict=True):
        if term.text is not None:
            texts.setdefault(term.input, {})[term.text] = weight
            continue
        value = values[term.input]
        value = value if term.offset is None else value - F.lit(term.offset)
        value = value if term.scale is None else value / F.lit(term.scale)
        summands.append(value * F.lit(weight))
    strict = any(term.strict for term in form.terms)
    for place, weights in texts.items():
        found = F.try_element_at(_map(weights), values[place])
        summands.append(found if strict else F.coalesce(found, F.lit(0.0)))
    return [_added(summands[start : start + _TERMS]) for start in range(0, len(summands), _TERMS)]


def _map(weights: Mapping[str, float]) -> Column:
    return F.create_map(*(F.lit(part) for pair in weights.items() for part in pair))


def _added(summands: list[Column]) -> Column:
    """A sum in pairs, so that the expression is as shallow as can be."""
    while len(summands) > 1:
        pairs = [left + right for left, right in zip(summands[::2], summands[1::2], strict=False)]
        summands = pairs + summands[len(pairs) * 2 :]
    return summands[0]


def _prediction(form: LinearForm, scores: Sequence[Column]) -> Column:
    if not form.labels:
        return scores[0]
    labels = [F.lit(label).cast(form.label_type) for label in form.labels]
    if len(scores) == 1:
        return F.element_at(F.array(*labels), (scores[0] > 0).cast("int") + F.lit(1))
    best = F.array_position(F.array(*scores), F.greatest(*scores)).cast("int")
    return F.element_at(F.array(*labels), best)


def _probabilities(form: LinearForm, scores: Sequence[Column]) -> Column:
    labels = F.array(*(F.lit(label).cast(form.label_type) for label in form.labels))
    if len(scores) == 1:
        positive = F.lit(1.0) / (F.lit(1.0) + F.exp(-scores[0]))
        return F.when(scores[0].isNotNull(), F.map_from_arrays(labels, F.array(F.lit(1.0) - positive, positive)))
    powers = [F.exp(score - F.greatest(*scores)) for score in scores]
    total = reduce(lambda left, right: left + right, powers)
    found = F.map_from_arrays(labels, F.array(*(power / total for power in powers)))
    return F.when(total.isNotNull(), found)


def _nothing(request: Request, form: LinearForm, features: Sequence[Column]) -> Column:
    """What to add to the scores where a sum is not finite: NULL, an error or, if no input is to blame, nothing."""
    numbers = sorted({term.input for term in form.terms if term.text is None})
    used = F.array(*(features[place] for place in numbers)) if numbers else F.array(F.lit(0.0))
    unusable = F.raise_error(
        str(
            ModelFailedError(
                model=request.label, rows="1", reason="ValueError: an input of a linear model is missing or infinite."
            )
        )
    )
    of_missing = F.lit(None).cast("double") if request.on_null == "null" else unusable

    def worst(known: Column, value: Column) -> Column:
        return (
            F.when(value.isNull() | F.isnan(value), 2)
            .when(F.abs(value) > _LARGEST, F.greatest(known, F.lit(1)))
            .otherwise(known)
        )

    found = F.aggregate(
        used,
        F.lit(0),
        worst,
        lambda found: F.when(found == 2, of_missing).when(found == 1, unusable).otherwise(F.lit(-0.0)),
    )
    for place in sorted({term.input for term in form.terms if term.strict}):
        known = [term.text for term in form.terms if term.input == place]
        reason = f"ValueError: a text of {request.inputs[place].name} that the model was not trained on."
        error = F.raise_error(str(ModelFailedError(model=request.label, rows="1", reason=reason)))
        text = features[place]
        # A row with a number missing is NULL whatever the text is: what is added to NULL is not computed.
        unseen = found + error.cast("double")
        found = F.when(text.isNull(), of_missing).when(text.isin(known), found).otherwise(unseen)
    return found


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
