"""Inference parameters: what a query gives, checked against the model's signature; pure.

The signature's own rules decide (``mlflow.types.ParamSpec``), except that a name that it does not have is an error,
which MLflow ignores, and that a whole number may come as a decimal: Spark gives all values of a MAP one type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.types import DataType
from mlflow.types.schema import ParamSpec

from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict.errors import ParameterInvalidError

_WHOLE = (DataType.integer, DataType.long)


def check(reference: ModelReference, model: ResolvedModel, given: Mapping[str, object]) -> dict[str, Any]:
    """The parameters as the model takes them, those that are not given with their defaults.

    Raises:
        ParameterInvalidError: a name is unknown, or a value does not fit.
    """
    specs = {spec.name: spec for spec in model.signature.parameters}
    for name, value in given.items():
        if name not in specs:
            listed = ", ".join(map(_shown, specs.values()))
            raise _invalid(reference, model, name, listed or "no parameters", f"{name} = {value!r}")
    return {
        name: _value(reference, model, spec, given[name]) if name in given else spec.default
        for name, spec in specs.items()
    }


def _value(reference: ModelReference, model: ResolvedModel, spec: ParamSpec, given: object) -> Any:
    try:
        return ParamSpec.validate_param_spec(_whole(given) if spec.dtype in _WHOLE else given, spec)
    except MlflowException as exc:
        got = f"{spec.name} = {given!r} ({type(given).__name__})"
        raise _invalid(reference, model, spec.name, _shown(spec), got) from exc


def _whole(value: object) -> object:
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(spec: ParamSpec) -> str:
    kind = spec.dtype.name if isinstance(spec.dtype, DataType) else str(spec.dtype)
    return f"{spec.name} {kind if spec.shape is None else f'array of {kind}'} (default {spec.default!r})"


def _invalid(
    reference: ModelReference, model: ResolvedModel, name: str, expected: str, got: str
) -> ParameterInvalidError:
    return ParameterInvalidError(call=str(reference), parameter=name, expected=expected, got=got, uri=model.uri)
