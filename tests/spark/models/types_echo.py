"""A model that tells for each row what it sees: a type and a value for each input, as JSON; logged as code."""

import json

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


def shown(column):
    """Each value as ``repr`` has it; a time as NumPy writes it, for pandas has many forms of one."""
    if column.dtype.kind == "M":
        return np.datetime_as_string(column.to_numpy(), unit="us").tolist()
    return [repr(value) for value in column.tolist()]


class Echo(PythonModel):
    """Predicts ``{input: [type, value]}``."""

    def predict(self, context, model_input, params=None):
        """Works for a data frame, for tensors by their names, and for one tensor."""
        columns = model_input if isinstance(model_input, (pd.DataFrame, dict)) else {"": model_input}
        types = {name: str(columns[name].dtype) for name in columns}
        values = {name: shown(columns[name]) for name in columns}
        rows = range(len(next(iter(values.values()))))
        return [json.dumps({name: [types[name], values[name][row]] for name in columns}) for row in rows]


set_model(Echo())
