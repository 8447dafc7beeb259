"""A model of two columns that are not alike, logged as code."""

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Balance(PythonModel):
    """Predicts ``9 * x - 10 * y`` as a one-dimensional NumPy array."""

    def predict(self, context, model_input, params=None):
        """Works for numbers of any type."""
        return np.asarray(9 * model_input["x"] - 10 * model_input["y"], dtype=float)


set_model(Balance())
