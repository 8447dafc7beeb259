"""Which Spark type may become which."""

import pytest
from pyspark.sql import types as T

from lakepredict._casts import (
    PLACE,
    FieldAmbiguousError,
    FieldMissingError,
    FieldUnsafeError,
    Matcher,
    has_struct,
    is_safe,
    without_places,
)

SCALARS = {
    "void": T.NullType(),
    "bool": T.BooleanType(),
    "i8": T.ByteType(),
    "i16": T.ShortType(),
    "i32": T.IntegerType(),
    "i64": T.LongType(),
    "f32": T.FloatType(),
    "f64": T.DoubleType(),
    "dec": T.DecimalType(10, 2),
    "str": T.StringType(),
    "bin": T.BinaryType(),
    "date": T.DateType(),
    "ts": T.TimestampType(),
    "ntz": T.TimestampNTZType(),
    "time": T.TimeType(),
    "days": T.DayTimeIntervalType(),
    "mon": T.YearMonthIntervalType(),
    "var": T.VariantType(),
}
MATRIX = """
      void bool i8 i16 i32 i64 f32 f64 dec str bin date ts ntz time days mon var
void   x    x    x  x   x   x   x   x   x   x   x   x    x  x   x    x    x   x
bool   .    x    .  .   .   .   .   .   .   .   .   .    .  .   .    .    .   .
i8     .    .    x  x   x   x   x   x   .   .   .   .    .  .   .    .    .   .
i16    .    .    .  x   x   x   x   x   .   .   .   .    .  .   .    .    .   .
i32    .    .    .  .   x   x   x   x   .   .   .   .    .  .   .    .    .   .
i64    .    .    .  .   .   x   x   x   .   .   .   .    .  .   .    .    .   .
f32    .    .    .  .   .   .   x   x   .   .   .   .    .  .   .    .    .   .
f64    .    .    .  .   .   .   .   x   .   .   .   .    .  .   .    .    .   .
dec    .    .    .  .   .   .   x   x   x   .   .   .    .  .   .    .    .   .
str    .    .    .  .   .   .   .   .   .   x   .   .    .  .   .    .    .   .
bin    .    .    .  .   .   .   .   .   .   .   x   .    .  .   .    .    .   .
date   .    .    .  .   .   .   .   .   .   .   .   x    x  x   .    .    .   .
ts     .    .    .  .   .   .   .   .   .   .   .   .    x  .   .    .    .   .
ntz    .    .    .  .   .   .   .   .   .   .   .   .    x  x   .    .    .   .
time   .    .    .  .   .   .   .   .   .   .   .   .    .  .   x    .    .   .
days   .    .    .  .   .   .   .   .   .   .   .   .    .  .   .    x    .   .
mon    .    .    .  .   .   .   .   .   .   .   .   .    .  .   .    .    x   .
var    .    .    .  .   .   .   .   .   .   .   .   .    .  .   .    .    .   x
"""
"""What is given (left) may become what is wanted (top)."""


def pairs() -> list[tuple[str, str, bool]]:
    """The matrix, cell by cell."""
    head, *rows = [line.split() for line in MATRIX.strip().splitlines()]
    return [(name, wanted, cell == "x") for name, *cells in rows for wanted, cell in zip(head, cells, strict=True)]


def struct(**fields: T.DataType) -> T.StructType:
    """A struct of nullable fields."""
    return T.StructType([T.StructField(name, kind) for name, kind in fields.items()])


@pytest.mark.parametrize(("given", "wanted", "expected"), pairs())
def test_scalars(given, wanted, expected):
    """A scalar may become another one exactly where the matrix says so."""
    assert expected is is_safe(SCALARS[given], SCALARS[wanted])


def test_matrix_is_whole():
    """The matrix has a cell for each ordered pair of scalar types."""
    expected = {(given, wanted) for given in SCALARS for wanted in SCALARS}

    assert expected == {(given, wanted) for given, wanted, _ in pairs()}


