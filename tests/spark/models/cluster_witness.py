"""A model that tells what the process that it runs in has in its environment, logged as code."""

import json
import os

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Witness(PythonModel):
    """Gives the environment of its process, whatever the input."""

    def predict(self, context, model_input, params=None):
        """The same text for each row."""
        return pd.Series([json.dumps(dict(os.environ))] * len(model_input))


set_model(Witness())
