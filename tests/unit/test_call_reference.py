"""Which model and version a call names, and what is said of calls as other programs write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import types as T

from lakepredict._call import Call, CallArgument
from lakepredict._predict import _read_reference
from lakepredict._registry import ModelReference
from lakepredict._settings import Settings
from lakepredict.errors import ArgumentInvalidError, ArgumentNotConstantError, PredictError


def constant(value: object) -> CallArgument:
    return CallArgument(T.StringType(), None, False, repr(value), True, lambda: value)


def column(name: str) -> CallArgument:
    return CallArgument(T.DoubleType(), name, False, name, False, lambda: pytest.fail("it has no value"))


def call(*arguments: CallArgument) -> Call:
    settings = Settings.read(lambda _, default: default)
    return Call(arguments=arguments, case_sensitive=False, timezone="UTC", settings=settings, memo={}, one_by_one=True)


def test_name_with_an_at_sign() -> None:
    """A name that has an @ is a name, where a version follows."""
    assert _read_reference(call(constant("churn@home"), constant(1)), "PREDICT") == ModelReference("churn@home", 1)


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ArgumentInvalidError, [constant("churn/4"), column("tenure")]),
        (ArgumentInvalidError, [constant("churn/4")]),
        (ArgumentInvalidError, [constant("models:/churn@champion"), column("tenure")]),
        (ArgumentInvalidError, [constant("churn@champion"), column("tenure")]),
        (ArgumentInvalidError, [constant("models:/churn/4"), constant(4)]),
        (ArgumentInvalidError, [constant("churn")]),
        (ArgumentNotConstantError, [constant("churn"), column("tenure")]),
    ],
    ids=["fabric", "fabric_alone", "address", "alias_in_name", "address_and_version", "no_version", "column"],
)
def test_call_of_another_program(
    error: type[PredictError],
    arguments: list[CallArgument],
    golden: Callable[[str, str], None],
    request: pytest.FixtureRequest,
) -> None:
    """The hint names the call that is meant."""
    with pytest.raises(error) as caught:
        _read_reference(call(*arguments), "PREDICT")

    golden(f"errors/predict_reference_{request.node.callspec.id}.txt", str(caught.value))
