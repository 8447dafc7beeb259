"""Inference parameters against a model's signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from mlflow.types import DataType
from mlflow.types.schema import ParamSpec
from pyspark.sql import types as T

from lakepredict import _params
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._signature import Input, Signature
from lakepredict.errors import ParameterInvalidError

REFERENCE = ModelReference("sales", 3)
SPECS = (
    ParamSpec("alpha", DataType.double, 0.5),
    ParamSpec("steps", DataType.long, 10),
    ParamSpec("mode", DataType.string, "fast"),
    ParamSpec("exact", DataType.boolean, False),
    ParamSpec("since", DataType.datetime, datetime(2024, 1, 1)),
    ParamSpec("quantiles", DataType.double, [0.1, 0.9], (-1,)),
)
DEFAULTS = {spec.name: spec.default for spec in SPECS}


def check(given: dict[str, object], specs: tuple[ParamSpec, ...] = SPECS) -> dict[str, object]:
    """The parameters as the model takes them."""
    signature = Signature((Input("x", T.DoubleType()),), T.DoubleType(), parameters=specs)
    model = ResolvedModel("sales", 3, None, ("id",), ("sklearn",), signature)
    return _params.check(REFERENCE, model, given)


def test_defaults() -> None:
    """A parameter that is not given has its default."""
    assert check({}) == DEFAULTS


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"alpha": 2}, {"alpha": 2.0}),
        ({"alpha": 0.25, "mode": "slow"}, {"alpha": 0.25, "mode": "slow"}),
        ({"steps": 3.0}, {"steps": 3}),
        ({"exact": True}, {"exact": True}),
        ({"since": "2024-07-01 12:00:00"}, {"since": datetime(2024, 7, 1, 12)}),
        ({"quantiles": [0.5]}, {"quantiles": [0.5]}),
    ],
    ids=str,
)
def test_values(given: dict[str, object], expected: dict[str, object]) -> None:
    """Values become the type of the signature, where nothing is lost."""
    found = check(given)

    assert found == {**DEFAULTS, **expected}
    assert {name: type(found[name]) for name in expected} == {name: type(value) for name, value in expected.items()}


def test_text_of_the_error(golden: Callable[[str, str], None]) -> None:
    """The error shows the parameter, what the signature says of it, and how parameters are written."""
    with pytest.raises(ParameterInvalidError) as raised:
        check({"alpha": "0.5"})

    golden("errors/predict_parameter_invalid.txt", str(raised.value))


@pytest.mark.parametrize(
    ("given", "parameter", "expected", "got"),
    [
        ({"beta": 1}, "beta", "alpha double (default 0.5)", "beta = 1"),
        ({"alpha": "0.5"}, "alpha", "alpha double (default 0.5)", "alpha = '0.5' (str)"),
        ({"steps": 3.5}, "steps", "steps long (default 10)", "steps = 3.5 (float)"),
        ({"exact": 1}, "exact", "exact boolean (default False)", "exact = 1 (int)"),
        ({"quantiles": 0.5}, "quantiles", "quantiles array of double (default [0.1, 0.9])", "quantiles = 0.5 (float)"),
    ],
)
def test_refused(given: dict[str, object], parameter: str, expected: str, got: str) -> None:
    """A name that is unknown, and a value of another type, are errors that show what there is."""
    with pytest.raises(ParameterInvalidError) as raised:
        check(given)

    assert raised.value.parameters["parameter"] == parameter
    assert raised.value.parameters["expected"].startswith(expected)
    assert raised.value.parameters["got"] == got


def test_model_without_parameters() -> None:
    """A model whose signature has no parameters takes none."""
    with pytest.raises(ParameterInvalidError, match="expected: no parameters"):
        check({"alpha": 1}, specs=())
