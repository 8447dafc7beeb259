"""Arguments of a call against inputs of a model: which feeds which, as what type, or what is wrong."""

import pytest
from pyspark.sql import types as T

from lakepredict._binding import Argument, Binding, bind
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._signature import Input, Signature
from lakepredict.errors import (
    ArgumentCountError,
    ArgumentUnknownError,
    ColumnAmbiguousError,
    ColumnMissingError,
    ColumnSwappedError,
    PredictError,
    TypeUnsafeError,
)

DOUBLE, FLOAT, INT, LONG = T.DoubleType(), T.FloatType(), T.IntegerType(), T.LongType()
STRING, DATE, TIMESTAMP = T.StringType(), T.DateType(), T.TimestampType()
AGE, TENURE, PLAN = Input("age", DOUBLE), Input("tenure", LONG), Input("plan", STRING)
REFERENCE = ModelReference("churn", "champion")


def model(*inputs: Input, tensor: bool = False) -> ResolvedModel:
    """Version 3 of the model 'churn', with these inputs."""
    return ResolvedModel(
        name="churn",
        version=3,
        run_id=None,
        identity=("registry", "churn", "3", "0"),
        flavors=("python_function",),
        signature=Signature(inputs, DOUBLE, tensor),
    )


def column(name: str, kind: T.DataType = DOUBLE) -> Argument:
    """A column of a table, as in ``name``."""
    return Argument(kind, name, sql=name)


def expression(sql: str, kind: T.DataType = DOUBLE) -> Argument:
    """An argument without a name, as in ``age + 1``."""
    return Argument(kind, sql=sql)


def named(name: str, kind: T.DataType = DOUBLE) -> Argument:
    """An argument that the call names, as in ``name => value``."""
    return Argument(kind, name, explicit=True, sql="value")


def whole(name: str, kind: T.StructType) -> Argument:
    """A struct column."""
    return Argument(kind, name, sql=name)


def struct(**fields: T.DataType) -> T.StructType:
    """A struct of nullable fields."""
    return T.StructType([T.StructField(name, kind) for name, kind in fields.items()])


def numbered(arguments: tuple[Argument, ...]) -> list[Argument]:
    """The arguments with their places in the call, which start after the model and the version."""
    return [
        Argument(each.type, each.name, each.explicit, each.sql, (place, None))
        for place, each in enumerate(arguments, 2)
    ]


def bound(
    resolved: ResolvedModel, *arguments: Argument, case_sensitive: bool = False, one_by_one: bool = True
) -> Binding:
    """The binding of a call with these arguments."""
    given = numbered(arguments)
    return bind(REFERENCE, resolved, given, case_sensitive=case_sensitive, one_by_one=one_by_one)


def places(
    resolved: ResolvedModel, *arguments: Argument, case_sensitive: bool = False, one_by_one: bool = True
) -> dict[str, int]:
    """For each bound input, in the order of the signature, the place of its argument among the features."""
    binding = bound(resolved, *arguments, case_sensitive=case_sensitive, one_by_one=one_by_one)
    return {str(each.input.name): each.source[0] - 2 for each in binding.inputs}


def refusal(
    error: type[PredictError],
    resolved: ResolvedModel,
    *arguments: Argument,
    case_sensitive: bool = False,
    one_by_one: bool = True,
) -> str:
    """What is said about a call that is refused."""
    with pytest.raises(error) as caught:
        bound(resolved, *arguments, case_sensitive=case_sensitive, one_by_one=one_by_one)
    return str(caught.value)


CHURN = model(AGE, TENURE, PLAN)


# --- by name -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (("age", "tenure", "plan"), [0, 1, 2]),
        (("plan", "age", "tenure"), [1, 2, 0]),
        (("tenure", "plan", "age"), [2, 0, 1]),
    ],
)
def test_by_name(order, expected):
    """Arguments with the names of the inputs bind in any order; the binding has the signature's order."""
    columns = {"age": column("age"), "tenure": column("tenure", LONG), "plan": column("plan", STRING)}
    bindings = list(zip(("age", "tenure", "plan"), expected, strict=True))

    assert bindings == list(places(CHURN, *(columns[name] for name in order)).items())


