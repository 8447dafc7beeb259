"""A model that answers with whatever a row of its input ``kind`` names, logged as code."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

NOON = dt.datetime(2024, 7, 1, 12)
FIRST, LAST = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
ZONE = dt.timezone(dt.timedelta(hours=2))
PAIRS = [{"label": "a", "low": 1.5}, {"label": None, "low": 2.5}]

ANSWERS = {
    # One output of a scalar type.
    "booleans": np.array([True, False]),
    "booleans_and_none": [True, None],
    "nullable_booleans": pd.Series([True, None], dtype="boolean"),
    "zeros_and_ones": np.array([1.0, 0.0]),
    "integers": np.array([1, -(2**31)]),
    "small_integers": np.array([255, 0], "uint8"),
    "whole_numbers": np.array([2.0, -3.0]),
    "longs": np.array([2**53 + 1, -(2**63)]),
    "nullable_longs": pd.Series([2**53 + 1, None], dtype="Int64"),
    "longs_and_none": [2**53 + 1, None],
    "floats": np.array([0.5, -3.4028234663852886e38], "float32"),
    "doubles": np.array([0.1, -1.7976931348623157e308]),
    "doubles_and_none": [0.1, None],
    "doubles_and_nan": np.array([0.1, np.nan]),
    "decimals": [Decimal("1.5"), Decimal(2)],
    "matrix_of_one_column": np.array([[0.5], [1.5]]),
    "frame_of_one_column": pd.DataFrame({"y": [0.5, 1.5]}),
    "strings": np.array(["", "Zürich 🚲"]),
    "strings_and_none": ["None", None],
    "strings_and_nan": pd.Series(["a", np.nan], dtype=object),
    "categories": pd.Series(["a", None], dtype="category"),
    "bytes": [b"", b"\x00\xff"],
    "bytes_and_none": [b"a", None],
    # Dates and times.
    "dates": [dt.date(2024, 7, 1), None],
    "first_and_last_dates": [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    "first_and_last_days": np.array(["0001-01-01", "9999-12-31"], "datetime64[D]"),
    "summers_to_come": [dt.date(2050, 7, 1), dt.datetime(9999, 7, 1, 12)],
    "hour_that_is_left_out": [dt.datetime(2024, 3, 10, 2, 30), dt.datetime(2050, 3, 13, 2, 30)],
    "hour_that_comes_twice": [dt.datetime(2024, 11, 3, 1, 30), dt.datetime(2050, 11, 6, 1, 30)],
    "times": [NOON, None],
    "first_and_last_times": [FIRST, LAST],
    "first_and_last_microseconds": np.array([FIRST, LAST], "datetime64[us]"),
    "times_with_a_zone": [NOON.replace(tzinfo=ZONE), None],
    "timestamps": pd.Series([pd.Timestamp(NOON), pd.NaT]),
    "timestamps_with_a_zone": pd.Series([pd.Timestamp(NOON, tz=ZONE), pd.NaT]),
    "nanoseconds": np.array([NOON, "NaT"], "datetime64[ns]"),
    "hours": np.array([NOON, "NaT"], "datetime64[h]"),
    "times_of_all_sorts": [dt.date(2024, 7, 1), NOON.replace(tzinfo=ZONE)],
    # Arrays, structs, maps, tensors.
    "lists": [[1.5, None], []],
    "lists_and_none": [[1.5], None],
    "lists_of_longs": [[2**53 + 1, None], []],
    "lists_of_strings": [["", None], ["a"]],
    "lists_of_times": [[NOON, FIRST], []],
    "lists_of_lists": [[[1.5], [], None], []],
    "lists_of_arrays": [[np.array([1.5]), np.array([])], np.ones((1, 2))],
    "vector": np.array([1.5, 2.5]),
    "matrix": np.array([[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]),
    "matrix_of_two": np.array([[1.5, 2.5], [4.5, 5.5]]),
    "cube": np.arange(8.0).reshape(2, 2, 2),
    "objects": [{"label": "a", "low": 1.5}, {"low": 2.5, "label": None}],
    "objects_and_none": [{"label": "a", "low": 1.5}, None],
    "objects_in_a_frame": pd.DataFrame({"output": PAIRS}),
    "lists_of_objects": [PAIRS, []],
    "maps": [{"a": 2**53 + 1, "b": None}, {}],
    "maps_and_none": [{"a": 1}, None],
    # Several outputs.
    "frame": pd.DataFrame({"label": ["a", None], "low": [1.5, 2.5], "more": [0, 0]}),
    "unnamed_frame": pd.DataFrame({0: ["a", None], 1: [1.5, 2.5]}),
    "dict": {"low": np.array([1.5, 2.5]), "label": ["a", None]},
    "object_matrix": np.array([["a", 1.5], [None, 2.5]], object),
    "list_of_dicts": PAIRS,
    "list_of_tuples": [("a", 1.5), (None, 2.5)],
    "records": np.array([(1.5, "a"), (2.5, None)], [("low", float), ("label", object)]),
    # What does not fit.
    "too_large": np.array([1, 2**40]),
    "much_too_large": [1, 2**70],
    "too_large_floats": np.array([1.0, 1e300]),
    "fractions": np.array([1.0, 1.5]),
    "nan": np.array([1.0, np.nan]),
    "numerals": ["1", "2"],
    "letters": np.array([1.5, "abc"], object),
    "numbers": [1, 2],
    "text": "ab",
    "too_many": np.zeros(3),
    "too_few": [0.0],
    "nothing": None,
    "two_columns": pd.DataFrame({"p": [1.5, 2.5], "q": [0.0, 0.0]}),
    "three_columns": np.zeros((2, 3)),
    "turned_names": pd.DataFrame({"low": [1.5, 2.5], "name": ["a", "b"]}),
}


class Answers(PythonModel):
    """Gives two predictions, of the kind that the first row asks for; ``fail`` is an error of its own."""

    def predict(self, context, model_input, params=None):
        """Answer for a batch of two rows."""
        kind = model_input["kind"].iloc[0]
        if kind == "fail":
            raise LookupError("no such feature: tenure")
        return ANSWERS[kind]


set_model(Answers())
