"""Every kind of result that a model can give, as SQL gets it: which types, which values, which errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakepredict._signature import SPARK_TYPES

pytestmark = pytest.mark.usefixtures("answers")

PAIR = Object([Property("label", DataType.string), Property("low", DataType.double)])
OUTPUTS: dict[str, list[ColSpec] | list[TensorSpec]] = {
    **{kind.name: [ColSpec(kind)] for kind in SPARK_TYPES},
    "doubles": [ColSpec(Array(DataType.double))],
    "longs": [ColSpec(Array(DataType.long))],
    "strings": [ColSpec(Array(DataType.string))],
    "datetimes": [ColSpec(Array(DataType.datetime))],
    "lists": [ColSpec(Array(Array(DataType.double)))],
    "pair": [ColSpec(PAIR)],
    "pairs": [ColSpec(Array(PAIR))],
    "counts": [ColSpec(Map(DataType.long))],
    "vector": [TensorSpec(np.dtype("float64"), (-1,))],
    "matrix": [TensorSpec(np.dtype("float64"), (-1, 3))],
    "cube": [TensorSpec(np.dtype("float64"), (-1, 2, 2))],
    "several": [ColSpec("string", "label"), ColSpec("double", "low")],
}
"""Model -> its outputs."""

TYPES = {
    "boolean": "boolean",
    "integer": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "datetime": "timestamp",
    "doubles": "array<double>",
    "longs": "array<bigint>",
    "strings": "array<string>",
    "datetimes": "array<timestamp>",
    "lists": "array<array<double>>",
    "pair": "struct<label:string,low:double>",
    "pairs": "array<struct<label:string,low:double>>",
    "counts": "map<string,bigint>",
    "vector": "double",
    "matrix": "array<double>",
    "cube": "array<array<double>>",
    "several": "struct<label:string,low:double>",
}
"""Model -> the type of PREDICT."""

NAN = float("nan")
PAIRS = [("a", 1.5), (None, 2.5)]
EXACT = 2**53 + 1
RESULTS: dict[str, dict[str, list[Any]]] = {
    "boolean": {
        "booleans": [True, False],
        "booleans_and_none": [True, None],
        "nullable_booleans": [True, None],
        "zeros_and_ones": [True, False],
    },
    "integer": {"integers": [1, -(2**31)], "small_integers": [255, 0], "whole_numbers": [2, -3], "booleans": [1, 0]},
    "long": {
        "longs": [EXACT, -(2**63)],
        "nullable_longs": [EXACT, None],
        "longs_and_none": [EXACT, None],
        "integers": [1, -(2**31)],
    },
    "float": {"floats": [0.5, -3.4028234663852886e38], "doubles_and_nan": [0.10000000149011612, NAN]},
    "double": {
        "doubles": [0.1, -1.7976931348623157e308],
        "floats": [0.5, -3.4028234663852886e38],
        "doubles_and_none": [0.1, None],
        "doubles_and_nan": [0.1, NAN],
        "decimals": [1.5, 2.0],
        "integers": [1.0, -(2.0**31)],
        "booleans": [1.0, 0.0],
        "matrix_of_one_column": [0.5, 1.5],
        "frame_of_one_column": [0.5, 1.5],
    },
    "string": {
        "strings": ["", "Zürich 🚲"],
        "strings_and_none": ["None", None],
        "strings_and_nan": ["a", None],
        "categories": ["a", None],
    },
    "binary": {"bytes": [b"", b"\x00\xff"], "bytes_and_none": [b"a", None]},
    "datetime": {
        "dates": ["2024-07-01 00:00:00", None],
        "first_and_last_dates": ["0001-01-01 00:00:00", "9999-12-31 00:00:00"],
        "first_and_last_days": ["0001-01-01 00:00:00", "9999-12-31 00:00:00"],
        "summers_to_come": ["2050-07-01 00:00:00", "9999-07-01 12:00:00"],
        "hour_that_is_left_out": ["2024-03-10 03:30:00", "2050-03-13 03:30:00"],
        "hour_that_comes_twice": ["2024-11-03 01:30:00", "2050-11-06 01:30:00"],
        "times": ["2024-07-01 12:00:00", None],
        "first_and_last_times": ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"],
        "first_and_last_microseconds": ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"],
        "times_with_a_zone": ["2024-07-01 03:00:00", None],
        "timestamps": ["2024-07-01 12:00:00", None],
        "timestamps_with_a_zone": ["2024-07-01 03:00:00", None],
        "nanoseconds": ["2024-07-01 12:00:00", None],
        "hours": ["2024-07-01 12:00:00", None],
        "times_of_all_sorts": ["2024-07-01 00:00:00", "2024-07-01 03:00:00"],
    },
    "doubles": {
        "lists": [[1.5, None], []],
        "lists_and_none": [[1.5], None],
        "matrix": [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]],
    },
    "longs": {"lists_of_longs": [[EXACT, None], []]},
    "strings": {"lists_of_strings": [["", None], ["a"]]},
    "datetimes": {"lists_of_times": ["[2024-07-01 12:00:00, 0001-01-01 00:00:00]", "[]"]},
    "lists": {
        "lists_of_lists": [[[1.5], [], None], []],
        "lists_of_arrays": [[[1.5], []], [[1.0, 1.0]]],
        "cube": [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]]],
    },
    "pair": {
        "objects": PAIRS,
        "objects_and_none": [("a", 1.5), None],
        "objects_in_a_frame": PAIRS,
        "frame": PAIRS,
    },
    "pairs": {"lists_of_objects": [PAIRS, []]},
    "counts": {"maps": [{"a": EXACT, "b": None}, {}], "maps_and_none": [{"a": 1}, None]},
    "vector": {"vector": [1.5, 2.5], "matrix_of_one_column": [0.5, 1.5]},
    "matrix": {"matrix": [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]},
    "cube": {"cube": [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]]]},
    "several": dict.fromkeys(
        ["frame", "unnamed_frame", "dict", "object_matrix", "list_of_dicts", "list_of_tuples", "records"], PAIRS
    ),
}
"""Model -> what it answers -> what SQL gets."""

REFUSED = {
    "boolean": ["fractions", "nan", "strings", "text"],
    "integer": ["too_large", "much_too_large", "fractions", "nan", "numerals"],
    "long": ["much_too_large", "fractions", "nan", "numerals", "strings"],
    "float": ["too_large_floats", "numerals"],
    "double": ["letters", "numerals", "too_many", "nothing", "two_columns", "three_columns", "lists"],
    "string": ["numbers", "booleans", "bytes", "times", "text"],
    "binary": ["strings", "text"],
    "datetime": ["numbers", "strings", "doubles"],
    "doubles": ["doubles", "strings", "cube", "lists_of_strings"],
    "strings": ["strings", "maps", "objects"],
    "lists": ["matrix", "lists"],
    "counts": ["objects", "lists_of_lists"],
    "several": ["doubles", "three_columns", "turned_names", "lists", "two_columns", "text"],
}
"""Model -> answers that do not fit its signature."""


@pytest.fixture(scope="module")
def answers(spark: SparkSession) -> None:
    """A registered model for each kind of output; its input says what it is to answer."""
    for name, outputs in OUTPUTS.items():
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("models") / "results_answers.py"),
                signature=ModelSignature(Schema([ColSpec("string", "kind")]), Schema(outputs)),
                pip_requirements=["mlflow"],
                registered_model_name=f"results_{name}",
            )


def ask(spark: SparkSession, function: str, wanted: dict[str, Any]) -> dict[tuple[str, str], list[Any]]:
    """What SQL gets of two rows, for each model and each answer; times come as SQL shows them."""
    pairs = [(name, kind) for name, kinds in wanted.items() for kind in kinds]
    calls = [f"{function}('results_{name}', 1, '{kind}')" for name, kind in pairs]
    shown = [
        f"CAST({call} AS STRING)" if "timestamp" in TYPES[name] else call
        for call, (name, _) in zip(calls, pairs, strict=True)
    ]
    columns = ", ".join(f"{call} AS c{position}" for position, call in enumerate(shown))
    rows = spark.sql(f"SELECT {columns} FROM range(0, 2, 1, 1)").collect()
    return {pair: [row[position] for row in rows] for position, pair in enumerate(pairs)}


@pytest.fixture(scope="module")
def found(spark: SparkSession, answers: None) -> dict[tuple[str, str], list[Any]]:
    """What SQL gets of all answers that fit."""
    return ask(spark, "PREDICT", RESULTS)


def test_types(spark: SparkSession) -> None:
    """PREDICT has the type of the model's outputs."""
    calls = ", ".join(f"PREDICT('results_{name}', 1, 'x') AS `{name}`" for name in OUTPUTS)
    schema = spark.sql(f"SELECT {calls}").schema

    assert {field.name: field.dataType.simpleString() for field in schema} == TYPES


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in RESULTS.items() for kind in kinds])
def test_values(found: dict[tuple[str, str], list[Any]], name: str, kind: str) -> None:
    """Whatever form a model gives its predictions in, SQL gets exactly those values."""
    values = found[name, kind]
    expected = RESULTS[name][kind]

    assert [plain(value) for value in values] == [plain(value) for value in expected]


