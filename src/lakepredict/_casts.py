"""Which Spark type may become which without a possible loss: one table; pure.

Integers and decimals may become floating point, as Spark SQL itself lets them, and dates the first instant of their
day. Nothing but a string becomes a string, though Spark would allow it: ``1.0`` would silently turn into the unknown
category ``'1.0'``.
"""

from __future__ import annotations

from pyspark.sql import types as T

WIDENINGS: dict[type[T.DataType], tuple[type[T.DataType], ...]] = {
    T.ByteType: (T.ShortType, T.IntegerType, T.LongType, T.FloatType, T.DoubleType),
    T.ShortType: (T.IntegerType, T.LongType, T.FloatType, T.DoubleType),
    T.IntegerType: (T.LongType, T.FloatType, T.DoubleType),
    T.LongType: (T.FloatType, T.DoubleType),
    T.FloatType: (T.DoubleType,),
    T.DecimalType: (T.FloatType, T.DoubleType),
    T.DateType: (T.TimestampType, T.TimestampNTZType),
    T.TimestampNTZType: (T.TimestampType,),
}
"""Scalar type -> the types it may be cast to."""


def is_safe(given: T.DataType, wanted: T.DataType) -> bool:
    """Whether every value of ``given`` has a counterpart in ``wanted``; a NULL literal fits every type."""
    if type(given) is type(wanted):
        return _is_safe_inside(given, wanted)
    return isinstance(given, T.NullType) or type(wanted) in WIDENINGS.get(type(given), ())


def _is_safe_inside(given: T.DataType, wanted: T.DataType) -> bool:
    if isinstance(given, T.ArrayType) and isinstance(wanted, T.ArrayType):
        return is_safe(given.elementType, wanted.elementType)
    if isinstance(given, T.MapType) and isinstance(wanted, T.MapType):
        return is_safe(given.keyType, wanted.keyType) and is_safe(given.valueType, wanted.valueType)
    if isinstance(given, T.StructType) and isinstance(wanted, T.StructType):
        return given.names == wanted.names and all(
            is_safe(left.dataType, right.dataType) for left, right in zip(given.fields, wanted.fields, strict=True)
        )
    if isinstance(given, T.DecimalType) and isinstance(wanted, T.DecimalType):
        return given.precision - given.scale <= wanted.precision - wanted.scale and given.scale <= wanted.scale
    return True