def test_surplus_columns():
    """Columns that the model does not take are ignored, of whatever type and however often."""
    expected = {"age": 2, "tenure": 0, "plan": 4}
    surplus = column("id", T.MapType(STRING, LONG))

    assert expected == places(CHURN, column("tenure", LONG), surplus, column("age"), surplus, column("plan", STRING))


@pytest.mark.parametrize("name", ["AGE", "Age", "aGE"])
def test_case_of_names(name):
    """Names compare without regard to case, unless the session says otherwise."""
    expected = {"age": 1}

    assert expected == places(model(AGE), column("id"), column(name))
    assert expected == places(model(AGE), column(name), column("age"), case_sensitive=True)


def test_case_of_input_names():
    """The name of an input may have capitals too."""
    expected = {"Age": 1}

    assert expected == places(model(Input("Age", DOUBLE)), column("id"), column("age"))


def test_case_sensitive_names():
    """Where case matters, a column of another case is none of the model's inputs."""
    message = refusal(ColumnMissingError, model(AGE), column("id"), column("AGE"), case_sensitive=True)

    assert "needs the input `age` (DOUBLE)" in message


def test_inputs_that_differ_by_case():
    """Where case matters, inputs whose names differ by case alone are different inputs."""
    expected = {"x": 1, "X": 0}

    assert expected == places(
        model(Input("x", DOUBLE), Input("X", DOUBLE)), column("X"), column("x"), case_sensitive=True
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([column("age"), column("plan", STRING)], {"age": 0, "plan": 1}),
        ([column("plan", STRING), column("age")], {"age": 1, "plan": 0}),
        ([column("plan", STRING), column("tenure", LONG), column("age")], {"age": 2, "tenure": 1, "plan": 0}),
        ([column("id"), column("plan", STRING), column("age")], {"age": 2, "plan": 1}),
    ],
)
def test_optional_input_by_name(arguments, expected):
    """An optional input that no argument names is left out of the binding."""
    resolved = model(AGE, Input("tenure", LONG, required=False), PLAN)

    assert expected == places(resolved, *arguments)


def test_binding_has_the_model():
    """A binding has the model, and for each input what the signature says of it."""
    binding = bound(CHURN, column("plan", STRING), column("age"), column("tenure", LONG))

    assert binding.model is CHURN
    assert CHURN.signature.inputs == tuple(each.input for each in binding.inputs)


# --- by position -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [expression("18"), expression("2", LONG), expression("'basic'", STRING)],
        [column("a"), column("b", LONG), column("c", STRING)],
        [column("age"), expression("2", LONG), column("plan", STRING)],
        [column("age"), column("months", LONG), column("plan", STRING)],
        [expression("18"), column("TENURE", LONG), expression("'basic'", STRING)],
    ],
    ids=["no names", "other names", "some without names", "one other name", "name in its place"],
)
def test_by_position(arguments):
    """As many arguments as inputs bind by position where names do not settle it."""
    expected = {"age": 0, "tenure": 1, "plan": 2}

    assert expected == places(CHURN, *arguments)


def test_optional_input_by_position():
    """Optional inputs count by position too."""
    resolved = model(AGE, Input("tenure", LONG, required=False))
    expected = {"age": 0, "tenure": 1}

    assert expected == places(resolved, expression("1"), expression("2", LONG))
    assert "expected: 2 (age DOUBLE, tenure BIGINT (optional))" in refusal(
        ArgumentCountError, resolved, expression("1")
    )


@pytest.mark.parametrize(
    ("resolved", "arguments"),
    [
        (model(AGE, Input("height", DOUBLE)), [column("height"), expression("18")]),
        (model(AGE, Input("height", DOUBLE)), [expression("18"), column("age")]),
        (model(AGE, Input("height", DOUBLE)), [column("HEIGHT"), column("years")]),
        (model(AGE, Input("height", DOUBLE)), [column("years"), column("age")]),
        (model(AGE, TENURE, PLAN), [expression("18"), column("plan", LONG), expression("'basic'", STRING)]),
    ],
)
def test_swapped_names(resolved, arguments):
    """An argument that has the name of another input than the one at its place is refused."""
    with pytest.raises(ColumnSwappedError):
        bound(resolved, *arguments)