@pytest.mark.parametrize("wanted", [T.StringType(), *SCALARS.values()], ids=str)
@pytest.mark.parametrize(
    "given",
    [T.ArrayType(T.LongType()), T.MapType(T.StringType(), T.LongType()), struct(a=T.LongType())],
    ids=str,
)
def test_nested_type_and_scalar(given, wanted):
    """No nested type may become a scalar, and no scalar but NULL a nested type."""
    expected = isinstance(wanted, T.NullType)

    assert not is_safe(given, wanted)
    assert expected is is_safe(wanted, given)


@pytest.mark.parametrize("other", [T.MapType(T.LongType(), T.LongType()), struct(element=T.LongType())], ids=str)
def test_nested_types_of_another_kind(other):
    """An array, a map and a struct may not become one another."""
    assert not is_safe(T.ArrayType(T.LongType()), other)
    assert not is_safe(other, T.ArrayType(T.LongType()))


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        (T.LongType(), T.LongType(), True),
        (T.IntegerType(), T.DoubleType(), True),
        (T.DoubleType(), T.IntegerType(), False),
        (T.StringType(), T.DoubleType(), False),
        (T.LongType(), T.StringType(), False),
        (T.NullType(), T.DoubleType(), True),
        (T.ArrayType(T.IntegerType()), T.ArrayType(T.LongType()), True),
        (T.ArrayType(T.LongType()), T.ArrayType(T.IntegerType()), False),
        (T.ArrayType(T.LongType()), T.LongType(), False),
    ],
    ids=str,
)
def test_inside_nested_types(given, wanted, expected):
    """Elements, keys, values and fields follow the rule for their own types."""
    key = T.StringType()

    assert expected is is_safe(T.ArrayType(given), T.ArrayType(wanted))
    assert expected is is_safe(T.MapType(key, given), T.MapType(key, wanted))
    assert expected is is_safe(T.MapType(given, key), T.MapType(wanted, key))
    assert expected is is_safe(struct(a=key, b=given), struct(a=key, b=wanted))


def test_nullability_inside_nested_types():
    """Whether elements, values or fields may be NULL plays no part."""
    nullable, strict = T.ArrayType(T.LongType(), True), T.ArrayType(T.LongType(), False)

    assert is_safe(nullable, strict)
    assert is_safe(strict, nullable)
    assert is_safe(T.StructType([T.StructField("a", strict, False)]), struct(a=nullable))


@pytest.mark.parametrize(
    "given",
    [
        struct(a=T.LongType()),
        struct(a=T.LongType(), b=T.LongType(), c=T.LongType()),
        struct(b=T.LongType(), a=T.LongType()),
        struct(a=T.LongType(), B=T.LongType()),
        struct(),
    ],
    ids=str,
)
def test_structs_of_other_fields(given):
    """A struct may not become one of other fields, or of the same fields in another order."""
    wanted = struct(a=T.LongType(), b=T.LongType())

    assert not is_safe(given, wanted)
    assert not is_safe(wanted, given)


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ((10, 2), (10, 2), True),
        ((10, 2), (12, 2), True),
        ((10, 2), (12, 4), True),
        ((10, 2), (11, 4), False),
        ((10, 2), (10, 4), False),
        ((10, 2), (38, 1), False),
        ((10, 2), (9, 2), False),
        ((5, 0), (7, 2), True),
        ((38, 38), (38, 0), False),
    ],
)
def test_decimals(given, wanted, expected):
    """A decimal may become one with no fewer digits on either side of the point."""
    assert expected is is_safe(T.DecimalType(*given), T.DecimalType(*wanted))


def test_decimal_of_any_precision_and_floating_point():
    """Every decimal may become floating point, and no floating point a decimal."""
    largest = T.DecimalType(38, 0)

    assert is_safe(largest, T.DoubleType())
    assert is_safe(largest, T.FloatType())
    assert not is_safe(T.DoubleType(), T.DecimalType(38, 18))


