"""MLflow signatures as Spark types."""

import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property, SparkMLVector
from pyspark.sql import types as T

from lakepredict._signature import (
    SPARK_TYPES,
    TENSOR_TYPES,
    Input,
    Signature,
    UnsupportedTypeError,
    read_signature,
    spark_type,
)

COLUMN_TYPES = {
    "boolean": T.BooleanType(),
    "integer": T.IntegerType(),
    "long": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "binary": T.BinaryType(),
    "datetime": T.TimestampType(),
}
NUMPY_TYPES = {
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
UNSUPPORTED_NUMPY_TYPES = ["uint64", "complex64", "complex128", "datetime64[ns]", "timedelta64[s]"]
ONE_OUTPUT = [ColSpec("double")]


def tensor(dtype: str = "float64", shape: tuple[int, ...] = (-1,), name: str | None = None) -> TensorSpec:
    """An output or input that is a tensor."""
    return TensorSpec(np.dtype(dtype), shape, name)


def read(inputs: list[ColSpec] | list[TensorSpec], outputs: list[ColSpec] | list[TensorSpec]) -> Signature:
    """The signature of a model with these inputs and outputs."""
    return read_signature(ModelSignature(Schema(inputs), Schema(outputs)))


def inputs_of(*specs: ColSpec | TensorSpec) -> tuple[Input, ...]:
    """The inputs of a model with these inputs and one output."""
    return read(list(specs), ONE_OUTPUT).inputs


def result_of(*specs: ColSpec | TensorSpec) -> T.DataType:
    """The result type of a model with one input and these outputs."""
    return read([ColSpec("double", "x")], list(specs)).result


def struct(**fields: T.DataType) -> T.StructType:
    """A struct of nullable fields."""
    return T.StructType([T.StructField(name, kind) for name, kind in fields.items()])


# --- the tables --------------------------------------------------------------------------------------------


def test_table_of_column_types():
    """Each column type of MLflow has its Spark type, and none is left out."""
    expected = {DataType[name]: kind for name, kind in COLUMN_TYPES.items()}

    assert expected == SPARK_TYPES
    assert set(DataType) == set(SPARK_TYPES)


def test_table_of_tensor_types():
    """Each supported NumPy type has its Spark type."""
    expected = NUMPY_TYPES

    assert expected == TENSOR_TYPES


@pytest.mark.parametrize("name", [name for name in NUMPY_TYPES if name.startswith(("int", "uint"))])
def test_tensor_types_hold_all_values(name):
    """The Spark type of a NumPy integer holds its smallest and its largest value."""
    bits = {T.ByteType: 8, T.ShortType: 16, T.IntegerType: 32, T.LongType: 64}[type(TENSOR_TYPES[name])]
    held, limits = np.iinfo(f"int{bits}"), np.iinfo(name)

    assert held.min <= limits.min
    assert held.max >= limits.max


@pytest.mark.parametrize(("name", "kind"), COLUMN_TYPES.items())
def test_column(name, kind):
    """A column of each type is an input of the Spark type, and an output of it."""
    expected = (Input("x", kind),)

    assert expected == inputs_of(ColSpec(name, "x"))
    assert kind == result_of(ColSpec(name))
    assert kind == result_of(ColSpec(name, "y"))


@pytest.mark.parametrize(("name", "kind"), NUMPY_TYPES.items())
def test_tensor(name, kind):
    """A tensor of each type is an input, and one-dimensional a scalar output, of the Spark type."""
    assert (Input(None, kind, True, name, (1,)),) == inputs_of(tensor(name, (-1, 1)))
    assert (Input(None, kind, True, name),) == inputs_of(tensor(name, (-1,)))
    assert kind == result_of(tensor(name))


@pytest.mark.parametrize("name", ["str", "object"])
def test_tensor_of_strings(name):
    """A tensor of strings or of objects is STRING."""
    expected = T.StringType()

    assert expected == result_of(tensor(name))
    assert expected == inputs_of(tensor(name, (-1, 1)))[0].type


# --- nested types ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Array("double"), T.ArrayType(T.DoubleType())),
        (Array(Array("long")), T.ArrayType(T.ArrayType(T.LongType()))),
        (Map("string"), T.MapType(T.StringType(), T.StringType())),
        (Map(Map("long")), T.MapType(T.StringType(), T.MapType(T.StringType(), T.LongType()))),
        (Map(Array("float")), T.MapType(T.StringType(), T.ArrayType(T.FloatType()))),
        (
            Object([Property("a", "long"), Property("b", "string", required=False)]),
            struct(a=T.LongType(), b=T.StringType()),
        ),
        (
            Array(Object([Property("when", "datetime"), Property("tags", Array("string"))])),
            T.ArrayType(struct(tags=T.ArrayType(T.StringType()), when=T.TimestampType())),
        ),
        (
            Object([Property("inner", Object([Property("flag", "boolean")]))]),
            struct(inner=struct(flag=T.BooleanType())),
        ),
        (SparkMLVector(), T.ArrayType(T.DoubleType())),
    ],
    ids=str,
)
def test_nested_column(kind, expected):
    """Arrays, maps and objects become ARRAY, MAP and STRUCT, at any depth; a Spark ML vector is an ARRAY."""
    (found,) = inputs_of(ColSpec(kind, "x"))

    assert expected == spark_type(kind)
    assert expected == found.type
    assert expected == result_of(ColSpec(kind))


