"""A model with a large file, logged as code."""

import os

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Large(PythonModel):
    """Adds the size of its file."""

    def load_context(self, context):
        """Look at the file."""
        self.size = os.path.getsize(context.artifacts["weights"])

    def predict(self, context, model_input, params=None):
        """One sum for each row."""
        return model_input["x"] + self.size


set_model(Large())
