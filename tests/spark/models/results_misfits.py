"""A model whose outputs do not all fit its signature, logged as code."""

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

GOOD = {"count": 1, "flag": False, "label": "a"}
BAD = {"count": 2**40, "flag": np.nan, "label": None}


class Misfits(PythonModel):
    """Predicts a count, a flag and a label; the one of them that is in the column ``bad`` is not what it should be."""

    def predict(self, context, model_input, params=None):
        """Decide for each row."""
        return pd.DataFrame([{**GOOD, bad: BAD[bad]} if bad in BAD else GOOD for bad in model_input["bad"]])


set_model(Misfits())