def test_collations():
    """Strings of different collations may become one another."""
    assert is_safe(T.StringType("UTF8_LCASE"), T.StringType())


# --- structs -----------------------------------------------------------------------------------------------

LONG, DOUBLE, STRING = T.LongType(), T.DoubleType(), T.StringType()
ORDER = struct(items=T.ArrayType(struct(sku=STRING, count=LONG, note=STRING)), total=DOUBLE)
"""What a model takes in these tests, with an optional ``items[].note``."""


def plan_type(given: T.DataType, wanted: T.DataType = ORDER, *, case_sensitive: bool = False) -> T.DataType:
    """The type to make of an argument called ``order``."""
    matcher = Matcher(
        optional={"items[].note"},
        same_name=lambda left, right: left == right if case_sensitive else left.lower() == right.lower(),
        root="order",
    )
    return matcher.plan_type(given, wanted)


def from_place(place: int, name: str, kind: T.DataType) -> T.StructField:
    """A field that is taken from a place."""
    return T.StructField(name, kind, True, {PLACE: place})


def items_of(**fields: T.DataType) -> T.StructType:
    """An order with items of these fields."""
    return struct(total=T.IntegerType(), items=T.ArrayType(struct(**fields)))


def test_fields_in_another_order():
    """Fields are matched by name in any order, surplus ones left out, optional ones left away, and types widened."""
    given = items_of(count=T.IntegerType(), more=T.VariantType(), SKU=STRING)
    item = T.StructType([from_place(2, "sku", STRING), from_place(0, "count", LONG)])
    expected = T.StructType([from_place(1, "items", T.ArrayType(item)), from_place(0, "total", DOUBLE)])
    plain = struct(items=T.ArrayType(struct(sku=STRING, count=LONG)), total=DOUBLE)

    assert expected == plan_type(given)
    assert [part.metadata for part in expected.fields] == [part.metadata for part in plan_type(given).fields]
    assert plain == without_places(expected)


@pytest.mark.parametrize(
    ("given", "error", "path"),
    [
        (items_of(count=LONG), FieldMissingError, "order.items[].sku"),
        (struct(total=DOUBLE), FieldMissingError, "order.items"),
        (items_of(sku=STRING, Sku=STRING, SKU=STRING, count=LONG), None, ""),
        (items_of(Sku=STRING, SKU=STRING, count=LONG), FieldAmbiguousError, "order.items[].sku"),
        (items_of(sku=STRING, count=DOUBLE), FieldUnsafeError, "order.items[].count"),
        (items_of(sku=struct(a=STRING), count=LONG), FieldUnsafeError, "order.items[].sku"),
        (STRING, FieldUnsafeError, ""),
    ],
)
def test_fields_that_do_not_fit(given, error, path):
    """A field that is missing, there twice or of a wrong type is named by its path."""
    if error is None:
        assert plan_type(given) is not None
        return
    with pytest.raises(error) as raised:
        plan_type(given)

    assert path == str(raised.value)


def test_fields_of_a_case_sensitive_session():
    """Where names are case-sensitive, a field of another case is missing."""
    with pytest.raises(FieldMissingError, match="sku"):
        plan_type(items_of(SKU=STRING, count=LONG), case_sensitive=True)


def test_structs_in_maps():
    """The values of a MAP are matched as elements of an ARRAY are."""
    given, wanted = T.MapType(STRING, struct(b=LONG, a=LONG)), T.MapType(STRING, struct(a=DOUBLE, b=LONG))
    value = T.StructType([from_place(1, "a", DOUBLE), from_place(0, "b", LONG)])

    assert T.MapType(STRING, value) == plan_type(given, wanted)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ORDER, True),
        (T.ArrayType(ORDER), True),
        (T.MapType(STRING, ORDER), True),
        (T.ArrayType(LONG), False),
        (LONG, False),
    ],
    ids=str,
)
def test_has_struct(kind, expected):
    """A struct is found at any depth."""
    assert expected is has_struct(kind)
