"""A model that leaves a file each time it is loaded, logged as code."""

import os
import uuid
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Counting(PythonModel):
    """Doubles its input."""

    def load_context(self, context):
        """Leave a file named after the process, in the folder that the model was logged with."""
        Path(context.model_config["events"], f"{os.getpid()}-{uuid.uuid4().hex}").touch()

    def predict(self, context, model_input, params=None):
        """Called once for each batch."""
        return model_input["x"] * 2


set_model(Counting())
