"""Models of scikit-learn, XGBoost, LightGBM and ONNX, loaded and called without MLflow.

Runs in Python workers. What MLflow's own wrappers of these four do with a batch is done here on what Arrow gives, so
that a worker imports the model's library and nothing else. The names and files are those of MLflow's model format
(``MLmodel``).
"""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakepredict._worker.form import Form, form_of, order_of
from lakepredict._worker.parts import booster_library, lacking, parts
from lakepredict._worker.probabilities import Classifier, classifier_of

LOADERS = {
    "mlflow.sklearn": "sklearn",
    "mlflow.xgboost": "xgboost",
    "mlflow.lightgbm": "lightgbm",
    "mlflow.onnx": "onnx",
}
"""MLflow's module that loads a model -> the flavor that says how."""

_BY_NAME = {"ColumnTransformer", "FunctionTransformer", "FeatureUnion"}
"""Parts of scikit-learn that may choose columns by their names, or hand them to a function of the user's."""

_OWN_FLAVORS = {"xgboost", "lightgbm"}
"""Libraries whose models are called the same way when they are logged as models of scikit-learn."""


class NativeModel:
    """A model of one of the four libraries in this process.

    Attributes:
        native: the library's own object.
        function: which of its functions the model was logged with.
    """

    def __init__(self, path: str, names: Sequence[str | None]) -> None:
        """Load a model.

        Args:
            path: its directory.
            names: the names of its inputs, in the order in which they come.
        """
        flavors = _flavors(path)
        conf = flavors["python_function"]
        flavor = LOADERS[conf["loader_module"]]
        native = _LOAD[flavor](path, flavors[flavor])
        _limit_threads(native, _threads())
        self._set_up(native, flavor, str(conf.get("predict_fn", "predict")), names)

    @classmethod
    def of(cls, native: Any, names: Sequence[str | None]) -> NativeModel:
        """Return a model that was not logged yet, to call it as it will be called."""
        model = cls.__new__(cls)
        model._set_up(native, "sklearn", "predict", names)
        return model

    def _set_up(self, native: Any, flavor: str, function: str, names: Sequence[str | None]) -> None:
        library = type(native).__module__.partition(".")[0]
        self._names = list(names)
        self._flavor = library if library in _OWN_FLAVORS else flavor
        self.function = function
        self.native = native
        self._takes_matrix = _takes_matrix(self._flavor, native, self._names)
        self._order = order_of(native, self._names)
        self._forms: dict[tuple[Any, ...], Form] = {}
        self._classifier: Classifier | None = None
        self._call = _CALL.get(self._flavor, getattr)(native, function)

    def form(self, names: Sequence[str | None], arrow_types: Sequence[pa.DataType]) -> Form:
        """Return the form in which it takes a batch.

        Args:
            names: the names of the inputs, those that it was loaded with.
            arrow_types: their types.

        Raises:
            FormError: there is none.
        """
        key = (*names, *arrow_types)
        if key not in self._forms:
            self._forms[key] = self._form(names, arrow_types)
        return self._forms[key]

    def lacks(self, absent: Set[str]) -> set[str]:
        """Return which of the optional inputs that a call does not provide it needs: those that it was fitted on."""
        return lacking(self.native, absent)

    def _form(self, names: Sequence[str | None], arrow_types: Sequence[pa.DataType]) -> Form:
        if self.takes_matrix(arrow_types):
            return Form("matrix")
        return Form() if self._flavor == "onnx" else form_of(self.native, self.function, names, arrow_types)

    def takes_matrix(self, kinds: Sequence[pa.DataType]) -> bool:
        """Whether a NumPy matrix of the inputs, in their order, means the same to it as a data frame.

        Args:
            kinds: the types of the inputs.
        """
        if (
            not self._takes_matrix
            or self._order is not None
            or not all(pa.types.is_floating(each) or pa.types.is_integer(each) for each in kinds)
        ):
            return False
        # XGBoost takes each column's numbers as they are, and large integers are not what they are among floats.
        return self._flavor != "xgboost" or len(set(kinds)) == 1 or pa.int64() not in kinds

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Score a matrix, a tensor, tensors by their names or a data frame.

        Models with parameters are MLflow's to call, so here they are those of the library.
        """
        with _nameless():
            return self._call(data)

    def probabilities(self, data: Any) -> Any:
        """The probability of each class, one column for each of the classifier's labels."""
        if self._flavor == "xgboost" and not hasattr(data, "columns"):
            import pandas as pd

            data = pd.DataFrame(data, columns=self._names)
        with _nameless():
            return self.classifier().probabilities(data)

    def classifier(self) -> Classifier:
        """The classifier that the model is.

        Raises:
            NoProbabilitiesError: it is none.
        """
        if self._classifier is None:
            self._classifier = classifier_of(self.native, self._flavor)
        return self._classifier


