"""A model that refuses negative numbers, and with them the whole batch, logged as code."""

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Picky(PythonModel):
    """The square root's poor relation: gives its input back, unless one is negative."""

    def predict(self, context, model_input, params=None):
        """Fail on the first negative number."""
        for value in model_input["x"]:
            if value < 0:
                raise ValueError(f"{value} is negative")
        return model_input["x"]


set_model(Picky())
