"""The engines in Python workers: ``arrow`` calls a model's own library, ``pandas`` any model of MLflow.

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
from lakepredict._arrow_types import arrow_type
from lakepredict._signature import Input, UnsupportedTypeError, label_type
from lakepredict._worker.batch import Absent, Feature, missing_type
from lakepredict._worker.compiled import PackedTrees
from lakepredict._worker.native import LOADERS, NativeModel
from lakepredict._worker.packed_model import PackedModel
from lakepredict._worker.probabilities import NoProbabilitiesError
from lakepredict._worker.scorer import Scorer
from lakepredict.engines import _trees
from lakepredict.engines._trees import NotCompiledError
from lakepredict.engines.base import Request
from lakepredict.errors import ModelUnloadableError, ModelUnsupportedError, ProbabilitiesMissingError


@dataclass(frozen=True)
class Labels:
    """The class labels of a classifier.

    Attributes:
        type: their Spark type.
        values: the labels, as an Arrow array of that type.
    """

    type: T.DataType
    values: pa.Array


def obstacle(request: Request) -> str | None:
    """Why a model's library is not called without MLflow, or None if it is.

    What MLflow does for a model is done in the engine ``arrow`` for scalars and tensors of numbers and text, which
    is what these libraries take.
    """
    model = request.model
    if model.loader not in LOADERS:
        return f"{model.loader} loads it"
    if model.own_code:
        return "it brings code of its own"
    if request.params is not None:
        return "it is called with parameters"
    if request.on_null == "pass" and any(isinstance(each.type, _WHOLE) for each in request.inputs):
        return "it is to get NULL in an integer or a boolean"
    other = next((each.type for each in request.inputs if not _is_plain(each)), None)
    return None if other is None else f"it has an input of type {other.simpleString()}"


def _is_plain(each: Input) -> bool:
    return each.dtype is not None or isinstance(each.type, _PLAIN)


_WHOLE = (T.BooleanType, T.IntegerType, T.LongType)
_PLAIN = (*_WHOLE, T.FloatType, T.DoubleType, T.StringType)


def ship(context: SparkContext, request: Request, files: Path) -> Broadcast[PackedModel]:
    """Pack the model's files and broadcast them; executors fetch them when a task needs them."""
    shipped = context.broadcast(_archive(files, request.label))
    _jvm.delete_file_with(context, shipped)
    return shipped


def ship_trees(context: SparkContext, request: Request, files: Path) -> Broadcast[PackedTrees]:
    """Compile a tree ensemble on the driver, which needs its library and a C compiler for that, and broadcast it.

    Raises:
        NotCompiledError: it is none, or its compiled numbers are not those of its own library.
    """
    names = tuple(each.name for each in request.inputs)
    kinds = [each.type for each in request.inputs]
    if any(not isinstance(each, (T.IntegerType, T.LongType, T.FloatType, T.DoubleType)) for each in kinds):
        raise NotCompiledError("its inputs are not all numbers")
    try:
        model = NativeModel(str(files), names)
        if model.function != "predict" and not request.probabilities:
            raise NotCompiledError(f"it was logged with {model.function}")
        if not model.takes_matrix([arrow_type(each) for each in kinds]):
            raise NotCompiledError("it takes no matrix of its inputs")
        trees = _trees.read(model.native, names)
    except NotCompiledError:
        raise
    except Exception as exc:  # the driver may lack what the model needs; Python workers can score it still
        raise NotCompiledError(f"the driver cannot read it: {exc}") from exc
    return context.broadcast(PackedTrees(trees, request.label))


def read_labels(context: SparkContext, request: Request, shipped: Broadcast[PackedModel], *, native: bool) -> Labels:
    """Ask a Python worker for the class labels, by a job of one task: the driver needs none of the model's libraries.

    Args:
        context: the application.
        request: what the predictions are to be.
        shipped: the model.
        native: whether it is loaded without MLflow.

    Raises:
        ProbabilitiesMissingError: the model is no classifier that gives probabilities.
        ModelUnsupportedError: it cannot be loaded.
    """
    call = str(request.reference)
    names = request.names if native else None
    found = context.parallelize([0], 1).map(lambda _: _labels_of(shipped, names)).collect()[0]
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


def _labels_of(shipped: Broadcast[PackedModel], names: tuple[str | None, ...] | None) -> Any:
    """Runs in a Python worker."""
    try:
        return shipped.value.load(names).classifier().labels
    except NoProbabilitiesError as exc:
        return exc
    except ModelUnloadableError as exc:
        return exc.parameters


def result_type(request: Request, labels: Labels | None) -> T.DataType:
    """The Spark type of the predictions, or of the probabilities of ``labels``."""
    return request.model.signature.result if labels is None else T.MapType(labels.type, T.DoubleType())


def build(
    request: Request,
    shipped: Broadcast[PackedModel],
    labels: Labels | None,
    *,
    native: bool,
    trees: Broadcast[PackedTrees] | None = None,
) -> Scorer:
    """The function that scores with a model that was shipped, a scalar Arrow UDF.

    Args:
        request: what the predictions are to be.
        shipped: the model.
        labels: its class labels, where their probabilities are asked for.
        native: whether the model is called without MLflow.
        trees: its trees, if they were compiled.
    """
    return Scorer(
        model=shipped,
        features=tuple(map(_feature, request.inputs)),
        absent=tuple(_absent(column, request) for column in request.absent),
        result=_arrow_result(request, labels),
        output=request.model.signature.output,
        timezone=request.timezone,
        on_null=request.on_null,
        lenient=request.lenient,
        params=None if request.params is None else dict(request.params),
        shapes=request.model.signature.shapes,
        labels=None if labels is None else labels.values,
        native=native,
        trees=trees,
    )


def _feature(column: Input) -> Feature:
    return Feature(column.name, column.dtype, column.shape, column.required, column.label)


def _absent(column: Input, request: Request) -> Absent:
    place = request.model.signature.inputs.index(column)
    return Absent(_feature(column), place, missing_type(arrow_type(column.type)))


def _arrow_result(request: Request, labels: Labels | None) -> pa.DataType:
    optional = request.model.signature.optional if labels is None else frozenset()
    return arrow_type(result_type(request, labels), optional)


def _archive(source: Path, label: str) -> PackedModel:
    """One uncompressed archive in an unnamed temporary file, mapped into memory but never read into it."""
    with tempfile.TemporaryFile(prefix="lakepredict-") as file:
        with tarfile.open(fileobj=file, mode="w:") as archive:
            archive.add(source, arcname=".")
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return PackedModel(mapped, hashlib.sha256(mapped).hexdigest(), label)