def test_swapped_names_are_bound_by_name():
    """Where names cover the inputs, their order can swap nothing."""
    expected = {"age": 1, "height": 0}

    assert expected == places(model(AGE, Input("height", DOUBLE)), column("height"), column("age"))


# --- by name => expression ---------------------------------------------------------------------------------


def test_explicit_names():
    """Inputs named by the call bind in any order and without regard to case."""
    expected = {"age": 2, "tenure": 0, "plan": 1}

    assert expected == places(CHURN, named("TENURE", LONG), named("plan", STRING), named("age"))


def test_explicit_names_and_case():
    """Where case matters, a name of another case is unknown."""
    message = refusal(ArgumentUnknownError, model(AGE), named("AGE"), case_sensitive=True)

    assert "the model has no input `AGE`" in message


@pytest.mark.parametrize(
    "arguments",
    [
        [expression("18"), named("plan", STRING), named("tenure", LONG)],
        [named("plan", STRING), expression("18"), named("tenure", LONG)],
        [column("years"), named("plan", STRING), named("tenure", LONG)],
        [column("age"), named("plan", STRING), named("tenure", LONG)],
    ],
)
def test_explicit_names_after_positions(arguments):
    """Arguments without => take the first inputs, those with => the others."""
    first = next(place for place, each in enumerate(arguments) if not each.explicit)
    last = len(arguments) - 1
    expected = {"age": first, "tenure": last, "plan": 3 - first - last}

    assert expected == places(CHURN, *arguments)


def test_explicit_names_and_optional_inputs():
    """An optional input that the call does not name is left out of the binding."""
    resolved = model(AGE, Input("tenure", LONG, required=False), PLAN)
    expected = {"age": 0, "plan": 1}

    assert expected == places(resolved, expression("18"), named("plan", STRING))


def test_columns_and_explicit_names_in_any_order():
    """Columns and explicit names that together cover the inputs bind by name, in any order."""
    expected = {"age": 1, "tenure": 0, "plan": 2}

    assert expected == places(CHURN, column("tenure", LONG), column("age"), named("plan", STRING))


def test_surplus_columns_and_explicit_names():
    """Columns and explicit names that together cover the inputs bind by name, with surplus ignored."""
    expected = {"age": 1, "tenure": 2, "plan": 3}

    assert expected == places(CHURN, column("id", STRING), column("age"), column("tenure", LONG), named("plan", STRING))


def test_explicit_name_in_place_of_a_column():
    """An explicit name goes before a column of that name, and settles which of two columns is meant."""
    expected = {"age": 3, "tenure": 1, "plan": 2}
    whole_row = [column("age"), column("tenure", LONG), column("plan", STRING)]

    assert expected == places(CHURN, *whole_row, named("age"))
    assert expected == places(CHURN, column("AGE"), *whole_row[1:], named("age"), column("age"))


def test_swapped_name_before_explicit_name():
    """An argument at the place of one input with the name of another is refused before => as well."""
    message = refusal(ColumnSwappedError, CHURN, column("tenure"), expression("2", LONG), named("plan", STRING))

    assert "the argument `tenure` stands at the position of the input `age`" in message


def test_too_many_positions_before_explicit_name():
    """More arguments than inputs do not vanish because one of them is named."""
    arguments = [expression(str(number)) for number in range(3)]

    with pytest.raises(ColumnAmbiguousError):
        bound(model(AGE, Input("height", DOUBLE)), *arguments, named("height"))


def test_explicit_name_twice():
    """An input that the call names twice is refused."""
    with pytest.raises(ColumnAmbiguousError):
        bound(model(AGE, TENURE), expression("18"), named("tenure", LONG), named("tenure", LONG))


# --- structs -----------------------------------------------------------------------------------------------


def test_struct_by_the_names_of_its_fields():
    """A single struct binds by its fields; each source is the struct's place and the field's."""
    kind = struct(id=LONG, plan=STRING, AGE=DOUBLE, tenure=LONG)
    expected = [("age", (2, 2)), ("tenure", (2, 3)), ("plan", (2, 1))]

    assert expected == [(each.input.name, each.source) for each in bound(CHURN, whole("row", kind)).inputs]


