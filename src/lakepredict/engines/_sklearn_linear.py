"""What a linear model of scikit-learn computes, as numbers: read from the fitted model, on the driver.

A model is read only where its arithmetic is known: the very ``predict`` of scikit-learn's linear regressors, linear
classifiers and logistic regression, plain or behind scalers of numeric columns. Everything else is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from pyspark.sql import types as T

from lakepredict._signature import label_type
from lakepredict._worker.probabilities import label_array

_HOME = "sklearn.linear_model"

_REGRESSORS = {
    "_base.LinearModel.predict",
    "_base.MultiOutputLinearModel.predict",
    "_bayes.ARDRegression.predict",
    "_bayes.BayesianRidge.predict",
    "_ridge.Ridge.predict",
    "_ridge.RidgeCV.predict",
    "_stochastic_gradient.BaseSGDRegressor.predict",
}
"""The functions of ``sklearn.linear_model`` that give ``X @ coef_ + intercept_``."""

_CLASSIFIER = "_base.LinearClassifierMixin.predict"
"""The one that gives the class with the highest of them."""


class NotLinearError(Exception):
    """The model computes something else, or more; the message says what."""


@dataclass(frozen=True)
class Term:
    """One feature of the linear form: ``(input - offset) / scale``, or 1 where the input is a text, else 0.

    Attributes:
        input: the input's place in the model's inputs.
        offset: what is subtracted, or None.
        scale: what is divided by, or None.
        text: the text, or None for a number.
        strict: whether scikit-learn refuses a text that has no term.
    """

    input: int
    offset: float | None = None
    scale: float | None = None
    text: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class LinearForm:
    """``scores = weights * terms + intercepts``.

    Attributes:
        terms: the features.
        weights: for each score, a weight for each term.
        intercepts: for each score.
        labels: the class labels, as many as scores, or two for a single score; none for a regressor.
        label_type: their Spark type.
        function: which of its functions the model was logged with.
        logistic: whether the scores give probabilities: the softmax of several, the logistic function of one.
    """

    terms: tuple[Term, ...]
    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]
    labels: tuple[Any, ...] = ()
    label_type: T.DataType = field(default_factory=T.NullType)
    logistic: bool = False
    function: str = "predict"


def read(model: Any, names: Sequence[str | None]) -> LinearForm:
    """The linear form of a fitted model of scikit-learn.

    Args:
        model: the model.
        names: the names of its inputs, in the order of the signature.

    Raises:
        NotLinearError: it has none that is known.
    """
    from sklearn.pipeline import Pipeline

    known = getattr(model, "feature_names_in_", None)
    if known is not None and list(known) != list(names):
        raise NotLinearError("its features have other names, or another order, than the signature")
    if known is None and getattr(model, "n_features_in_", len(names)) != len(names):
        raise NotLinearError("it has another number of features than the signature")
    terms = [Term(position) for position in range(len(names))]
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    for step in steps[:-1]:
        terms = _transformed(step, terms, names)
    return _estimated(steps[-1], terms)


def _transformed(step: Any, terms: Sequence[Term], names: Sequence[str | None]) -> list[Term]:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if step is None or (isinstance(step, str) and step == "passthrough"):
        return list(terms)
    if type(step) is StandardScaler:
        return _scaled(step, terms)
    if type(step) is OneHotEncoder:
        return _encoded(step, terms)
    if type(step) is ColumnTransformer and all(term == Term(term.input) for term in terms):
        return _chosen(step, terms, names)
    raise NotLinearError(f"it has a {type(step).__name__}")


def _scaled(scaler: Any, terms: Sequence[Term]) -> list[Term]:
    if any(term != Term(term.input) for term in terms):
        raise NotLinearError("it scales its features twice, or what it has encoded")
    offsets = scaler.mean_ if scaler.with_mean else [None] * len(terms)
    scales = scaler.scale_ if scaler.with_std else [None] * len(terms)
    return [
        Term(term.input, None if offset is None else float(offset), None if scale is None else float(scale))
        for term, offset, scale in zip(terms, offsets, scales, strict=True)
    ]


def _encoded(encoder: Any, terms: Sequence[Term]) -> list[Term]:
    """A term for each text that an encoder has seen in each column."""
    import numpy as np

    if any(term != Term(term.input) for term in terms):
        raise NotLinearError("it encodes what it has scaled")
    if encoder.drop is not None or getattr(encoder, "_infrequent_enabled", False):
        raise NotLinearError("its OneHotEncoder leaves categories out")
    if encoder.handle_unknown not in ("error", "ignore") or np.dtype(encoder.dtype) != np.float64:
        raise NotLinearError("it has a OneHotEncoder of another kind")
    texts = [list(each) for each in encoder.categories_]
    if not all(isinstance(text, str) for each in texts for text in each):
        raise NotLinearError("it encodes other values than texts")
    strict = encoder.handle_unknown == "error"
    return [
        Term(term.input, text=str(text), strict=strict)
        for term, known in zip(terms, texts, strict=True)
        for text in known
    ]


def _chosen(transformer: Any, terms: Sequence[Term], names: Sequence[str | None]) -> list[Term]:
    found: list[Term] = []
    for _, step, columns in transformer.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        places = _places(columns, names)
        chosen = [terms[place] for place in places]
        encoded = _transformed("passthrough" if _passes(step) else step, chosen, [names[place] for place in places])
        _require_one_encoder(found, encoded, names)
        found += encoded
    return found


def _require_one_encoder(before: Sequence[Term], terms: Sequence[Term], names: Sequence[str | None]) -> None:
    """Refuse an input that is encoded twice: each encoder may refuse other texts."""
    encoded = {term.input for term in before if term.text is not None}
    twice = next((term.input for term in terms if term.text is not None and term.input in encoded), None)
    if twice is not None:
        raise NotLinearError(f"it encodes {names[twice]} twice")


def _passes(step: Any) -> bool:
    """Whether it is what scikit-learn makes of ``'passthrough'``."""
    from sklearn.preprocessing import FunctionTransformer

    return type(step) is FunctionTransformer and step.func is None


def _places(columns: Any, names: Sequence[str | None]) -> list[int]:
    """The places of a ColumnTransformer's columns, which it may have by name or by number."""
    listed = [columns] if isinstance(columns, (str, int)) else columns
    if isinstance(listed, slice) or not all(_is_place(each) for each in listed):
        raise NotLinearError("it chooses its columns by a slice or a mask")
    return [names.index(each) if isinstance(each, str) else range(len(names))[int(each)] for each in listed]


