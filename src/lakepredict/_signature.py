"""MLflow model signatures as Spark types: two tables and an explicit list of what is unsupported; pure.

What MLflow calls a signature is read once, when a model version is resolved, and travels as a frozen
:class:`Signature` of Spark types from there on. Nothing here starts Spark or reads a file.

The types are those of MLflow's model signature format (``mlflow.types.DataType``, ``mlflow.types.schema``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        name: the column name as SQL has it, or None where the signature names none (tensors).
        type: the Spark type that the plan casts the argument to.
        required: whether a call without it is an error.
        dtype: the NumPy type of a tensor, or None for a column.
        shape: the size of each dimension of a tensor's row; -1 where it is not fixed.
        label: the column name in the model's data frame where that is no text: the number 0 of
            ``pandas.DataFrame(matrix)``, which is ``0`` in SQL; else None.
        optional: the paths of the fields of structs in it that may be absent, as ``items[].note``.
    """

    name: str | None
    type: T.DataType
    required: bool = True
    dtype: str | None = None
    shape: tuple[int, ...] = ()
    label: float | None = None
    optional: frozenset[str] = frozenset()


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
        optional: the paths of what may be absent in the result: outputs, and fields of structs, as ``items[].note``.
    """

    inputs: tuple[Input, ...]
    result: T.DataType
    tensor: bool = False
    parameters: tuple[ParamSpec, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    output: str | None = None
    optional: frozenset[str] = frozenset()


def read_signature(signature: ModelSignature) -> Signature:
    """Translate an MLflow signature that has inputs and outputs.

    Raises:
        UnsupportedTypeError: a type or a shape has no Spark type.
    """
    inputs, outputs = signature.inputs, signature.outputs.inputs
    tensor = inputs.is_tensor_spec() and not inputs.has_input_names()
    return Signature(
        inputs=_tensor_inputs(inputs.inputs[0]) if tensor else _named_inputs(inputs),
        result=_result_type(outputs),
        output=_column_name(outputs[0]) if len(outputs) == 1 else None,
        optional=_optional_outputs(outputs),
        tensor=tensor,
        parameters=tuple(signature.params or ()),
        shapes=tuple(tuple(spec.shape[1:]) for spec in signature.outputs) if signature.outputs.is_tensor_spec() else (),
    )


def _named_inputs(schema: Schema) -> tuple[Input, ...]:
    inputs = tuple(_input(spec) for spec in schema)
    known: set[str] = set()
    for column in inputs:
        if column.name in known:
            raise UnsupportedTypeError(f"two inputs named {column.name}")
        if column.name is not None:
            known.add(column.name)
    return inputs


def _input(spec: ColSpec | TensorSpec) -> Input:
    name = _column_name(spec)
    if isinstance(spec, TensorSpec):
        return Input(name, _tensor_type(spec), spec.required, spec.type.name, tuple(spec.shape[1:]))
    label: Any = None if isinstance(spec.name, str) else spec.name
    optional = frozenset(_optional_fields(spec.type, ""))
    return Input(name, spark_type(spec.type), spec.required, label=label, optional=optional)


def _column_name(spec: ColSpec | TensorSpec) -> str | None:
    """Return the name of a column in SQL; MLflow keeps pandas' own, which may be a number.

    Raises:
        UnsupportedTypeError: it is neither text nor a number: a column of several levels has a list.
    """
    if spec.name is None or isinstance(spec.name, (str, int, float)):
        return None if spec.name is None else str(spec.name)
    raise UnsupportedTypeError(f"a column named {spec.name}")


def _optional_outputs(specs: Sequence[ColSpec | TensorSpec]) -> frozenset[str]:
    """Return the paths of what may be absent in the result."""
    if len(specs) == 1:
        return frozenset(_optional_fields(specs[0].type, ""))
    paths: set[str] = set()
    for position, spec in enumerate(specs):
        name = _output_name(position, spec)
        paths.update(_optional_fields(spec.type, f"{name}."))
        if not spec.required:
            paths.add(name)
    return frozenset(paths)


def _optional_fields(column_type: Any, prefix: str) -> Iterator[str]:
    """Yield the paths of the optional fields of the structs in a column type of MLflow."""
    if isinstance(column_type, Array):
        yield from _optional_fields(column_type.dtype, f"{prefix.removesuffix('.')}[].")
    elif isinstance(column_type, Map):
        yield from _optional_fields(column_type.value_type, f"{prefix.removesuffix('.')}[].")
    elif isinstance(column_type, Object):
        for field in column_type.properties:
            if not field.required:
                yield f"{prefix}{field.name}"
            yield from _optional_fields(field.dtype, f"{prefix}{field.name}.")


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


def _result_type(specs: Sequence[ColSpec | TensorSpec]) -> T.DataType:
    if len(specs) == 1:
        return _output_type(specs[0])
    return T.StructType(
        [T.StructField(_output_name(position, spec), _output_type(spec)) for position, spec in enumerate(specs)]
    )


def _output_name(position: int, spec: ColSpec | TensorSpec) -> str:
    return _column_name(spec) or f"output_{position}"


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
