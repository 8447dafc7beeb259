"""MLflow runs of models on Delta tables: which run is best, which version is registered, and what PREDICT can use.

Uses MLflow's own calls throughout; what is here ties them to Delta tables and to PREDICT. Experiments, runs, models
and versions are those of the store that MLflow points to: ``lakepredict.spark_session`` points it to the lakehouse.

A model of another library than Spark is logged by MLflow's own call, compared and registered::

    with mlflow.start_run(experiment_id=experiment_id):
        mlflow.log_metric("rmse", rmse)
        mlflow.sklearn.log_model(model, **tracking.for_predict(model, X_train))

    best = tracking.best_run("weekly_sales", "rmse")
    version = tracking.register(best, "sales_forecast", alias="champion")
"""

from lakepredict.tracking._compare import best_run, compare
from lakepredict.tracking._formats import for_predict
from lakepredict.tracking._metrics import forecast_errors, mode_of
from lakepredict.tracking._register import promote, register
from lakepredict.tracking._tables import run_on_table, signature_of

__all__ = [
    "best_run",
    "compare",
    "for_predict",
    "forecast_errors",
    "mode_of",
    "promote",
    "register",
    "run_on_table",
    "signature_of",
]
