"""Structs of a query as the structs that a model takes: field by field, at any depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import types as T

from lakepredict._casts import PLACE, has_places
from lakepredict._jvm.expressions import (
    is_vector,
    let,
    literal,
    new_lambda,
    new_variable,
    shaped,
    struct_field,
)
from lakepredict._jvm.gateway import Gateway, class_name


def rebuilt(gateway: Gateway, value: Any, plan_type: T.DataType, timezone: str) -> Any:
    """Return an expression as one of a plan type, whose struct fields say where they are taken from.

    NULL stays NULL. What a struct is made of stands in the result once, however many fields the struct has.
    """
    if isinstance(plan_type, T.StructType) and has_places(plan_type):
        return _once(gateway, value, lambda struct: _struct(gateway, struct, plan_type, timezone))
    if isinstance(plan_type, T.ArrayType) and has_places(plan_type):
        element = new_variable(gateway, value.dataType().elementType())
        body = rebuilt(gateway, element, plan_type.elementType, timezone)
        return gateway("catalyst.expressions.ArrayTransform")(value, new_lambda(gateway, [element], body))
    if isinstance(plan_type, T.MapType) and has_places(plan_type):
        key, item = (new_variable(gateway, part) for part in (value.dataType().keyType(), value.dataType().valueType()))
        body = rebuilt(gateway, item, plan_type.valueType, timezone)
        return gateway("catalyst.expressions.TransformValues")(value, new_lambda(gateway, [key, item], body))
    if is_vector(value):
        value = shaped(gateway, value, as_vector=False)
    wanted = gateway("org.apache.spark.sql.types.DataType").fromJson(plan_type.json())
    return gateway("catalyst.expressions.Cast")(value, wanted, gateway.option(timezone))


def _struct(gateway: Gateway, struct: Any, plan_type: T.StructType, timezone: str) -> Any:
    parts: list[Any] = []
    for part in plan_type.fields:
        taken = struct_field(gateway, struct, part.metadata[PLACE])
        parts += [literal(gateway, part.name), rebuilt(gateway, taken, part.dataType, timezone)]
    built = gateway("catalyst.expressions.CreateNamedStruct")(gateway.seq(parts))
    null = gateway("catalyst.expressions.Literal")(None, built.dataType())
    return gateway("catalyst.expressions.If")(gateway("catalyst.expressions.IsNull")(struct), null, built)


def _once(gateway: Gateway, value: Any, build: Callable[[Any], Any]) -> Any:
    """Return what is built of a value, which is bound to a variable unless it is cheap to write again."""
    if _is_cheap(value):
        return build(value)
    variable = new_variable(gateway, value.dataType())
    return let(gateway, variable, value, build(variable))


def _is_cheap(value: Any) -> bool:
    """Return whether a value is a column, a variable, or a field of one."""
    while class_name(value) == "GetStructField":
        value = value.child()
    return bool(value.children().isEmpty())
