"""The seasonal-naive baseline as an MLflow model, logged as code: a store sells what it sold a year before."""

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class SeasonalNaive(PythonModel):
    """Predicts the sales of the same week last year."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return the column ``sales_last_year`` of a data frame."""
        return pd.Series(model_input["sales_last_year"], name="prediction")


set_model(SeasonalNaive())
