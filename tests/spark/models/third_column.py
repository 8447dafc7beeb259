"""A model that chooses a column by the number that is its name; logged as code."""

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class ThirdColumn(PythonModel):
    """Gives twice the column 2."""

    def predict(self, context, model_input, params=None):
        """Fail if the names are texts."""
        return model_input[2] * 2


set_model(ThirdColumn())