@contextmanager
def _nameless() -> Iterator[None]:
    """No warning of a matrix, which has no names: that its columns are in order was seen when the model was loaded."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        yield


def _flavors(path: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(Path(path, "MLmodel").read_text(encoding="utf-8"), loader)["flavors"]


def _load_sklearn(path: str, conf: dict[str, Any]) -> Any:
    return _unpickled(Path(path, conf["pickled_model"]), conf, conf.get("serialization_format", "pickle"))


def _unpickled(file: Path, conf: dict[str, Any], form: str) -> Any:
    """An object in one of MLflow's three formats for those of scikit-learn's kind."""
    if os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true").lower() in ("false", "0"):
        raise PermissionError("MLFLOW_ALLOW_PICKLE_DESERIALIZATION is false, so that no model may be loaded")
    if form == "skops":
        import skops.io

        return skops.io.load(file, trusted=conf.get("skops_trusted_types"))
    with file.open("rb") as stream:
        if form == "cloudpickle":
            import cloudpickle

            return cloudpickle.load(stream)
        if form == "pickle":
            return pickle.load(stream)
    raise ValueError(f"the serialization format {form!r} is not known")


def _load_xgboost(path: str, conf: dict[str, Any]) -> Any:
    model = _class(conf.get("model_class", "xgboost.core.Booster"))()
    model.load_model(str(Path(path, conf["data"])))
    return model


def _load_lightgbm(path: str, conf: dict[str, Any]) -> Any:
    data = Path(path, conf["data"])
    if conf.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster":
        import lightgbm

        return lightgbm.Booster(model_file=str(data))
    return _unpickled(data, conf, conf.get("serialization_format", "cloudpickle"))


def _load_onnx(path: str, conf: dict[str, Any]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    wanted = conf.get("onnx_session_options") or {}
    options.intra_op_num_threads = wanted.get("intra_op_num_threads") or _threads()
    options.inter_op_num_threads = wanted.get("inter_op_num_threads") or _threads()
    if "execution_mode" in wanted:
        options.execution_mode = getattr(onnxruntime.ExecutionMode, f"ORT_{wanted['execution_mode'].upper()}")
    if "graph_optimization_level" in wanted:
        level = onnxruntime.GraphOptimizationLevel(wanted["graph_optimization_level"])
        options.graph_optimization_level = level
    for key, value in (wanted.get("extra_session_config") or {}).items():
        options.add_session_config_entry(key, value)
    asked = conf.get("providers") or ["CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    providers = [tuple(each) if isinstance(each, list) else each for each in asked]
    usable = [each for each in providers if (each[0] if isinstance(each, tuple) else each) in available]
    data = str(Path(path, conf["data"]))
    return onnxruntime.InferenceSession(data, options, providers=usable or ["CPUExecutionProvider"])


def _class(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    return getattr(import_module(module), kind)


_LOAD: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "sklearn": _load_sklearn,
    "xgboost": _load_xgboost,
    "lightgbm": _load_lightgbm,
    "onnx": _load_onnx,
}


def _threads() -> int:
    """How many threads a task may have: Spark tells its workers so, ``spark.task.cpus`` unless it is set otherwise."""
    told = os.environ.get("OMP_NUM_THREADS", "1")
    return int(told) if told.isdigit() and int(told) else 1


def _limit_threads(model: Any, threads: int) -> None:
    """Keep a model to the threads of its task; it may have been trained with one for each core of a larger machine."""
    for part in parts(model):
        if hasattr(part, "n_jobs"):
            part.n_jobs = threads
        if booster_library(part) == "xgboost":
            part.set_param({"nthread": threads})


def _xgboost_booster(model: Any) -> Any:
    return model.get_booster() if hasattr(model, "get_booster") else model


def _takes_matrix(flavor: str, model: Any, names: list[str | None]) -> bool:
    if flavor == "onnx":
        return len(model.get_inputs()) == 1
    if None in names:
        return False
    if flavor == "sklearn":
        known = getattr(model, "feature_names_in_", None)
        members = list(parts(model))
        own = bool(members) and all(_is_own(part) for part in members)
        width = getattr(model, "n_features_in_", None)
        return own and (list(known) == names if known is not None else width == len(names))
    if flavor == "xgboost":
        booster = _xgboost_booster(model)
        return booster.feature_names in (names, None) and "c" not in (booster.feature_types or [])
    booster = _lightgbm_booster(model)
    return not booster.pandas_categorical and booster.num_feature() == len(names)


def _is_own(part: Any) -> bool:
    """Whether a part is scikit-learn's, and looks at values only."""
    kind = type(part)
    plain = kind.__module__.startswith("sklearn.") and kind.__name__ not in _BY_NAME
    return plain and not hasattr(part, "_sklearn_output_config")


def _lightgbm_booster(model: Any) -> Any:
    return getattr(model, "booster_", model)


def _call_xgboost(model: Any, function: str) -> Callable[[Any], Any]:
    import xgboost

    if not isinstance(model, xgboost.Booster):
        call = getattr(model, function)
        named, unnamed = partial(call, validate_features=True), partial(call, validate_features=False)
        return lambda data: (named if hasattr(data, "columns") else unnamed)(data)
    predict = getattr(model, function)

    def score(data: Any) -> Any:
        names = None if hasattr(data, "columns") else model.feature_names
        matrix = xgboost.DMatrix(data, feature_names=names, enable_categorical=hasattr(data, "columns"))
        return predict(matrix, validate_features=True)

    return score


def _call_onnx(session: Any, _: str) -> Callable[[Any], Any]:
    """What MLflow's wrapper gives: for a data frame flat outputs, for tensors outputs in their own shape."""
    import numpy as np

    inputs = {each.name: each.type for each in session.get_inputs()}
    outputs = [each.name for each in session.get_outputs()]
    first = next(iter(inputs))

    def score(data: Any) -> Any:
        flat = hasattr(data, "columns")
        if isinstance(data, dict):
            feeds = data
        elif flat and len(inputs) > 1:
            feeds = {name: data[name].to_numpy() for name in inputs}
        else:
            feeds = {first: data.to_numpy() if flat else data}
        single = {
            name: value.astype("float32") if inputs[name] == "tensor(float)" and value.dtype == "float64" else value
            for name, value in feeds.items()
        }
        found = session.run(outputs, single)
        return {name: np.asarray(each).reshape(-1) if flat else each for name, each in zip(outputs, found, strict=True)}

    return score


_CALL: dict[str, Callable[[Any, str], Callable[[Any], Any]]] = {"xgboost": _call_xgboost, "onnx": _call_onnx}