def test_swapped_field():
    """A field of a struct that has the name of another input than the one at its place does not take that place."""
    message = refusal(
        ColumnMissingError,
        model(AGE, Input("height", DOUBLE)),
        whole("row", struct(height=DOUBLE, years=DOUBLE)),
    )

    assert "needs the input `age`" in message


def test_struct_without_a_name():
    """A struct that is an expression binds by its fields too."""
    expected = [("age", (2, 1))]
    binding = bound(model(AGE), expression("named_struct(...)", struct(id=LONG, age=DOUBLE)))

    assert expected == [(each.input.name, each.source) for each in binding.inputs]


def test_struct_for_a_tensor():
    """The fields of a single struct are the columns of a model that takes a matrix."""
    resolved = model(Input(None, DOUBLE, True, "float64"), Input(None, DOUBLE, True, "float64"), tensor=True)
    expected = [((2, 0), None), ((2, 1), DOUBLE)]
    binding = bound(resolved, whole("row", struct(a=DOUBLE, b=INT)))

    assert expected == [(each.source, each.cast_to) for each in binding.inputs]


def test_model_that_takes_a_struct():
    """A struct for a model whose one input is a struct stays whole."""
    person = struct(age=DOUBLE)
    resolved = model(Input("person", person))
    expected = [((2, None), None)]

    for argument in [
        whole("person", person),
        whole("row", person),
        expression("?", person),
        named("person", person),
    ]:
        binding = bound(resolved, argument)

        assert expected == [(each.source, each.cast_to) for each in binding.inputs]


def test_struct_beside_other_arguments():
    """A struct that is not alone is an argument like any other."""
    person = struct(age=DOUBLE)
    expected = {"person": 1, "age": 0}

    assert expected == places(model(Input("person", person), AGE), column("age"), whole("person", person))


def test_named_struct_stays_whole():
    """A struct that the call gives to an input by name is not opened."""
    with pytest.raises(TypeUnsafeError):
        bound(model(AGE), named("age", struct(age=DOUBLE)))


# --- tensors -----------------------------------------------------------------------------------------------


def test_tensor_by_position():
    """The columns of a matrix bind by position, whatever the names of the arguments."""
    resolved = model(*[Input(None, FLOAT, True, "float32")] * 3, tensor=True)
    expected = [((2, None), None), ((3, None), FLOAT), ((4, None), None)]
    binding = bound(resolved, column("b", FLOAT), column("a", INT), expression("1", FLOAT))

    assert expected == [(each.source, each.cast_to) for each in binding.inputs]


def test_tensor_of_one_array():
    """A model that takes one array per row takes one argument."""
    resolved = model(Input(None, T.ArrayType(DOUBLE), True, "float64"), tensor=True)
    expected = [((2, None), T.ArrayType(DOUBLE))]
    binding = bound(resolved, column("pixels", T.ArrayType(INT)))

    assert expected == [(each.source, each.cast_to) for each in binding.inputs]


def test_matrix_of_one_array():
    """A model of a matrix takes its columns as one array too, cast to the matrix's type."""
    resolved = model(*[Input(None, DOUBLE, True, "float64")] * 3, tensor=True)
    (only,) = bound(resolved, column("features", T.ArrayType(FLOAT))).inputs

    assert (T.ArrayType(DOUBLE), T.ArrayType(DOUBLE)) == (only.input.type, only.cast_to)


def test_named_tensors_by_name():
    """Named tensors bind by name."""
    resolved = model(
        Input("age", LONG, True, "int64"), Input("image", T.ArrayType(T.ArrayType(FLOAT)), True, "float32")
    )
    expected = {"age": 1, "image": 0}

    assert expected == places(resolved, column("image", T.ArrayType(T.ArrayType(FLOAT))), column("age", LONG))


def test_explicit_name_for_a_tensor():
    """A tensor without a name cannot be named by the call."""
    with pytest.raises(ArgumentUnknownError):
        bound(model(Input(None, DOUBLE, True, "float64"), tensor=True), named("x"))


