"""The pandas engine: any MLflow flavor, called with a pandas data frame in a Python worker.

The model travels once per executor as a Spark broadcast and is loaded once per Python worker process.
Executors need neither the registry nor the artifact store nor a credential of theirs.
"""

from __future__ import annotations

import hashlib
import mmap
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import Broadcast, SparkContext
from pyspark.sql import types as T

from lakepredict import _jvm
from lakepredict._signature import UnsupportedTypeError, label_type
from lakepredict._worker.batch import Feature
from lakepredict._worker.packed_model import PackedModel
from lakepredict._worker.probabilities import NoProbabilitiesError
from lakepredict._worker.scorer import Scorer
from lakepredict.engines.base import PythonFunction, Request
from lakepredict.errors import ModelUnloadableError, ModelUnsupportedError, ProbabilitiesMissingError

ARROW_TYPES: dict[type[T.DataType], pa.DataType] = {
    T.BooleanType: pa.bool_(),
    T.ByteType: pa.int8(),
    T.ShortType: pa.int16(),
    T.IntegerType: pa.int32(),
    T.LongType: pa.int64(),
    T.FloatType: pa.float32(),
    T.DoubleType: pa.float64(),
    T.StringType: pa.string(),
    T.BinaryType: pa.binary(),
    T.TimestampType: pa.timestamp("us", "UTC"),
}
"""Scalar result type -> what an Arrow UDF returns for it."""


def arrow_type(kind: T.DataType) -> pa.DataType:
    """The Arrow type of a result type; what PySpark has for it takes other arguments in each release."""
    if isinstance(kind, T.ArrayType):
        return pa.list_(pa.field("element", arrow_type(kind.elementType)))
    if isinstance(kind, T.MapType):
        return pa.map_(arrow_type(kind.keyType), arrow_type(kind.valueType))
    if isinstance(kind, T.StructType):
        return pa.struct([pa.field(field.name, arrow_type(field.dataType)) for field in kind.fields])
    return ARROW_TYPES[type(kind)]


@dataclass(frozen=True)
class Labels:
    """The class labels of a classifier.

    Attributes:
        type: their Spark type.
        values: the labels, as an Arrow array of that type.
    """

    type: T.DataType
    values: pa.Array


def ship(context: SparkContext, request: Request, files: Path) -> Broadcast[PackedModel]:
    """Pack the model's files and broadcast them; executors fetch them when a task needs them."""
    shipped = context.broadcast(_archive(files, request.label))
    _jvm.delete_file_with(context, shipped)
    return shipped


def read_labels(context: SparkContext, request: Request, shipped: Broadcast[PackedModel]) -> Labels:
    """Ask a Python worker for the class labels, by a job of one task: the driver needs none of the model's libraries.

    Raises:
        ProbabilitiesMissingError: the model is no classifier that gives probabilities.
        ModelUnsupportedError: it cannot be loaded.
    """
    call = str(request.reference)
    found = context.parallelize([0], 1).map(lambda _: _labels_of(shipped)).collect()[0]
    if isinstance(found, NoProbabilitiesError):
        raise ProbabilitiesMissingError(call=call, got=str(found))
    if isinstance(found, dict):
        raise ModelUnsupportedError(
            call=call, expected="a model that loads in a Python worker", got=found["reason"], hint=found["hint"]
        )
    try:
        kind = label_type(found)
    except UnsupportedTypeError as exc:
        raise ProbabilitiesMissingError(call=call, got=f"a classifier with {exc}") from exc
    return Labels(kind, pa.array(found.tolist(), arrow_type(kind)))


def _labels_of(shipped: Broadcast[PackedModel]) -> Any:
    """Runs in a Python worker."""
    try:
        return shipped.value.labels()
    except NoProbabilitiesError as exc:
        return exc
    except ModelUnloadableError as exc:
        return exc.parameters


def build(request: Request, shipped: Broadcast[PackedModel], labels: Labels | None) -> PythonFunction:
    """Describe the function that scores with a model that was shipped.

    Args:
        request: what the predictions are to be.
        shipped: the model.
        labels: its class labels, where their probabilities are asked for.
    """
    result = request.model.signature.result if labels is None else T.MapType(labels.type, T.DoubleType())
    scorer = Scorer(
        model=shipped,
        features=tuple(Feature(each.name, each.dtype, each.shape, each.required) for each in request.inputs),
        result=arrow_type(result),
        output=request.model.signature.output,
        timezone=request.timezone,
        on_null=request.on_null,
        lenient=request.lenient,
        params=None if request.params is None else dict(request.params),
        shapes=request.model.signature.shapes,
        labels=None if labels is None else labels.values,
    )
    return PythonFunction(scorer, "pandas", result)


def _archive(source: Path, label: str) -> PackedModel:
    """One uncompressed archive in an unnamed temporary file, mapped into memory but never read into it."""
    with tempfile.TemporaryFile(prefix="lakepredict-") as file:
        with tarfile.open(fileobj=file, mode="w:") as archive:
            archive.add(source, arcname=".")
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return PackedModel(mapped, hashlib.sha256(mapped).hexdigest(), label)
