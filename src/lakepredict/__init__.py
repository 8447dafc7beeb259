"""PREDICT(model, version, cols...) for Apache Spark SQL, with MLflow registered models and Delta Lake tables.

Importing this package starts nothing and imports neither pyspark nor mlflow: a Python worker imports it too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from lakepredict.errors import LakepredictError
    from lakepredict.functions import predict, predict_proba, register
    from lakepredict.session import spark_session

__all__ = ["LakepredictError", "load_ipython_extension", "predict", "predict_proba", "register", "spark_session"]

_HOMES = {
    "LakepredictError": "lakepredict.errors",
    "predict": "lakepredict.functions",
    "predict_proba": "lakepredict.functions",
    "register": "lakepredict.functions",
    "spark_session": "lakepredict.session",
}

_MODULES = ("errors", "lakehouse", "report", "tracking")
"""Of the public ones, those that are there without an import of their own."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"lakepredict.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'lakepredict' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext lakepredict``: add the magic ``%%sql`` to a notebook."""
    import_module("lakepredict._magic").register_magic(ipython)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
