"""A model of nested inputs: the value of a basket, field by field; logged as code."""

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Basket(PythonModel):
    """Says for each basket how many items of which article it has, what they cost, and what is noted of them."""

    def predict(self, context, model_input, params=None):
        """Answer in texts that show each field by its name."""
        return [described(basket) for basket in model_input["basket"]]


def described(basket):
    """Return a basket as text; fields that are not there are not in it."""
    if basket is None:
        return "none"
    items = [
        "-" if item is None else " ".join(f"{name}={item[name]}" for name in sorted(item)) for item in basket["items"]
    ]
    return f"{basket['customer']}: {'; '.join(items)}"


set_model(Basket())