# --- types -------------------------------------------------------------------------------------------------


each_form = pytest.mark.parametrize(
    "make",
    [column, named, lambda _, kind: expression("value", kind)],
    ids=["column", "explicit name", "expression"],
)


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        (DOUBLE, DOUBLE, None),
        (T.ArrayType(DOUBLE), T.ArrayType(DOUBLE), None),
        (struct(a=LONG), struct(a=LONG), None),
        (INT, DOUBLE, DOUBLE),
        (T.ByteType(), LONG, LONG),
        (T.DecimalType(38, 10), DOUBLE, DOUBLE),
        (FLOAT, DOUBLE, DOUBLE),
        (DATE, TIMESTAMP, TIMESTAMP),
        (T.NullType(), STRING, STRING),
        (T.ArrayType(INT), T.ArrayType(LONG), T.ArrayType(LONG)),
        (T.ArrayType(LONG, False), T.ArrayType(LONG), T.ArrayType(LONG)),
        (T.MapType(STRING, INT), T.MapType(STRING, DOUBLE), T.MapType(STRING, DOUBLE)),
    ],
    ids=str,
)
@each_form
def test_safe_types(make, given, wanted, expected):
    """An argument of another type is cast to the input's; one of the same type is not."""
    (found,) = bound(model(Input("x", wanted), PLAN), make("x", given), make("plan", STRING)).inputs[:1]

    assert expected == found.cast_to


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (STRING, DOUBLE),
        (DOUBLE, FLOAT),
        (DOUBLE, LONG),
        (LONG, INT),
        (T.DecimalType(10, 0), LONG),
        (LONG, STRING),
        (T.BooleanType(), DOUBLE),
        (INT, T.BooleanType()),
        (TIMESTAMP, DATE),
        (STRING, TIMESTAMP),
        (LONG, TIMESTAMP),
        (T.BinaryType(), STRING),
        (T.ArrayType(LONG), LONG),
        (T.ArrayType(DOUBLE), T.ArrayType(FLOAT)),
    ],
    ids=str,
)
@each_form
def test_unsafe_types(make, given, wanted):
    """An argument that would be narrowed or reinterpreted is refused, however it is bound."""
    with pytest.raises(TypeUnsafeError):
        bound(model(Input("x", wanted)), make("x", given))


def test_types_of_surplus_columns():
    """The types of columns that the model does not take play no part, whatever they are."""
    expected = {"age": 1}

    assert expected == places(model(AGE), column("id", T.BinaryType()), column("age"))


# --- complete texts ----------------------------------------------------------------------------------------

OPTIONAL = model(AGE, Input("tenure", LONG, required=False), PLAN)
MATRIX = model(*[Input(None, FLOAT, True, "float32")] * 3, tensor=True)
ORDER = Input("order", struct(items=T.ArrayType(struct(count=LONG, sku=STRING))), optional=frozenset({"items[].count"}))
ITEMS_WITHOUT_SKU = struct(items=T.ArrayType(struct(count=LONG)))


def test_struct_without_an_optional_field():
    """An input whose struct lacks an optional field is bound as a struct without it."""
    (found,) = bound(model(ORDER), column("order", struct(items=T.ArrayType(struct(SKU=STRING, more=LONG))))).inputs

    assert struct(items=T.ArrayType(struct(sku=STRING))) == found.input.type
    assert found.cast_to is not None


def test_struct_as_it_is():
    """A struct that is what the model takes is not built anew, whatever may be NULL in it."""
    strict = T.StructType([T.StructField("items", ORDER.type["items"].dataType, False)])
    (found,) = bound(model(ORDER), column("order", strict)).inputs

    assert found.input == ORDER
    assert found.cast_to is None


def test_absent_inputs():
    """The optional inputs that no argument feeds are known to be absent."""
    resolved = model(AGE, Input("plan", STRING, required=False), Input("visits", LONG, required=False))

    assert resolved.signature.inputs[1:] == bound(resolved, column("age")).absent
    assert resolved.signature.inputs[1:2] == bound(resolved, column("visits", LONG), column("age")).absent
    assert bound(CHURN, column("age"), column("tenure", LONG), column("plan", STRING)).absent == ()


