"""The native engine for linear models of scikit-learn: plain arithmetic in the query, with no Python worker.

The numbers are those of scikit-learn up to the order in which terms are added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import mlflow.sklearn
from mlflow.models import Model
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakepredict._worker.packed_model import OwnModules
from lakepredict.engines import _linear_columns, _linear_text, _sklearn_linear
from lakepredict.engines._sklearn_linear import LinearForm, NotLinearError, Term
from lakepredict.engines.base import Request

_LARGEST_FILE = 16 * 2**20
"""Files that a linear model does not need."""

_WHOLE = (T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType)


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
    """Return the predictions for an empty data frame of the inputs, as one column.

    Raises:
        NotLinearError: the signature has an input or a result that the arithmetic is not known for, or the arithmetic
            is too long for a plan.
    """
    _check(request, form)
    columns = enumerate(request.inputs)
    fields = [T.StructField(f"c{place}", column.type) for place, column in columns]
    inputs = spark.createDataFrame([], T.StructType(fields))
    return _linear_columns.predictions(request, form, inputs)


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


def _check(request: Request, form: LinearForm) -> None:
    if request.params:
        raise NotLinearError("it is called with parameters")
    too_many = _linear_text.too_many(form, probabilities=request.probabilities)
    if too_many is not None:
        raise NotLinearError(too_many)
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
