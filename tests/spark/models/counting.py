"""A model that writes a file each time it is loaded and each time it is called, logged as code."""

import os
import tempfile
import uuid
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


def note(what: str, count: int = 0) -> None:
    """Leave a file named after the event, the process and the number of rows."""
    folder = Path(tempfile.gettempdir(), "counting")
    folder.mkdir(exist_ok=True)
    Path(folder, f"{what}-{os.getpid()}-{count}-{uuid.uuid4().hex}").touch()


class Counting(PythonModel):
    """Doubles its input."""

    def load_context(self, context):
        """Called once by each load."""
        note("load")

    def predict(self, context, model_input, params=None):
        """Called once for each batch."""
        note("call", len(model_input))
        return model_input["x"] * 2


set_model(Counting())
