"""A model for the rows of one owner: it fails on another one's, and writes a file each time it is called."""

import tempfile
import uuid
from pathlib import Path

from mlflow.models import ModelConfig, set_model
from mlflow.pyfunc.model import PythonModel

CONFIG = ModelConfig(development_config={"owner": "a", "factor": 1.0})


class OwnRows(PythonModel):
    """Multiplies the values of its owner's rows."""

    def predict(self, context, model_input, params=None):
        """Called once for each batch."""
        owner = CONFIG.get("owner")
        strangers = sorted(set(model_input["owner"]) - {owner})
        if strangers:
            raise ValueError(f"the model of {owner} was given rows of {strangers}")
        folder = Path(tempfile.gettempdir(), "own_rows")
        folder.mkdir(exist_ok=True)
        Path(folder, f"{owner}-{len(model_input)}-{uuid.uuid4().hex}").touch()
        return model_input["x"] * CONFIG.get("factor")


set_model(OwnRows())
