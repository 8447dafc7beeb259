"""The Arrow types of Spark types, as Python workers exchange them with Spark; pure."""

from __future__ import annotations

from collections.abc import Set

import pyarrow as pa
from pyspark.sql import types as T

from lakepredict._worker.results import OPTIONAL

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


def arrow_type(result: T.DataType, optional: Set[str] = frozenset(), prefix: str = "") -> pa.DataType:
    """Return the Arrow type of a result type; what PySpark has for it takes other arguments in each release.

    Args:
        result: the Spark type.
        optional: the paths of what may be absent, which the metadata of its Arrow field says.
        prefix: the path to ``result``, with a dot behind it.
    """
    inside = f"{prefix.removesuffix('.')}[]."
    if isinstance(result, T.ArrayType):
        return pa.list_(pa.field("element", arrow_type(result.elementType, optional, inside)))
    if isinstance(result, T.MapType):
        return pa.map_(arrow_type(result.keyType), arrow_type(result.valueType, optional, inside))
    if isinstance(result, T.StructType):
        return pa.struct([_arrow_field(part, optional, f"{prefix}{part.name}") for part in result.fields])
    return ARROW_TYPES[type(result)]


def _arrow_field(part: T.StructField, optional: Set[str], path: str) -> pa.Field:
    field = pa.field(part.name, arrow_type(part.dataType, optional, f"{path}."))
    return field.with_metadata(OPTIONAL) if path in optional else field