# --- a whole row -------------------------------------------------------------------------------------------

WEATHER = model(Input("price", DOUBLE), Input("visits", DOUBLE), Input("temperature", DOUBLE))
STAR = [
    [column("price"), column("visits"), column("customer_id")],
    [column("x"), column("y"), column("z")],
    [column("price"), expression("visits + 1"), column("customer_id")],
    [column("store"), column("week"), named("temperature")],
    [column("price"), column("visits"), column("customer_id"), named("price")],
]


@pytest.mark.parametrize("arguments", STAR, ids=lambda given: ", ".join(each.name or each.sql for each in given))
def test_whole_row_without_an_input(arguments):
    """A column of a whole row never takes the place of an input of another name, though the count is right."""
    message = refusal(ColumnMissingError, WEATHER, *arguments, one_by_one=False)

    assert "`temperature` (DOUBLE)" in message or "`visits` (DOUBLE)" in message


def test_struct_without_an_input():
    """A struct binds by the names of its fields alone, also where it was written."""
    refusal(ColumnMissingError, WEATHER, whole("row", struct(price=DOUBLE, visits=DOUBLE, customer_id=DOUBLE)))
    refusal(ColumnMissingError, WEATHER, whole("row", struct(x=DOUBLE, y=DOUBLE, z=DOUBLE)))


def test_whole_row_beside_an_argument_without_a_name():
    """A whole row may stand beside an argument without a name where each of its columns is in its own place."""
    expected = {"price": 0, "visits": 1, "temperature": 2}
    arguments = [expression("price * 2"), column("visits"), column("Temperature")]

    assert expected == places(WEATHER, *arguments, one_by_one=False)


def test_written_columns_with_another_name():
    """Columns written one by one are taken in their order, where a name says nothing else."""
    expected = {"price": 0, "visits": 1, "temperature": 2}

    assert expected == places(WEATHER, column("price"), column("visits"), column("customer_id"))


def test_whole_row_for_a_model_without_names():
    """A model whose inputs have no names takes a whole row by position."""
    given = [column("a", FLOAT), column("b", FLOAT), column("c", FLOAT)]

    assert [each.source[0] for each in bound(MATRIX, *given, one_by_one=False).inputs] == [2, 3, 4]


TEXTS = [
    ("column_missing", ColumnMissingError, CHURN, [column("age"), column("plan", STRING)]),
    ("column_missing_several", ColumnMissingError, OPTIONAL, [column("tenure", LONG)]),
    ("column_missing_all", ColumnMissingError, CHURN, []),
    ("column_missing_explicit", ColumnMissingError, CHURN, [expression("18"), named("plan", STRING)]),
    ("column_missing_struct", ColumnMissingError, CHURN, [whole("row", struct(age=DOUBLE, id=LONG))]),
    (
        "column_ambiguous",
        ColumnAmbiguousError,
        model(AGE, TENURE),
        [Argument(DOUBLE, "age", sql="l.age"), column("tenure", LONG), Argument(INT, "AGE", sql="r.AGE")],
    ),
    (
        "column_ambiguous_explicit",
        ColumnAmbiguousError,
        CHURN,
        [column("age"), expression("2", LONG), named("age"), named("plan", STRING)],
    ),
    (
        "column_swapped",
        ColumnSwappedError,
        CHURN,
        [expression("18"), column("plan", LONG), column("tenure", STRING)],
    ),
    ("argument_count", ArgumentCountError, CHURN, [column("age"), expression("(tenure + 1)", LONG)]),
    (
        "argument_count_surplus",
        ArgumentCountError,
        OPTIONAL,
        [column("age"), column("tenure", LONG), column("plan", STRING), expression("1", INT)],
    ),
    ("argument_unknown", ArgumentUnknownError, OPTIONAL, [named("age"), named("plann", STRING)]),
    ("column_missing_field", ColumnMissingError, model(ORDER), [column("order", ITEMS_WITHOUT_SKU)]),
    ("type_unsafe", TypeUnsafeError, model(TENURE), [column("Tenure", STRING)]),
    (
        "type_unsafe_expression",
        TypeUnsafeError,
        model(AGE, TENURE),
        [expression("1"), expression("(age / 2)")],
    ),
    ("type_unsafe_explicit", TypeUnsafeError, model(TENURE), [named("tenure", DOUBLE)]),
    ("type_unsafe_field", TypeUnsafeError, model(TENURE), [whole("row", struct(id=LONG, tenure=DOUBLE))]),
    (
        "type_unsafe_tensor",
        TypeUnsafeError,
        MATRIX,
        [column("a", DOUBLE), column("b", INT), column("c", INT)],
    ),
]