def plain(value: Any) -> Any:
    """A value that is equal to itself, without Spark's own types."""
    if isinstance(value, bytearray):
        return bytes(value)
    return "NaN" if isinstance(value, float) and value != value else value


def test_every_output_type_is_tried() -> None:
    """The answers above have every scalar type of MLflow, and each model has answers."""
    assert {kind.name for kind in SPARK_TYPES} <= set(RESULTS)
    assert set(RESULTS) == set(OUTPUTS) == set(TYPES)


def test_answers_that_do_not_fit(spark: SparkSession) -> None:
    """No value that does not fit becomes another value: TRY_PREDICT gives NULL for each."""
    given = ask(spark, "TRY_PREDICT", REFUSED)

    assert set(map(str, given.values())) == {"[None, None]"}


@pytest.mark.parametrize("kind", ["matrix_of_two", "lists"])
def test_tensor_of_another_width(spark: SparkSession, kind: str) -> None:
    """An array of another length than the tensor of the signature has is no prediction."""
    assert ask(spark, "TRY_PREDICT", {"matrix": [kind]}) == {("matrix", kind): [None, None]}


ERRORS = {
    ("integer", "too_large"): (
        "PREDICT_RESULT_INVALID",
        r"expected: values of type INT\n  got:      Integer value 1099511627776 not in range",
    ),
    ("double", "letters"): (
        "PREDICT_RESULT_INVALID",
        r"expected: values of type DOUBLE\n  got:      Could not convert 'abc' with type str",
    ),
    ("double", "too_many"): (
        "PREDICT_RESULT_INVALID",
        r"expected: 2 predictions, one for each row\n  got:      3 predictions",
    ),
    ("several", "three_columns"): (
        "PREDICT_RESULT_INVALID",
        r"expected: 2 columns \(label STRING, low DOUBLE\)\n  got:      3 columns \(0, 1, 2\)",
    ),
    ("double", "fail"): ("PREDICT_MODEL_FAILED", "got:      LookupError: no such feature: tenure"),
}


@pytest.mark.parametrize(("name", "kind"), ERRORS)
def test_errors(spark: SparkSession, name: str, kind: str) -> None:
    """What a model gets wrong fails the query with the model, its version, what was expected and what was given."""
    condition, text = ERRORS[name, kind]
    with pytest.raises(PySparkException) as raised:
        spark.sql(f"SELECT PREDICT('results_{name}', 1, '{kind}') FROM range(0, 2, 1, 1)").collect()

    assert f"[{condition}] the model 'results_{name}' version 1 " in str(raised.value)
    assert re.search(text, str(raised.value))
