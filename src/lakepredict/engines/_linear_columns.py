"""A linear form as projections of a data frame of its inputs: from features over scores to predictions.

Most of it is merged into one projection: what a lower one computes takes the place of its name, so that Spark sees the
plain sums. The probabilities of several classes are not: each needs all scores, so the scores are computed once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakepredict import _jvm
from lakepredict._sql import in_pairs
from lakepredict.engines import _linear_text
from lakepredict.engines._nulls import refuse_nulls
from lakepredict.engines._sklearn_linear import LinearForm
from lakepredict.engines.base import Request
from lakepredict.errors import InputInvalidError, ModelFailedError

_LARGEST = 1.7976931348623157e308

_SIZE = "\ue000"
"""Stands in a message for what a row has: a character that no name has."""


def predictions(request: Request, form: LinearForm, inputs: DataFrame) -> DataFrame:
    """Return the predictions, or the probabilities, for a data frame of the inputs ``c0``, ``c1``, ..."""
    summed = _summed(form, _with_weights(form, _with_features(request, inputs)))
    if request.probabilities and len(form.weights) > 1:
        return _softmax(request, form, summed)
    # A part that occurs twice, and is needed in any case, Spark computes once and in a method of its own. So each part
    # of each score is in this sum too, though the first score would do: the JVM compiles methods of that size.
    names = [name for row in range(len(form.weights)) for name in _linear_text.parts(form, row)]
    nothing = summed.select("*", _nothing(request, form, _finite(names)).alias("nothing"))
    outputs = _probabilities(form) if request.probabilities else _prediction(form)
    return _jvm.merged(nothing.select(_on_null(request, form, outputs).alias("prediction")))


def _with_features(request: Request, inputs: DataFrame) -> DataFrame:
    """Add ``f0``, ``f1``, ...: a number, or a text, for each input or each element of the one ARRAY."""
    if request.inputs[0].shape:
        checked = inputs.select("*", _sized(request).alias("sized"))
        (width,) = request.inputs[0].shape
        return checked.selectExpr("*", *(f"get(sized, {place}) AS f{place}" for place in range(width)))
    kinds = ["STRING" if isinstance(column.type, T.StringType) else "DOUBLE" for column in request.inputs]
    return inputs.selectExpr("*", *(f"CAST(c{place} AS {kind}) AS f{place}" for place, kind in enumerate(kinds)))


def _sized(request: Request) -> Column:
    """Return the ARRAY of the inputs, but an error for one of another length."""
    array, (width,) = F.col("c0"), request.inputs[0].shape
    error = InputInvalidError(
        model=request.label,
        input=request.inputs[0].name or "1",
        expected=f"values of {request.inputs[0].dtype} in the shape {request.inputs[0].shape}",
        got=f"an array has {_SIZE} values where the model takes {width}",
    )
    before, _, after = str(error).partition(_SIZE)
    size = F.size(array)
    refused = F.raise_error(F.concat(F.lit(before), size.cast("string"), F.lit(after))).cast("array<double>")
    # The check is in the array, for Spark drops one beside an element that it knows to be missing.
    return F.when(array.isNotNull() & (size != width), refused).otherwise(array)


def _with_weights(form: LinearForm, features: DataFrame) -> DataFrame:
    """Add ``w0_3``, ...: what each score gives the text of each input of texts, or NULL if that is unknown."""
    weights = [
        F.try_element_at(_known(_linear_text.weights_of_texts(form, row, place)), F.col(f"f{place}")).alias(
            f"w{row}_{place}"
        )
        for place in _linear_text.encoded(form)
        for row in range(len(form.weights))
    ]
    return features.select("*", *weights)


def _known(values: Any, spark_type: T.ArrayType | str = "map<string,double>") -> Column:
    """Return a constant MAP or ARRAY, handed over as one text instead of by a call for each value."""
    return F.from_json(F.lit(json.dumps(values)), spark_type)


def _summed(form: LinearForm, features: DataFrame) -> DataFrame:
    """Add the parts of the scores, and ``s0``, ``s1``, ...: the scores."""
    rows = range(len(form.weights))
    parts = [_linear_text.parts(form, row) for row in rows]
    added = features.selectExpr("*", *(f"{sql} AS {name}" for part in parts for name, sql in part.items()))
    return added.selectExpr("*", *(f"{_linear_text.score(form, row)} AS s{row}" for row in rows))


def _finite(names: Sequence[str]) -> Column:
    """Return whether a sum is finite, which one with a missing or infinite input is not."""
    return F.expr(in_pairs("+", [f"abs({name})" for name in names])) <= F.lit(_LARGEST)


def _nothing(request: Request, form: LinearForm, finite: Column) -> Column:
    """Return what to add to a score: NULL where something is missing, an error where scikit-learn refuses something.

    A finite sum has no such input, which is all that most rows are asked.
    """
    return F.when(finite, F.lit(-0.0)).otherwise(_blamed(request, form))


def _blamed(request: Request, form: LinearForm) -> Column:
    """Return NULL, an error or, if no input is to blame, nothing for a sum that is not finite."""
    unusable = _failed(request, "an input of a linear model is missing or infinite.")
    of_missing = F.lit(None).cast("double") if request.on_null == "null" else unusable

    def worst(known: Column, value: Column) -> Column:
        return (
            F.when(value.isNull() | F.isnan(value), 2)
            .when(F.abs(value) > _LARGEST, F.greatest(known, F.lit(1)))
            .otherwise(known)
        )

    found = F.aggregate(
        F.expr(_array_of_numbers(form)),
        F.lit(0),
        worst,
        lambda found: F.when(found == 2, of_missing).when(found == 1, unusable).otherwise(F.lit(-0.0)),
    )
    for place in sorted(place for place, strict in _linear_text.encoded(form).items() if strict):
        error = _failed(request, f"a text of {request.inputs[place].name} that the model was not trained on.")
        # A row with a number missing is NULL whatever the text is: what is added to NULL is not computed.
        unseen = found + error.cast("double")
        is_known = F.col(f"w0_{place}").isNotNull()
        found = F.when(F.col(f"f{place}").isNull(), of_missing).when(is_known, found).otherwise(unseen)
    return found


def _array_of_numbers(form: LinearForm) -> str:
    numbers = sorted({term.input for term in form.terms if term.text is None})
    return f"array({', '.join(f'f{place}' for place in numbers) or '0.0D'})"


def _failed(request: Request, reason: str) -> Column:
    return F.raise_error(str(ModelFailedError(model=request.label, rows="1", reason=f"ValueError: {reason}")))


def _labels(form: LinearForm) -> Column:
    texts = [label.decode() if isinstance(label, bytes) else label for label in form.labels]
    return _known(texts, T.ArrayType(form.label_type))


def _prediction(form: LinearForm) -> Column:
    nothing = F.col("nothing")
    if not form.labels:
        return nothing + F.col("s0")
    if len(form.weights) == 1:
        return F.element_at(_labels(form), (nothing + F.col("s0") > 0).cast("int") + F.lit(1))
    names = ", ".join(f"s{row}" for row in range(len(form.weights)))
    best = F.expr(f"CAST(array_position(array({names}), greatest({names})) AS INT)")
    # What is missing or refused comes first, for nothing is added to NULL.
    return F.element_at(_labels(form), nothing.cast("int") + best)


def _probabilities(form: LinearForm) -> Column:
    """Return the probabilities of two classes."""
    score = F.col("nothing") + F.col("s0")
    positive = F.lit(1.0) / (F.lit(1.0) + F.exp(-score))
    found = F.map_from_arrays(_labels(form), F.array(F.lit(1.0) - positive, positive))
    return F.when(score.isNotNull(), found)


def _softmax(request: Request, form: LinearForm, summed: DataFrame) -> DataFrame:
    """Return the probabilities of three or more classes, each step computed once from the one before it."""
    nothing = _nothing(request, form, _finite(list(_linear_text.parts(form, 0))))
    scores = F.expr(f"array({', '.join(f's{row}' for row in range(len(form.weights)))})").alias("scores")
    scored = summed.select("*", nothing.alias("nothing"))
    scored = _jvm.merged(scored.select(scores, _on_null(request, form, F.col("nothing")).alias("nothing")))
    highest = scored.select("*", F.array_max("scores").alias("highest"))
    shifted = F.transform("scores", lambda score: F.exp(score - F.col("highest")))
    powers = highest.select("nothing", shifted.alias("powers"))
    total = F.aggregate("powers", F.lit(0.0), lambda sum_so_far, power: sum_so_far + power)
    added = powers.select("*", total.alias("total"))
    shares = F.transform("powers", lambda power: power / F.col("total"))
    found = F.when(F.col("nothing").isNotNull(), F.map_from_arrays(_labels(form), shares))
    return added.select(found.alias("prediction"))


def _on_null(request: Request, form: LinearForm, found: Column) -> Column:
    """Return NULL, or an error, for a NULL that the arithmetic does not see, or must not pass over."""
    if request.on_null == "error":
        return refuse_nulls(request, found)
    used = {term.input for term in form.terms}
    whole = (T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType)
    unseen = [
        f"c{place} IS NOT NULL"
        for place, column in enumerate(request.inputs)
        if place not in used and isinstance(column.type, whole) and request.on_null == "null"
    ]
    return F.when(F.expr(in_pairs("AND", unseen)), found) if unseen else found
