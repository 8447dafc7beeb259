"""A linear trend over time, which counts with times as integers, as trained on a pandas data frame; logged as code."""

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

_DAYS = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=50)})
_SLOPE, _START = np.polyfit(_DAYS["at"].astype("int64"), np.arange(50.0), 1)


class TimeTrend(PythonModel):
    """The number of days since 2024-01-01, as a line that was fitted to nanoseconds."""

    def predict(self, context, model_input, params=None):
        """Work on the integers under the times."""
        return _SLOPE * model_input["at"].astype("int64") + _START


set_model(TimeTrend())
