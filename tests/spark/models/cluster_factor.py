"""A model logged as code that imports a module logged with it."""

from cluster_rate import RATE
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Factor(PythonModel):
    """Multiplies by the rate of its version."""

    def predict(self, context, model_input, params=None):
        """One product for each row."""
        return model_input["x"] * RATE


set_model(Factor())
