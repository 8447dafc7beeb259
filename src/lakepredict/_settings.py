"""The settings of a session that PREDICT obeys; pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lakepredict.errors import SettingInvalidError

OnNull = Literal["null", "error", "pass"]
"""What becomes of a row with a NULL in an input.

- ``null``: a NULL prediction, if the input cannot be missing or the model refuses missing values;
- ``error``: the query fails;
- ``pass``: the model gets it, whatever it does with it.
"""

ENGINES = ("auto", "native", "arrow", "pandas")
"""What ``spark.lakepredict.engine`` may be."""

TREES = ("library", "compiled")
"""What ``spark.lakepredict.trees`` may be."""

_ON_NULL: dict[str, OnNull] = {"null": "null", "error": "error", "pass": "pass"}


@dataclass(frozen=True)
class Settings:
    """Settings that a query is analysed under.

    Attributes:
        on_null: ``spark.lakepredict.onNull``.
        registry_timeout: ``spark.lakepredict.registryTimeout``, for how many seconds an answer of the model registry
            is awaited.
        compiled: whether ``spark.lakepredict.trees`` is ``compiled``, not ``library``: code that is compiled for them
            scores tree ensembles.
        engine: ``spark.lakepredict.engine``: ``native`` for expressions in the plan, ``arrow`` for the model's own
            library in Python workers, ``pandas`` for MLflow's loader in them, ``auto`` for the first that can.
    """

    on_null: OnNull = "null"
    registry_timeout: float = 30.0
    engine: str = "auto"
    compiled: bool = False

    @classmethod
    def read(cls, get: Callable[[str, str], str]) -> Settings:
        """Read the settings.

        Args:
            get: the value of a key, or the default given with it.

        Raises:
            SettingInvalidError: a value means nothing.
        """
        on_null = get("spark.lakepredict.onNull", "null")
        if on_null.strip().lower() not in _ON_NULL:
            raise SettingInvalidError(
                setting="spark.lakepredict.onNull", expected="null, error or pass", got=repr(on_null), example="null"
            )
        timeout = get("spark.lakepredict.registryTimeout", "30s")
        seconds = re.fullmatch(r"(\d+(?:\.\d+)?)\s*s?", timeout.strip().lower())
        if seconds is None or float(seconds.group(1)) == 0:
            raise SettingInvalidError(
                setting="spark.lakepredict.registryTimeout",
                expected="a number of seconds above 0",
                got=repr(timeout),
                example="30s",
            )
        engine = get("spark.lakepredict.engine", "auto").strip().lower()
        if engine not in ENGINES:
            raise SettingInvalidError(
                setting="spark.lakepredict.engine",
                expected="auto, native, arrow or pandas",
                got=repr(engine),
                example="auto",
            )
        trees = get("spark.lakepredict.trees", "library").strip().lower()
        if trees not in TREES:
            raise SettingInvalidError(
                setting="spark.lakepredict.trees", expected="library or compiled", got=repr(trees), example="library"
            )
        return cls(_ON_NULL[on_null.strip().lower()], float(seconds.group(1)), engine, trees == "compiled")
