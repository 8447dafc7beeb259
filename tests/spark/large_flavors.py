"""Models of the flavors that take several GB to install, logged as their users do it; see ``flavors``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import mlflow
import pandas as pd
import tensorflow
import torch
from mlflow.models import infer_signature

from flavors import NUMERIC, Case, matrix
from models.network import Network

TENSOR_INPUTS = "float(price), float(visits)"


def pytorch_with_code(rows: pd.DataFrame) -> Case:
    """A network of PyTorch whose class is in the code that is logged with it."""
    model = Network()
    predictions = model(torch.from_numpy(matrix(rows))).detach().numpy()
    options = {"serialization_format": "pickle", "code_paths": [str(Path(__file__).with_name("models"))]}
    log = partial(mlflow.pytorch.log_model, model, **options)
    return Case(log, infer_signature(matrix(rows), predictions), predictions, "float", 1e-6, TENSOR_INPUTS)


def pytorch_tensor(rows: pd.DataFrame) -> Case:
    """A network of PyTorch in a pickle, with the signature of its tensors."""
    return pytorch_case(rows, matrix(rows), TENSOR_INPUTS, serialization_format="pickle")


def pytorch_exported(rows: pd.DataFrame) -> Case:
    """A network of PyTorch in the format of ``torch.export``."""
    return pytorch_case(rows, matrix(rows), TENSOR_INPUTS, serialization_format="pt2", input_example=matrix(rows))


def pytorch_columns(rows: pd.DataFrame) -> Case:
    """A network of PyTorch that takes columns of a table."""
    return pytorch_case(rows, rows[NUMERIC], "*", serialization_format="pickle")


def pytorch_case(rows: pd.DataFrame, inputs: Any, arguments: str, **options: Any) -> Case:
    """A network of PyTorch with two outputs."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(len(NUMERIC), 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    predictions = model(torch.from_numpy(matrix(rows))).detach().numpy()
    log = partial(mlflow.pytorch.log_model, model, **options)
    return Case(log, infer_signature(inputs, predictions), predictions, "array<float>", 1e-6, arguments)


def tensorflow_module(rows: pd.DataFrame) -> Case:
    """A module of TensorFlow itself."""
    model = Weighted()
    predictions = model(tensorflow.constant(matrix(rows))).numpy()
    log = partial(mlflow.tensorflow.log_model, model)
    signature = infer_signature(matrix(rows), predictions)
    return Case(log, signature, predictions, "float", 1e-6, TENSOR_INPUTS)


class Weighted(tensorflow.Module):
    """The price and thrice the visits."""

    @tensorflow.function(input_signature=[tensorflow.TensorSpec([None, len(NUMERIC)], tensorflow.float32)])
    def __call__(self, inputs: Any) -> Any:
        """One number for each row."""
        return tensorflow.linalg.matvec(inputs, [1.0, 3.0])


def tensorflow_keras(rows: pd.DataFrame) -> Case:
    """A Keras model logged with ``mlflow.tensorflow``."""
    return keras_case(mlflow.tensorflow, rows)


def keras_tensor(rows: pd.DataFrame) -> Case:
    """A Keras model logged with ``mlflow.keras``."""
    return keras_case(mlflow.keras, rows)


def keras_case(flavor: Any, rows: pd.DataFrame) -> Case:
    """A classifier of Keras on one tensor, which gives the probabilities of three classes."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((len(NUMERIC),)), keras.layers.Dense(4), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    predictions = model.predict(matrix(rows), verbose=0)
    log = partial(flavor.log_model, model)
    return Case(log, infer_signature(matrix(rows), predictions), predictions, "array<float>", 1e-6, TENSOR_INPUTS)


def keras_named_tensors(rows: pd.DataFrame) -> Case:
    """A regressor of Keras with a tensor for each column."""
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((1,), name=name) for name in NUMERIC}
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()(list(inputs.values()))))
    tensors = {name: rows[[name]].to_numpy("float32") for name in NUMERIC}
    predictions = model.predict(tensors, verbose=0)
    arguments = "visits => float(visits), price => float(price)"
    log = partial(mlflow.keras.log_model, model)
    return Case(log, infer_signature(tensors, predictions), predictions, "float", 1e-6, arguments)


CASES: dict[str, Callable[[pd.DataFrame], Case]] = {
    builder.__name__: builder
    for builder in (
        pytorch_with_code,
        pytorch_tensor,
        pytorch_exported,
        pytorch_columns,
        tensorflow_module,
        tensorflow_keras,
        keras_tensor,
        keras_named_tensors,
    )
}
"""The large flavors, each in the forms that its users have."""
