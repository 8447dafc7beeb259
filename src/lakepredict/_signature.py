"""MLflow model signatures as Spark types: two tables and an explicit list of what is unsupported; pure.

What MLflow calls a signature is read once, when a model version is resolved, and travels as a frozen
:class:`Signature` of Spark types from there on. Nothing here starts Spark or reads a file.

The types are those of MLflow's model signature format (``mlflow.types.DataType``, ``mlflow.types.schema``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, ParamSpec
from pyspark.sql import types as T

SPARK_TYPES: dict[DataType, T.DataType] = {
    DataType.boolean: T.BooleanType(),
    DataType.integer: T.IntegerType(),
    DataType.long: T.LongType(),
    DataType.float: T.FloatType(),
    DataType.double: T.DoubleType(),
    DataType.string: T.StringType(),
    DataType.binary: T.BinaryType(),
    DataType.datetime: T.TimestampType(),
}
"""MLflow column type -> Spark type."""

TENSOR_TYPES: dict[str, T.DataType] = {
    "bool": T.BooleanType(),
    "int8": T.ByteType(),
    "int16": T.ShortType(),
    "int32": T.IntegerType(),
    "int64": T.LongType(),
    "uint8": T.ShortType(),
    "uint16": T.IntegerType(),
    "uint32": T.LongType(),
    "float16": T.FloatType(),
    "float32": T.FloatType(),
    "float64": T.DoubleType(),
}
"""NumPy type of a tensor -> the smallest Spark type that holds each of its values; text is STRING, bytes are BINARY."""

UNSUPPORTED = (
    "uint64, complex and datetime tensors, tensors whose first dimension is not the rows (-1) or whose inner shape is"
    " unknown, and MLflow's Any type"
)
"""What has no SQL type; raised, never guessed."""


class UnsupportedTypeError(Exception):
    """A part of a signature that has no Spark type; the message names it."""


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Attributes:
        name: the column name, or None where the signature names none (tensors).
        type: the Spark type that the plan casts the argument to.
        required: whether a call without it is an error.
        dtype: the NumPy type of a tensor, or None for a column.
        shape: the size of each dimension of a tensor's row; -1 where it is not fixed.
    """

    name: str | None
    type: T.DataType
    required: bool = True
    dtype: str | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Signature:
    """What a model takes and what SQL gets from it.

    Attributes:
        inputs: the model's inputs in the order of the signature.
        result: the Spark type of ``PREDICT``: that of the single output, or a STRUCT of several.
        tensor: whether the model takes one tensor instead of named columns.
        parameters: the inference parameters that the model takes.
        shapes: the size of each dimension of a row of each output, where the outputs are tensors.
        output: the name of the single output, or None where it has none or there are several.
    """

    inputs: tuple[Input, ...]
    result: T.DataType
    tensor: bool = False
    parameters: tuple[ParamSpec, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    output: str | None = None


def read_signature(signature: ModelSignature) -> Signature:
    """Translate an MLflow signature that has inputs and outputs.

    Raises:
        UnsupportedTypeError: a type or a shape has no Spark type.
    """
    inputs = signature.inputs
    tensor = inputs.is_tensor_spec() and not inputs.has_input_names()
    return Signature(
        inputs=_tensor_inputs(inputs.inputs[0]) if tensor else tuple(_input(spec) for spec in inputs),
        result=_result_type(signature.outputs),
        output=signature.outputs.inputs[0].name if len(signature.outputs.inputs) == 1 else None,
        tensor=tensor,
        parameters=tuple(signature.params or ()),
        shapes=tuple(tuple(spec.shape[1:]) for spec in signature.outputs) if signature.outputs.is_tensor_spec() else (),
    )


def _input(spec: ColSpec | TensorSpec) -> Input:
    if isinstance(spec, TensorSpec):
        return Input(spec.name, _tensor_type(spec), spec.required, spec.type.name, tuple(spec.shape[1:]))
    return Input(spec.name, spark_type(spec.type), spec.required)


def _tensor_inputs(spec: TensorSpec) -> tuple[Input, ...]:
    """An unnamed tensor of shape (-1, n) is n scalars; any other is one array per row."""
    whole = _input(spec)
    if len(whole.shape) == 1 and whole.shape[0] > 1:
        return (Input(None, _scalar_tensor_type(spec.type), True, whole.dtype),) * whole.shape[0]
    return (whole,)


def label_type(labels: Any) -> T.DataType:
    """The Spark type of class labels, a NumPy array of one type.

    Raises:
        UnsupportedTypeError: there is none.
    """
    if labels.dtype.kind not in "US" and labels.dtype.name not in TENSOR_TYPES:
        raise UnsupportedTypeError(f"labels of type {labels.dtype.name}")
    return TENSOR_TYPES.get(labels.dtype.name, T.StringType())


def _result_type(outputs: Schema) -> T.DataType:
    specs = list(outputs)
    if len(specs) == 1:
        return _output_type(specs[0])
    fields = [
        T.StructField(spec.name or f"output_{position}", _output_type(spec)) for position, spec in enumerate(specs)
    ]
    return T.StructType(fields)


def _output_type(spec: ColSpec | TensorSpec) -> T.DataType:
    return _tensor_type(spec) if isinstance(spec, TensorSpec) else spark_type(spec.type)


def _tensor_type(spec: TensorSpec) -> T.DataType:
    """The first dimension is the rows; each further one is a level of ARRAY, except a single one of size 1."""
    if not spec.shape or spec.shape[0] != -1 or any(size < 0 for size in spec.shape[2:]):
        raise UnsupportedTypeError(f"a tensor of shape {spec.shape}")
    kind = _scalar_tensor_type(spec.type)
    for _ in () if spec.shape[1:] == (1,) else spec.shape[1:]:
        kind = T.ArrayType(kind)
    return kind


def _scalar_tensor_type(dtype: np.dtype[Any]) -> T.DataType:
    if dtype.kind in "OU":
        return T.StringType()
    if dtype.kind == "S":
        return T.BinaryType()
    if dtype.name not in TENSOR_TYPES:
        raise UnsupportedTypeError(f"a tensor of type {dtype.name}")
    return TENSOR_TYPES[dtype.name]


def spark_type(kind: DataType | Array | Object | Map | AnyType) -> T.DataType:
    """The Spark type of a column type of MLflow.

    Raises:
        UnsupportedTypeError: there is none.
    """
    if isinstance(kind, DataType):
        return SPARK_TYPES[kind]
    if isinstance(kind, Array):
        return T.ArrayType(spark_type(kind.dtype))
    if isinstance(kind, Map):
        return T.MapType(T.StringType(), spark_type(kind.value_type))
    if isinstance(kind, Object):
        fields = [T.StructField(each.name, spark_type(each.dtype)) for each in kind.properties]
        return T.StructType(fields)
    raise UnsupportedTypeError(f"the type {kind}")
