"""From a PREDICT call to the expression that replaces it: resolve, check, choose an engine, splice.

Runs on the driver while a query is analysed, once per PREDICT call in it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.udf import UserDefinedFunction

from lakepredict import _binding, _jvm, _params, _registry
from lakepredict._cache import Cache
from lakepredict._call import Call, CallArgument, Feed, Splice
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._sql import literal, sql_type
from lakepredict._worker.compiled import PackedTrees
from lakepredict._worker.packed_model import PackedModel
from lakepredict.engines import linear, sparkml, workers
from lakepredict.engines._files import fetched
from lakepredict.engines._sklearn_linear import LinearForm, NotLinearError
from lakepredict.engines._trees import NotCompiledError
from lakepredict.engines.base import PythonFunction, Request
from lakepredict.errors import ArgumentInvalidError, ArgumentNotConstantError, ModelUnsupportedError

_log = logging.getLogger(__name__)
_FEATURES_FROM = 2
"""Arguments before this position are the model and the version."""

_PARAMS = "params"

_FORCED = "spark.lakepredict.engine asks for it"


@dataclass(frozen=True)
class Made:
    """What an engine made of a request.

    Attributes:
        target: a Python UDF, or the data frame whose computation becomes part of the query.
        title: how EXPLAIN shows it.
    """

    target: UserDefinedFunction | DataFrame
    title: str


class Binder:
    """Binds the calls of an application, and keeps what they have in common.

    Two calls of the same model in the same way must get the same UDF, or Spark would evaluate them twice; two calls
    of one version in different ways share the broadcast of its files. What goes lives on in the plans that use it;
    Spark's cleaner drops a broadcast after the last of them.
    """

    def __init__(self, spark: SparkSession, kept: int) -> None:
        self._spark = spark
        self._made: Cache[Made] = Cache(kept)
        self._shipped: Cache[Broadcast[PackedModel]] = Cache(kept)
        self._trees: Cache[Broadcast[PackedTrees] | str] = Cache(kept)
        self._labels: Cache[workers.Labels] = Cache(kept)
        self._forms: Cache[LinearForm | str] = Cache(kept)

    def serves(self, spark: SparkSession) -> bool:
        """Whether a session is of the application that this one ships models in."""
        return spark.sparkContext is self._spark.sparkContext

    def build(self, function: str, call: Call) -> Splice:
        """Bind one call of ``PREDICT``, ``TRY_PREDICT`` or ``PREDICT_PROBA``.

        Raises:
            PredictError: one of its kinds, if the call cannot be bound.
        """
        reference = _read_reference(call, function)
        version = _find_once(call, reference)
        model = _registry.describe(reference, version, call.settings.registry_timeout)
        features, params = _split(call, model)
        binding = _binding.bind(
            reference, model, features, case_sensitive=call.case_sensitive, one_by_one=call.one_by_one
        )
        request = Request(
            reference=reference,
            model=model,
            inputs=tuple(bound.input for bound in binding.inputs),
            absent=binding.absent,
            timezone=call.timezone,
            on_null=call.settings.on_null,
            params=_read_params(reference, model, params),
            engine=call.settings.engine,
            compiled=call.settings.compiled,
        )
        made = self._made.get(request.key, lambda: self._make(request))
        feeds = tuple(Feed(bound.source, bound.cast_to) for bound in binding.inputs)
        return Splice(made.target, feeds, made.title, request.lenient)

    def _make(self, request: Request) -> Made:
        if sparkml.supports(request.model.flavors):
            if request.engine in ("arrow", "pandas"):
                raise _not_by_this_engine(request, "Spark ML models are part of the query always")
            return Made(sparkml.build(self._spark, request), f"{request.name} native[a model of Spark ML]")
        why = _FORCED
        if request.engine in ("auto", "native"):
            try:
                form = self._linear_form(request)
                return Made(linear.build(self._spark, request, form), f"{request.name} native[a linear model]")
            except NotLinearError as exc:
                if request.engine == "native":
                    raise _not_by_this_engine(request, str(exc)) from exc
                why = str(exc)
        return Made(_jvm.new_udf(self._in_workers(request, why)), request.name)

    def _in_workers(self, request: Request, why: str) -> PythonFunction:
        """The function for Python workers, which is to be there because of ``why``."""
        unfit = _FORCED if request.engine == "pandas" else workers.obstacle(request)
        if request.engine == "arrow" and unfit is not None:
            raise _not_by_this_engine(request, unfit)
        engine, why = ("arrow", why) if unfit is None else ("pandas", unfit)
        trees = None
        if unfit is None and request.compiled:
            key = request.model.identity, request.inputs, request.probabilities
            found = self._trees.get(key, lambda: self._compile(request))
            if isinstance(found, str):
                why = f"not compiled: {found}"
            else:
                engine, why, trees = "trees", "spark.lakepredict.trees asks for it", found
        _log.info("%s is scored by the engine %s: %s", request.label, engine, why)
        shipped = self._shipped.get(request.model.identity, lambda: self._ship(request))
        labels = None
        if request.probabilities:
            read = partial(workers.read_labels, self._spark.sparkContext, request, shipped, native=unfit is None)
            labels = self._labels.get(request.model.identity, read)
        function = workers.build(request, shipped, labels, native=unfit is None, trees=trees)
        return PythonFunction(function, f"{engine}[{why}]", workers.result_type(request, labels))

    def _compile(self, request: Request) -> Broadcast[PackedTrees] | str:
        """The compiled trees of a model, or why there are none; its files, now that they are here, are shipped, too."""
        with fetched(request.reference, request.model) as files:
            self._shipped.get(request.model.identity, lambda: self._ship(request, files))
            try:
                return workers.ship_trees(self._spark.sparkContext, request, files)
            except NotCompiledError as exc:
                _log.warning("%s is not compiled: %s", request.label, exc)
                return str(exc)

    def _linear_form(self, request: Request) -> LinearForm:
        names = tuple(each.name for each in request.inputs)
        found = self._forms.get((request.model.identity, names), lambda: self._read_linear(request))
        if isinstance(found, str):
            raise NotLinearError(found)
        return found

    def _read_linear(self, request: Request) -> LinearForm | str:
        """The arithmetic of a model, or why it has none; its files are shipped in that case, now that they are here."""
        if not linear.supports(request.model.flavors):
            return "it is no model of scikit-learn"
        with fetched(request.reference, request.model) as files:
            try:
                return linear.read(request, files)
            except NotLinearError as exc:
                self._shipped.get(request.model.identity, lambda: self._ship(request, files))
                return str(exc)

    def _ship(self, request: Request, files: Path | None = None) -> Broadcast[PackedModel]:
        if files is not None:
            return workers.ship(self._spark.sparkContext, request, files)
        with fetched(request.reference, request.model) as copied:
            return workers.ship(self._spark.sparkContext, request, copied)


def _not_by_this_engine(request: Request, reason: str) -> ModelUnsupportedError:
    return ModelUnsupportedError(
        call=str(request.reference),
        expected=f"a model for spark.lakepredict.engine = {request.engine}",
        got=reason,
        hint="RESET spark.lakepredict.engine.",
    )


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


def _find_once(call: Call, reference: ModelReference) -> ModelVersion:
    """The version that the model and version of a call name in the whole of its query.

    An alias may move between two calls of one query, so the first one's answer is the answer for all of them.
    """
    key = f"{reference.version!r} of {reference.name}"
    known = call.memo.get(key)
    wanted = reference if known is None else replace(reference, version=known)
    found = _registry.find(wanted, call.settings.registry_timeout)
    call.memo[key] = int(found.version)
    return found


def _split(call: Call, model: ResolvedModel) -> tuple[list[_binding.Argument], CallArgument | None]:
    """The arguments that feed inputs, and the one that gives inference parameters.

    ``params => ...`` means the parameters, unless the model has an input of that name.
    """
    features, params = [], None
    taken = any(each.name is not None and each.name.casefold() == _PARAMS for each in model.signature.inputs)
    for position, each in enumerate(call.arguments[_FEATURES_FROM:], _FEATURES_FROM):
        if each.explicit and str(each.name).casefold() == _PARAMS and not taken:
            params = each
        else:
            features.append(_binding.Argument(each.type, each.name, each.explicit, each.sql, (position, None)))
    return features, params


def _read_params(reference: ModelReference, model: ResolvedModel, given: CallArgument | None) -> dict[str, Any] | None:
    if given is None:
        return None
    if not given.constant:
        raise ArgumentNotConstantError(
            argument=_PARAMS,
            function=reference.function,
            example="params => map('alpha', 0.5)",
            expression=given.sql,
            hint=_hint(_PARAMS),
        )
    values = given.value()
    if not isinstance(values, dict):
        raise ArgumentInvalidError(
            argument=f"{_PARAMS} argument",
            function=reference.function,
            expected="a MAP with STRING keys, or a STRUCT",
            got="NULL" if values is None else f"{given.sql} ({sql_type(given.type)})",
            hint="write params => map('alpha', 0.5), or params => named_struct('alpha', 0.5, 'mode', 'fast').",
        )
    return _params.check(reference, model, values)


def _hint(argument: str, forgotten: str = "") -> str:
    """Return what to do about an argument that is no constant; ``forgotten`` is the call with a version."""
    text = (
        f"write one PREDICT for each {argument} and choose between them with CASE, where each scores the rows of its"
        " own branch alone; a parameter of a SQL function is no constant, but EXECUTE IMMEDIATE"
        " 'SELECT PREDICT(?, ...)' USING ... takes one."
    )
    if argument != "version":
        return text
    return f"the version stands between model and columns: {forgotten}. If it varies, {text}"


def _without_version(model: str, function: str) -> ArgumentInvalidError:
    return ArgumentInvalidError(
        argument="version",
        function=function,
        expected="a version number, an alias, or 'latest', after the model",
        got="no version",
        hint=f"write {function}({literal(model)}, 'champion', *), or {function}({literal(model)}, 'latest', *).",
    )


def _read_reference(call: Call, function: str) -> ModelReference:
    values: dict[str, object] = {"model": None, "version": None}
    for what, argument in zip(values, call.arguments, strict=False):
        if not argument.constant:
            if isinstance(values["model"], str):
                # Where the version is in the model's name, what follows is a column.
                _registry.require_name(values["model"], function)
            example = f"{function}('sales_forecast', 'champion', *)"
            model = values["model"] if isinstance(values["model"], str) else "sales_forecast"
            forgotten = f"{function}({literal(model)}, 'champion', {argument.sql}, ...)"
            raise ArgumentNotConstantError(
                argument=what, function=function, example=example, expression=argument.sql, hint=_hint(what, forgotten)
            )
        values[what] = argument.value()
    if len(call.arguments) == 1 and isinstance(values["model"], str):
        _registry.require_name(values["model"], function)
        raise _without_version(values["model"], function)
    return ModelReference.parse(values["model"], values["version"], function)
