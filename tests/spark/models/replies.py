"""A model whose predictions have other keys from row to row; logged as code."""

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Replies(PythonModel):
    """Gives a score, a reason for what is above 1, and details for what is above 2."""

    def predict(self, context, model_input, params=None):
        """Answer row by row."""
        return [reply(value) for value in model_input["x"].tolist()]


def reply(value):
    """Return the prediction for one value."""
    answer = {"score": value * 10, "detail": {"base": value}}
    if value > 1:
        answer["reason"] = "above 1"
    if value > 2:
        answer["detail"]["extra"] = "above 2"
    return answer


set_model(Replies())
