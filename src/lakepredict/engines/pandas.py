"""The pandas engine: any MLflow flavor, called with a pandas data frame in a Python worker.

The model travels once per executor as a Spark broadcast and is loaded once per Python worker process.
Executors need neither the registry nor the artifact store nor a credential of theirs.
"""

from __future__ import annotations

import hashlib
import mmap
import tarfile
import tempfile
from pathlib import Path

import pyarrow as pa
from pyspark import SparkContext
from pyspark.sql import types as T

from lakepredict._binding import Binding
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._worker import PackedModel, Scorer
from lakepredict.engines._files import fetch
from lakepredict.engines.base import PythonFunction

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


def build(
    context: SparkContext, reference: ModelReference, binding: Binding, *, timezone: str, lenient: bool
) -> PythonFunction:
    """Ship the model to the executors and describe the function that scores with it.

    Raises:
        ModelUnreadableError: the model's files cannot be read from the artifact store.
    """
    model = binding.model
    tensor = binding.inputs[0].input.dtype if model.signature.tensor else None
    scorer = Scorer(
        model=context.broadcast(_pack(reference, model)),
        names=tuple(bound.input.name for bound in binding.inputs),
        tensor=tensor,
        result=arrow_type(model.signature.result),
        timezone=timezone,
        vector=model.signature.vector,
        width=len(model.signature.inputs) if len(model.signature.inputs) > 1 else None,
        lenient=lenient,
    )
    return PythonFunction(
        scorer, f"{reference.function.lower()}[{model.name} v{model.version}]", model.signature.result
    )


def _pack(reference: ModelReference, model: ResolvedModel) -> PackedModel:
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as scratch:
        files = fetch(reference, model, scratch)
        return _archive(files, f"the model '{model.name}' version {model.version}")


def _archive(source: Path, label: str) -> PackedModel:
    """One uncompressed archive in an unnamed temporary file, mapped into memory but never read into it."""
    with tempfile.TemporaryFile(prefix="lakepredict-") as file:
        with tarfile.open(fileobj=file, mode="w:") as archive:
            archive.add(source, arcname=".")
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return PackedModel(mapped, hashlib.sha256(mapped).hexdigest(), label)
