"""What is read from linear models of scikit-learn, and what is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lakepredict.engines._sklearn_linear import LinearForm, NotLinearError, read

NAMES = ["a", "b", "c"]
RANDOM = np.random.default_rng(11)
X = pd.DataFrame(RANDOM.normal(3.0, 2.0, size=(80, 3)), columns=NAMES)
Y = X @ [1.0, -2.0, 3.0] + RANDOM.normal(size=80)
CLASSES = np.array(["low", "mid", "high"])[np.digitize(Y, [4, 9])]


def scores(form: LinearForm) -> np.ndarray:
    """The scores of a form for ``X``, computed as it says."""
    terms = [
        (X.iloc[:, term.input] - (term.offset or 0.0)) / (1.0 if term.scale is None else term.scale)
        for term in form.terms
    ]
    return np.column_stack(terms) @ np.array(form.weights).T + np.array(form.intercepts)


SCALER = StandardScaler()
REGRESSORS = [
    linear_model.LinearRegression(),
    linear_model.LinearRegression(fit_intercept=False),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    linear_model.Lasso(alpha=0.1),
    linear_model.ElasticNet(alpha=0.1),
    linear_model.SGDRegressor(random_state=0),
    linear_model.BayesianRidge(),
    linear_model.HuberRegressor(),
    make_pipeline(StandardScaler(), linear_model.Ridge()),
    make_pipeline(StandardScaler(with_mean=False), linear_model.Ridge()),
    make_pipeline(StandardScaler(with_std=False), linear_model.Ridge()),
    make_pipeline("passthrough", linear_model.Ridge()),
    make_pipeline(ColumnTransformer([("s", SCALER, ["c", "a"])]), linear_model.Ridge()),
    make_pipeline(ColumnTransformer([("s", SCALER, ["c"])], remainder="passthrough"), linear_model.Ridge()),
    make_pipeline(ColumnTransformer([("s", SCALER, [2, -3])], remainder="drop"), linear_model.Ridge()),
    make_pipeline(ColumnTransformer([("p", "passthrough", ["b"]), ("s", SCALER, ["a"])]), linear_model.Ridge()),
]


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_regressors(model: Any) -> None:
    """The form of a regressor gives its predictions."""
    form = read(model.fit(X, Y), NAMES)

    assert form.labels == ()
    np.testing.assert_allclose(scores(form)[:, 0], model.predict(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        linear_model.LogisticRegression(),
        linear_model.SGDClassifier(random_state=0),
        linear_model.Perceptron(random_state=0),
        make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
    ],
    ids=str,
)
@pytest.mark.parametrize("labels", [CLASSES, CLASSES == "low", np.digitize(Y, [4, 9])], ids=["text", "flag", "three"])
def test_classifiers(model: Any, labels: np.ndarray) -> None:
    """The form of a classifier gives its decision function, with the labels in the order of their scores."""
    form = read(model.fit(X, labels), NAMES)
    expected = model.decision_function(X)

    assert list(form.labels) == model.classes_.tolist()
    np.testing.assert_allclose(scores(form), expected.reshape(len(X), -1), rtol=1e-12, atol=1e-12)


def test_probabilities_are_of_logistic_models() -> None:
    """Only a logistic regression has probabilities that follow from its scores in a known way."""
    logistic = linear_model.LogisticRegression().fit(X, CLASSES)
    hinge = linear_model.SGDClassifier(loss="log_loss", random_state=0).fit(X, CLASSES)

    assert read(logistic, NAMES).logistic
    assert not read(hinge, NAMES).logistic


def test_model_of_a_matrix() -> None:
    """A model that was fitted without names takes its columns by position."""
    form = read(linear_model.Ridge().fit(X.to_numpy(), Y), [None, None, None])

    assert [term.input for term in form.terms] == [0, 1, 2]


class Bent(linear_model.LinearRegression):  # type: ignore[misc]
    """A model of somebody else's that shares scikit-learn's predict."""

    def _decision_function(self, X: Any) -> Any:
        """Not the linear one."""
        return super()._decision_function(X) ** 2


class Odd(BaseEstimator):  # type: ignore[misc]
    """A step of somebody else's."""

    def fit(self, X: Any, y: Any = None) -> Odd:
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        """Change something."""
        return X * 2


@pytest.mark.parametrize(
    ("model", "target", "reason"),
    [
        (linear_model.PoissonRegressor(), Y - Y.min() + 1, "it is a PoissonRegressor"),
        (Bent(), Y, "it is a Bent"),
        (linear_model.LinearRegression(), np.column_stack([Y, Y]), "it has several outputs"),
        (make_pipeline(SimpleImputer(), linear_model.Ridge()), Y, "it has a SimpleImputer"),
        (make_pipeline(Odd(), linear_model.Ridge()), Y, "it has a Odd"),
        (make_pipeline(StandardScaler(), StandardScaler(), linear_model.Ridge()), Y, "it scales its features twice"),
        (
            make_pipeline(ColumnTransformer([("o", OneHotEncoder(), ["a"])]), linear_model.Ridge()),
            Y,
            "encodes other values than texts",
        ),
        (
            make_pipeline(ColumnTransformer([("s", StandardScaler(), slice(0, 2))]), linear_model.Ridge()),
            Y,
            "a slice or a mask",
        ),
        (
            make_pipeline(ColumnTransformer([("s", StandardScaler(), [True, False, True])]), linear_model.Ridge()),
            Y,
            "a slice or a mask",
        ),
        (TransformedTargetRegressor(linear_model.Ridge(), func=np.cbrt, inverse_func=np.square), Y, "it is a Transf"),
    ],
    ids=str,
)
def test_other_models_are_left_alone(model: Any, target: Any, reason: str) -> None:
    """A model whose arithmetic is not known for sure is not read, and the reason is told."""
    with pytest.raises(NotLinearError, match=reason):
        read(model.fit(X, target), NAMES)


@pytest.mark.parametrize("names", [["b", "a", "c"], ["a", "b"], ["a", "b", "c", "d"]])
def test_other_inputs_than_the_features(names: list[str]) -> None:
    """A signature that does not have the model's features, in their order, is none to do arithmetic with."""
    with pytest.raises(NotLinearError, match="features"):
        read(linear_model.Ridge().fit(X, Y), names)
