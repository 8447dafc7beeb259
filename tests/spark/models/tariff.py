"""A model logged as code that imports a module logged with it."""

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from rates import RATES


class Tariff(PythonModel):
    """The price at the rate of the store."""

    def predict(self, context, model_input, params=None):
        """One price for each row."""
        return model_input["price"] * model_input["store"].map(RATES)


set_model(Tariff())
