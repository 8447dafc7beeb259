"""What an engine is asked for, and what it makes of that: something that ``_jvm`` can splice into a plan."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T

from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._settings import OnNull
from lakepredict._signature import Input


@dataclass(frozen=True)
class Request:
    """A bound call, without what feeds it: what the predictions are to be.

    Attributes:
        reference: the model as the query names it, and the function that it calls.
        model: the version to score with.
        inputs: the inputs that the call provides, in the order of the signature.
        absent: the optional inputs that it does not provide.
        timezone: the session's time zone.
        on_null: what becomes of a row with a NULL in an input.
        params: inference parameters, or None for the signature's defaults.
        engine: which engine is asked for: ``auto``, ``native``, ``arrow`` or ``pandas``.
        compiled: whether a tree ensemble is to be scored by compiled code.
    """

    reference: ModelReference
    model: ResolvedModel
    inputs: tuple[Input, ...]
    absent: tuple[Input, ...]
    timezone: str
    on_null: OnNull = "null"
    params: Mapping[str, Any] | None = None
    engine: str = "auto"
    compiled: bool = False

    @property
    def names(self) -> tuple[str | None, ...]:
        """The names of the model's inputs, in the order of the signature; of one ARRAY in their place, its own."""
        if not self.absent:
            return tuple(column.name for column in self.inputs)
        return tuple(column.name for column in self.model.signature.inputs)

    @property
    def lenient(self) -> bool:
        """Whether a row that the model fails on gets NULL."""
        return self.reference.function == "TRY_PREDICT"

    @property
    def probabilities(self) -> bool:
        """Whether class probabilities are asked for instead of predictions."""
        return self.reference.function == "PREDICT_PROBA"

    @property
    def name(self) -> str:
        """How EXPLAIN shows it: ``predict[sales_forecast v3]``."""
        return f"{self.reference.function.lower()}[{self.model.name} v{self.model.version}]"

    @property
    def label(self) -> str:
        """How messages name the model."""
        return f"the model '{self.model.name}' version {self.model.version}"

    @property
    def key(self) -> Hashable:
        """Equal for two requests exactly when one UDF serves both."""
        params = None if self.params is None else repr(sorted(self.params.items()))
        asked = self.reference.function, self.inputs, self.timezone, self.on_null, self.engine, self.compiled
        return self.model.identity, *asked, params


@dataclass(frozen=True)
class PythonFunction:
    """A scalar Arrow UDF, not yet made known to Spark.

    Attributes:
        call: takes one ``pyarrow.Array`` per input, returns one of ``result``.
        name: the engine's, which EXPLAIN shows.
        result: the Spark type of the predictions.
    """

    call: Callable[..., Any]
    name: str
    result: T.DataType
