"""Which Spark type may become which without a possible loss, and how structs are matched: one table; pure.

Integers and decimals may become floating point, as Spark SQL itself lets them, and dates the first instant of their
day. Nothing but a string becomes a string, though Spark would allow it: ``1.0`` would silently turn into the unknown
category ``'1.0'``.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace

from pyspark.sql import types as T

PLACE = "place"
"""The metadata of a struct's field in a plan type: the place of the field that it is taken from."""

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
    """Return whether a CAST gives every value of ``given`` its equal in ``wanted``; a NULL literal fits every type.

    A CAST takes the fields of a struct by position, so they have to have the same names in the same order.
    """
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


class FieldMissingError(Exception):
    """A struct lacks a field that the model needs.

    Attributes:
        path: of the field, as ``order.items[].sku``.
        wanted: its type.
    """

    def __init__(self, path: str, wanted: T.DataType) -> None:
        super().__init__(path)
        self.path, self.wanted = path, wanted


class FieldAmbiguousError(Exception):
    """Two fields of a struct have one name; the message is its path."""


class FieldUnsafeError(Exception):
    """A value does not become another type without a possible loss.

    Attributes:
        path: of the value, empty for the argument itself.
        given: its type.
        wanted: the type that the model takes.
    """

    def __init__(self, path: str, given: T.DataType, wanted: T.DataType) -> None:
        super().__init__(path)
        self.path, self.given, self.wanted = path, given, wanted


@dataclass(frozen=True)
class Matcher:
    """Finds for each part of what a model takes the part of an argument that it is made of.

    Fields of structs are matched by name: in any order, with surplus ones left out, and without those that are optional
    and not there.

    Attributes:
        optional: the paths of the fields that may be absent, from the argument on.
        same_name: whether two names are one to the session.
        root: the name of the argument, for messages.
        path: from the argument to the value at hand.
    """

    optional: Set[str]
    same_name: Callable[[str, str], bool]
    root: str
    path: str = field(default="")

    def plan_type(self, given: T.DataType, wanted: T.DataType) -> T.DataType:
        """Return the type to make of an argument, whose struct fields say where they are taken from (``PLACE``).

        Raises:
            FieldMissingError: a needed field is not there.
            FieldAmbiguousError: a field is there twice.
            FieldUnsafeError: the value, or a field, would lose something.
        """
        if isinstance(given, T.StructType) and isinstance(wanted, T.StructType):
            places = [(self._place(given, part), part) for part in wanted.fields]
            return T.StructType([self._field(given, place, part) for place, part in places if place is not None])
        if isinstance(given, T.ArrayType) and isinstance(wanted, T.ArrayType):
            return T.ArrayType(self._inside("[]").plan_type(given.elementType, wanted.elementType))
        if isinstance(given, T.MapType) and isinstance(wanted, T.MapType):
            key = self._inside("[]").plan_type(given.keyType, wanted.keyType)
            return T.MapType(key, self._inside("[]").plan_type(given.valueType, wanted.valueType))
        if not is_safe(given, wanted):
            raise FieldUnsafeError(f"{self.root}{self.path}" if self.path else "", given, wanted)
        return wanted

    def _place(self, given: T.StructType, wanted: T.StructField) -> int | None:
        """Return the place of a field, or None for an optional one that is not there."""
        places = [place for place, name in enumerate(given.names) if self.same_name(name, wanted.name)]
        exact = [place for place in places if given.names[place] == wanted.name]
        if len(exact) == 1:
            return exact[0]
        below = self._inside(f".{wanted.name}")
        if len(places) > 1:
            raise FieldAmbiguousError(f"{below.root}{below.path}")
        if not places and below.path.removeprefix(".") not in self.optional:
            raise FieldMissingError(f"{below.root}{below.path}", wanted.dataType)
        return places[0] if places else None

    def _field(self, given: T.StructType, place: int, wanted: T.StructField) -> T.StructField:
        inner = self._inside(f".{wanted.name}").plan_type(given.fields[place].dataType, wanted.dataType)
        return T.StructField(wanted.name, inner, True, {PLACE: place})

    def _inside(self, step: str) -> Matcher:
        return replace(self, path=f"{self.path}{step}")


def without_places(plan_type: T.DataType) -> T.DataType:
    """Return a plan type as the plain type of what comes out."""
    if isinstance(plan_type, T.StructType):
        return T.StructType([T.StructField(part.name, without_places(part.dataType)) for part in plan_type.fields])
    if isinstance(plan_type, T.ArrayType):
        return T.ArrayType(without_places(plan_type.elementType))
    if isinstance(plan_type, T.MapType):
        return T.MapType(without_places(plan_type.keyType), without_places(plan_type.valueType))
    return plan_type


def has_places(plan_type: T.DataType) -> bool:
    """Return whether a plan type has a struct whose fields say where they are taken from."""
    if isinstance(plan_type, T.ArrayType):
        return has_places(plan_type.elementType)
    if isinstance(plan_type, T.MapType):
        return has_places(plan_type.valueType)
    if not isinstance(plan_type, T.StructType):
        return False
    # A struct of optional fields alone, none of which is there, has none to say it.
    return not plan_type.fields or PLACE in plan_type.fields[0].metadata


def has_struct(spark_type: T.DataType) -> bool:
    """Return whether a type is a struct, or has one in it."""
    if isinstance(spark_type, T.ArrayType):
        return has_struct(spark_type.elementType)
    if isinstance(spark_type, T.MapType):
        return has_struct(spark_type.keyType) or has_struct(spark_type.valueType)
    return isinstance(spark_type, T.StructType)