@pytest.mark.parametrize(("name", "error", "resolved", "arguments"), TEXTS, ids=[name for name, *_ in TEXTS])
def test_text(golden, name, error, resolved, arguments):
    """An error has its condition and says what is expected, what is given, and what to do."""
    message = refusal(error, resolved, *arguments)

    assert message.startswith(f"[{error.condition}] ")
    golden(f"errors/predict_{name}.txt", message)


def test_fields_in_a_type():
    """The CAST that a text advises has the names of fields as they are."""
    resolved = model(Input("history", T.ArrayType(struct(week=LONG))))
    message = refusal(TypeUnsafeError, resolved, column("history", T.ArrayType(struct(week=DOUBLE))))

    assert "write CAST(history AS ARRAY<STRUCT<week" in message


def test_place_in_a_matrix():
    """An argument of a wrong type for a model of a matrix is named by its place."""
    message = refusal(TypeUnsafeError, MATRIX, column("a", FLOAT), column("b", FLOAT), column("c", STRING))

    assert "`c` cannot become the input `3`" in message


def test_count_for_a_matrix():
    """A wrong number of columns for a model of a matrix is not put down to arguments without names."""
    message = refusal(ArgumentCountError, MATRIX, column("a", FLOAT), column("b", FLOAT))

    assert "not every argument has a name" not in message
    assert "to bind by name" not in message


@pytest.mark.parametrize("arguments", [[], [column("id")], [column("id"), column("size")]], ids=len)
def test_no_input_bound(arguments):
    """A call that feeds none of a model's inputs is refused, also where all of them are optional."""
    resolved = model(Input("age", DOUBLE, required=False), Input("height", DOUBLE, required=False))

    with pytest.raises(PredictError):
        bound(resolved, *arguments)


WIDE = model(*(Input(f"f{place}", DOUBLE) for place in range(1500)))


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ColumnMissingError, [column(f"g{place}") for place in range(1400)]),
        (ArgumentCountError, [expression(f"g{place} + 1") for place in range(1400)]),
        (ArgumentUnknownError, [named("other"), *(column(f"f{place}") for place in range(1500))]),
    ],
    ids=["missing", "count", "unknown"],
)
def test_wide_model(error: type[PredictError], arguments: list[Argument]) -> None:
    """A message about a model of 1,500 inputs has the beginning of each list, and how many more there are."""
    with pytest.raises(error) as caught:
        bound(WIDE, *arguments)

    assert ", and 1,480 more" in str(caught.value)
    assert len(str(caught.value)) < 2000


class CountedName(str):
    """A name that counts how often it is compared."""

    looks = 0

    def casefold(self) -> str:
        """Return the name as names are compared, and count that."""
        CountedName.looks += 1
        return super().casefold()


@pytest.mark.parametrize("call", ["columns", "columns in another order", "named", "by position"])
def test_thousands_of_inputs(call: str) -> None:
    """Binding looks at each name a few times, however many inputs the model has."""
    names = [CountedName(f"x{place}") for place in range(2000)]
    known = model(*(Input(name, DOUBLE) for name in names))
    arguments = [named(name) if call == "named" else column(name) for name in names]
    if call == "columns in another order":
        arguments.reverse()
    if call == "by position":
        arguments = [column(f"z{place}") for place in range(2000)]
    CountedName.looks = 0
    binding = bind(REFERENCE, known, arguments, case_sensitive=False, one_by_one=True)

    assert len(binding.inputs) == 2000
    assert 0 < CountedName.looks < 2000 * 20
