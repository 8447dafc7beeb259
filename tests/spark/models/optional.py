"""A model with an optional input, logged as code."""

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Optional(PythonModel):
    """The price, and the visits on top where they are there."""

    def predict(self, context, model_input, params=None):
        """Add what is there."""
        return model_input.sum(axis=1)


set_model(Optional())
