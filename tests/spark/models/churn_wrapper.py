"""A wrapper around a pipeline of scikit-learn that was fitted on all of its columns; logged as code."""

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

ROWS = pd.DataFrame({"age": [20.0, 40.0, 60.0, np.nan], "plan": ["a", "b", None, "a"], "tenure": [1.0, 2.0, 3.0, 4.0]})


def fitted():
    """Return a pipeline that takes missing ages and plans."""
    columns = ColumnTransformer(
        [("age", SimpleImputer(), ["age"]), ("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"])],
        remainder="passthrough",
    )
    return make_pipeline(columns, DecisionTreeRegressor(random_state=0)).fit(ROWS, [1.0, 2.0, 3.0, 4.0])


class ChurnWrapper(PythonModel):
    """Gives what its pipeline gives."""

    def load_context(self, context):
        """Fit the pipeline, which takes no time."""
        self.pipeline = fitted()

    def predict(self, context, model_input, params=None):
        """Hand the data frame on."""
        return self.pipeline.predict(model_input)


set_model(ChurnWrapper())