def test_order_of_object_fields():
    """The fields of a STRUCT are in the order in which MLflow keeps an object's properties: by name."""
    expected = ["a", "b", "c"]

    assert expected == spark_type(Object([Property(name, "long") for name in "bca"])).names


# --- tensors -----------------------------------------------------------------------------------------------


def test_unnamed_matrix_is_scalars():
    """An unnamed tensor of n columns takes n scalars without names."""
    expected = Signature((Input(None, T.FloatType(), True, "float32"),) * 3, T.DoubleType(), tensor=True)

    assert expected == read([tensor("float32", (-1, 3))], ONE_OUTPUT)


@pytest.mark.parametrize(
    ("shape", "levels"), [((-1,), 0), ((-1, -1), 1), ((-1, 28, 28), 2), ((-1, -1, 3), 2), ((-1, 2, 3, 4), 3)]
)
def test_unnamed_tensor_of_other_shape(shape, levels):
    """Any other unnamed tensor takes one argument: a level of ARRAY for each dimension after the rows."""
    kind = T.DoubleType()
    for _ in range(levels):
        kind = T.ArrayType(kind)
    inputs = (Input(None, kind, True, "float64", shape[1:]),)
    expected = Signature(inputs, T.DoubleType(), tensor=True)

    assert expected == read([tensor("float64", shape)], ONE_OUTPUT)


def test_vector_is_no_matrix():
    """A model that takes a vector is told apart from one that takes a matrix of one column."""
    assert read([tensor(shape=(-1,))], ONE_OUTPUT) != read([tensor(shape=(-1, 1))], ONE_OUTPUT)


def test_named_tensors():
    """Named tensors are inputs with names, one per tensor, whatever their shape."""
    expected = Signature(
        (
            Input("age", T.LongType(), True, "int64"),
            Input("pixels", T.ArrayType(T.ShortType()), True, "uint8", (4,)),
            Input("image", T.ArrayType(T.ArrayType(T.FloatType())), True, "float32", (28, 28)),
        ),
        T.DoubleType(),
        tensor=False,
    )
    inputs = [tensor("int64", (-1,), "age"), tensor("uint8", (-1, 4), "pixels")]

    assert expected == read([*inputs, tensor("float32", (-1, 28, 28), "image")], ONE_OUTPUT)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((-1,), T.DoubleType()),
        ((-1, 1), T.DoubleType()),
        ((-1, 3), T.ArrayType(T.DoubleType())),
        ((-1, -1), T.ArrayType(T.DoubleType())),
        ((-1, 2, 3), T.ArrayType(T.ArrayType(T.DoubleType()))),
    ],
    ids=str,
)
def test_tensor_output(shape, expected):
    """A one-dimensional tensor output is a scalar; each further dimension is a level of ARRAY."""
    assert expected == result_of(tensor("float64", shape))


# --- inputs and outputs ------------------------------------------------------------------------------------


def test_optional_column():
    """A column that the signature does not require is an input that is not required."""
    expected = (Input("a", T.DoubleType()), Input("b", T.LongType(), required=False))

    assert expected == inputs_of(ColSpec("double", "a"), ColSpec("long", "b", required=False))


def test_columns_without_names():
    """Columns without names are inputs without names, in order, and no tensor."""
    expected = Signature((Input(None, T.DoubleType()), Input(None, T.LongType())), T.DoubleType())

    assert expected == read([ColSpec("double"), ColSpec("long")], ONE_OUTPUT)


def test_order_of_inputs():
    """Inputs keep the order of the signature."""
    expected = ["z", "a", "M"]

    assert expected == [each.name for each in inputs_of(*(ColSpec("double", name) for name in "zaM"))]


def test_several_outputs_with_names():
    """Several outputs are a STRUCT of their names."""
    expected = struct(low=T.DoubleType(), label=T.StringType())

    assert expected == result_of(ColSpec("double", "low"), ColSpec("string", "label"))


def test_several_outputs_without_names():
    """Several outputs without names are a STRUCT whose fields are numbered from 0."""
    expected = struct(output_0=T.DoubleType(), output_1=T.StringType())

    assert expected == result_of(ColSpec("double"), ColSpec("string"))


def test_several_tensor_outputs():
    """Several tensor outputs are a STRUCT of scalars and arrays."""
    expected = struct(label=T.LongType(), probabilities=T.ArrayType(T.FloatType()))

    assert expected == result_of(tensor("int64", (-1,), "label"), tensor("float32", (-1, 3), "probabilities"))


