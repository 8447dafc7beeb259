"""MLflow runs of models on Delta tables: which run is best, which version is registered, and what PREDICT can use.

Uses MLflow's own calls throughout; what is here ties them to Delta tables and to PREDICT. Experiments, runs, models
and versions are those of the store that MLflow points to: ``lakepredict.spark_session`` points it to the lakehouse.

A pipeline of Spark ML is fitted and logged by one call; a model of another library is logged by MLflow's own::

    tracking.fit_and_log(pipeline, train, held_out, experiment="weekly_sales", name="ridge", table="weekly_features")

    with tracking.track("weekly_sales", "forest", data=train, table="weekly_features"):
        mlflow.log_metric("rmse", rmse)
        mlflow.sklearn.log_model(model, name="forest", **tracking.for_predict(model, X_train))

    best = tracking.best_run("weekly_sales", "rmse")
    version = tracking.register(best, "sales_forecast", alias="champion")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lakepredict.tracking._compare import best_run, compare
from lakepredict.tracking._formats import for_predict
from lakepredict.tracking._metrics import forecast_errors, mode_of
from lakepredict.tracking._register import promote, register

if TYPE_CHECKING:
    from lakepredict.tracking._tables import signature_of
    from lakepredict.tracking._track import Fit, TrackedRun, fit_and_log, track

__all__ = [
    "Fit",
    "TrackedRun",
    "best_run",
    "compare",
    "fit_and_log",
    "for_predict",
    "forecast_errors",
    "mode_of",
    "promote",
    "register",
    "signature_of",
    "track",
]

_ON_SPARK = {
    "Fit": "_track",
    "TrackedRun": "_track",
    "fit_and_log": "_track",
    "signature_of": "_tables",
    "track": "_track",
}
"""What needs Spark's modules, which comparing and registering do not wait for."""


def __getattr__(name: str) -> Any:
    if name not in _ON_SPARK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ON_SPARK[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
