"""From a PREDICT call to the expression that replaces it: resolve, check, choose an engine, splice.

Runs on the driver while a query is analysed, once per PREDICT call in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from threading import Lock

from mlflow.entities.model_registry import ModelVersion
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.udf import UserDefinedFunction

from lakepredict import _binding, _jvm, _registry
from lakepredict._call import Call, Feed, Splice
from lakepredict.engines import pandas, sparkml
from lakepredict.errors import ArgumentInvalidError, ArgumentNotConstantError

Target = UserDefinedFunction | DataFrame

_FEATURES_FROM = 2
"""Arguments before this position are the model and the version."""


class TargetCache:
    """What bound calls are spliced from, with the models in it; the least recently used goes first.

    Two calls of the same model in the same way must get the same UDF, or Spark would evaluate them twice and
    the model would be shipped twice. An evicted one lives on in the plans that use it; Spark's cleaner drops
    its broadcast after the last of them.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._targets: OrderedDict[Hashable, Target] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Target]) -> Target:
        """What is kept under ``key``, made by ``make`` if there is nothing."""
        with self._lock:
            if key not in self._targets:
                self._targets[key] = make()
            self._targets.move_to_end(key)
            while len(self._targets) > self._size:
                self._targets.popitem(last=False)
            return self._targets[key]


def build(spark: SparkSession, targets: TargetCache, function: str, call: Call) -> Splice:
    """Bind one call of ``PREDICT`` or ``TRY_PREDICT``.

    Raises:
        PredictError: one of its kinds, if the call cannot be bound.
    """
    reference = _read_reference(call, function)
    model = _registry.describe(reference, _find_once(call, reference))
    features = [
        _binding.Argument(each.type, each.name, each.explicit, each.sql, (position, None))
        for position, each in enumerate(call.arguments)
        if position >= _FEATURES_FROM
    ]
    binding = _binding.bind(reference, model, features, case_sensitive=call.case_sensitive)
    lenient = function == "TRY_PREDICT"
    key = (model.identity, tuple(bound.input for bound in binding.inputs), call.timezone, lenient)
    target = targets.get(key, lambda: _make_target(spark, reference, binding, call.timezone, lenient))
    return Splice(target, tuple(Feed(bound.source, bound.cast_to) for bound in binding.inputs), lenient)


def build_version(call: Call) -> int:
    """The number of the version that a call names: ``PREDICT_VERSION(model, version)``.

    Raises:
        PredictError: one of its kinds, if there is no such version.
    """
    function = "PREDICT_VERSION"
    if len(call.arguments) > _FEATURES_FROM:
        raise ArgumentInvalidError(
            argument="third argument",
            function=function,
            expected="PREDICT_VERSION(model, version)",
            got=", ".join(argument.sql for argument in call.arguments),
            hint="leave the columns out: PREDICT_VERSION('sales_forecast', 'champion').",
        )
    return int(_find_once(call, _read_reference(call, function)).version)


def _find_once(call: Call, reference: _registry.ModelReference) -> ModelVersion:
    """The version that the model and version of a call name in the whole of its query.

    An alias may move between two calls of one query, so the first one's answer is the answer for all of them.
    """
    key = f"{reference.version!r} of {reference.name}"
    known = call.memo.get(key)
    found = _registry.find(reference if known is None else replace(reference, version=known))
    call.memo[key] = int(found.version)
    return found


def _make_target(
    spark: SparkSession,
    reference: _registry.ModelReference,
    binding: _binding.Binding,
    timezone: str,
    lenient: bool,
) -> Target:
    if sparkml.supports(binding.model.flavors):
        return sparkml.build(spark, reference, binding)
    return _jvm.new_udf(pandas.build(spark.sparkContext, reference, binding, timezone=timezone, lenient=lenient))


def _read_reference(call: Call, function: str) -> _registry.ModelReference:
    values: dict[str, object] = {"model": None, "version": None}
    for what, argument in zip(values, call.arguments, strict=False):
        if not argument.constant:
            raise ArgumentNotConstantError(argument=what, function=function, expression=argument.sql)
        values[what] = argument.value()
    return _registry.ModelReference.parse(values["model"], values["version"], function)
