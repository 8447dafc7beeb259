"""A model that brings code of its own: one module that it imports when it is loaded, one when it is called."""

import lifecycle_factor
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Shared(PythonModel):
    """Computes what its modules say."""

    def predict(self, context, model_input, params=None):
        """Import the second module with the first batch."""
        import lifecycle_offset

        return model_input["x"] * lifecycle_factor.FACTOR + lifecycle_offset.OFFSET


set_model(Shared())
