"""A model that tells what it sees of each row, and its inference parameters."""

import mlflow
from mlflow.pyfunc import PythonModel


class NullsEcho(PythonModel):
    """Gives ``x n s dtype-of-n | parameters`` for each row."""

    def predict(self, context, model_input, params=None):
        """Tell."""
        told = " ".join(f"{name}={value}" for name, value in sorted(params.items()))
        kind = model_input["n"].dtype
        rows = zip(model_input["x"], model_input["n"], model_input["s"], strict=True)
        return [f"{x} {n} {s} {kind} | {told}" for x, n, s in rows]


mlflow.models.set_model(NullsEcho())