def test_inferred_signature():
    """What infer_signature records for a matrix and a vector is scalars in and a scalar out."""
    inputs = (Input(None, T.DoubleType(), True, "float64"),) * 2
    expected = Signature(inputs, T.LongType(), tensor=True, shapes=((),))

    assert expected == read_signature(infer_signature(np.ones((3, 2)), np.array([1, 2, 3])))


# --- what is unsupported -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNSUPPORTED_NUMPY_TYPES)
@pytest.mark.parametrize(
    "place",
    [
        lambda name: inputs_of(tensor(name, (-1,))),
        lambda name: inputs_of(tensor(name, (-1, 2))),
        lambda name: inputs_of(tensor(name, (-1, 2, 2))),
        lambda name: inputs_of(tensor(name, (-1,), "x")),
        lambda name: result_of(tensor(name)),
        lambda name: result_of(tensor(name, (-1, 2))),
        lambda name: result_of(tensor("float64", (-1,), "x"), tensor(name, (-1,), "y")),
    ],
    ids=["vector", "matrix", "cube", "named input", "output", "output matrix", "one of several outputs"],
)
def test_unsupported_tensor(name, place):
    """A tensor of a type that Spark does not have is refused by the name of the type."""
    expected = f"a tensor of type {name}"

    with pytest.raises(UnsupportedTypeError) as caught:
        place(name)

    assert expected == str(caught.value)


@pytest.mark.parametrize("shape", [(-1, 2, -1), (-1, -1, -1), (-1, 2, 3, -1), (10, 3), (1,), ()])
def test_shapes_without_a_type(shape):
    """A tensor whose inner dimensions are unknown, or whose first is not the rows, is refused with its shape."""
    expected = f"a tensor of shape {shape}"

    with pytest.raises(UnsupportedTypeError) as caught:
        inputs_of(tensor("float64", shape))

    assert expected == str(caught.value)


@pytest.mark.parametrize(
    "kind", [AnyType(), Array(AnyType()), Map(AnyType()), Object([Property("a", AnyType())])], ids=str
)
def test_any(kind):
    """MLflow's Any type is refused by its name, at any depth."""
    expected = "the type Any"

    with pytest.raises(UnsupportedTypeError) as caught:
        inputs_of(ColSpec(kind, "x"))

    assert expected == str(caught.value)

    with pytest.raises(UnsupportedTypeError) as caught:
        result_of(ColSpec(kind, "x"))

    assert expected == str(caught.value)


# --- names and fields that are not always there -----------------------------------------------------------


def test_numbered_columns():
    """Columns that pandas has numbered are `0` and `1` in SQL, and keep their numbers for the model."""
    frame = pd.DataFrame([[1.5, 2]]).astype({1: "int64"})
    signature = ModelSignature.from_dict(infer_signature(frame, frame[[0, 1]]).to_dict())
    found = read_signature(signature)

    assert (Input("0", T.DoubleType(), label=0), Input("1", T.LongType(), label=1)) == found.inputs
    assert struct(**{"0": T.DoubleType(), "1": T.LongType()}) == found.result


def test_single_numbered_output():
    """The one output of a numbered column has its number as its name."""
    assert read([ColSpec("double", "x")], [ColSpec("double", 0)]).output == "0"


def test_columns_of_several_levels():
    """A column whose name has several levels is refused, for SQL has no such name."""
    frame = pd.DataFrame([[1.5]], columns=pd.MultiIndex.from_tuples([("price", "last")]))
    with pytest.raises(UnsupportedTypeError, match=r"a column named \('price', 'last'\)"):
        read_signature(infer_signature(frame, np.ones(1)))


def test_columns_of_one_name():
    """A number and a text that are one name in SQL are refused."""
    with pytest.raises(UnsupportedTypeError, match="two inputs named 1"):
        inputs_of(ColSpec("double", 1), ColSpec("double", "1"))


ITEM = Object([Property("sku", "string"), Property("note", "string", required=False)])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ITEM, ["note"]),
        (Array(ITEM), ["[].note"]),
        (Map(ITEM), ["[].note"]),
        (
            Object([Property("items", Array(ITEM)), Property("first", ITEM, required=False)]),
            ["first", "first.note", "items[].note"],
        ),
        (Array(Array(ITEM)), ["[][].note"]),
        (DataType.double, []),
    ],
    ids=str,
)
def test_optional_fields(kind, expected):
    """The fields of structs that may be absent are known by their paths, in inputs and in a single output."""
    (found,) = inputs_of(ColSpec(kind, "x"))

    assert expected == sorted(found.optional)
    assert expected == sorted(read([ColSpec("double", "x")], [ColSpec(kind, "y")]).optional)


def test_optional_outputs():
    """Outputs that MLflow saw in some predictions alone may be absent, and so may fields in them."""
    answers = [{"a": 1.5, "b": {"x": 1}}, {"a": 2.5, "b": {"x": 2, "y": "s"}, "c": "t"}]
    signature = infer_signature(pd.DataFrame({"x": [1.0, 2.0]}), answers)

    assert {"c", "b.y"} == read_signature(signature).optional