def _is_place(column: object) -> bool:
    return isinstance(column, (str, Integral)) and not isinstance(column, bool)


def _estimated(estimator: Any, terms: Sequence[Term]) -> LinearForm:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    # A class of somebody else may share predict and change what it calls.
    own = type(estimator).__module__.startswith(f"{_HOME}.")
    predict = getattr(type(estimator), "predict", None)
    name = f"{getattr(predict, '__module__', '')}.{getattr(predict, '__qualname__', '')}".removeprefix(f"{_HOME}.")
    regressor, classifier = own and name in _REGRESSORS, own and name == _CLASSIFIER
    if not regressor and not classifier:
        raise NotLinearError(f"it is a {type(estimator).__name__}")
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype="float64"))
    intercepts = np.broadcast_to(np.asarray(estimator.intercept_, dtype="float64").reshape(-1), (len(weights),))
    if regressor and len(weights) != 1:
        raise NotLinearError("it has several outputs")
    if weights.shape[1] != len(terms):
        raise NotLinearError("it has another number of features than the signature")
    numbers = [weights, intercepts, *(term.offset for term in terms), *(term.scale for term in terms)]
    if not all(np.isfinite(number).all() for number in numbers if number is not None):
        raise NotLinearError("its coefficients are not all finite")
    logistic = classifier and getattr(type(estimator), "predict_proba", None) is LogisticRegression.predict_proba
    return LinearForm(
        terms=tuple(terms),
        weights=tuple(map(tuple, weights.tolist())),
        intercepts=tuple(intercepts.tolist()),
        labels=tuple(estimator.classes_.tolist()) if classifier else (),
        label_type=label_type(label_array(estimator.classes_)) if classifier else T.NullType(),
        logistic=logistic,
    )
