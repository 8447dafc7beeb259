"""Models of scikit-learn whose first step reads no table get what it reads: texts, or a dict for each row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from saved_models import ENGINES, scorer_of
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier, OutputCodeClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from lakepredict.errors import InputFormError

TEXTS = pd.Series(["good day", "bad night", "good text", "awful text", "the text text"] * 6, name="text")
LIKES = pd.Series([2.0, -2.0, 2.0, -3.0, 0.5] * 6)
LABELS = pd.Series(["yes", "no", "yes", "no", "perhaps"] * 6)
cloudpickled = partial(mlflow.sklearn.save_model, serialization_format="cloudpickle")


class Cleaner(TransformerMixin, BaseEstimator):
    """A step of the user's own that reads one text after the other."""

    def fit(self, X: Any, y: Any = None) -> Cleaner:
        """Nothing is learnt."""
        return self

    def transform(self, X: Any) -> list[str]:
        """Each text in small letters."""
        return [text.lower() for text in X]


class Selector(TransformerMixin, BaseEstimator):
    """A step of the user's own that takes a column of a data frame."""

    def __init__(self, column: str) -> None:
        self.column = column

    def fit(self, X: Any, y: Any = None) -> Selector:
        """Nothing is learnt."""
        return self

    def transform(self, X: Any) -> Any:
        """The column."""
        return X[self.column]


class Embedder(Cleaner):
    """A step of the user's own that makes numbers of each text."""

    def transform(self, X: Any) -> Any:
        """Two numbers."""
        return np.array([[len(text), text.count("o")] for text in X], float)


class Keywords(ClassifierMixin, BaseEstimator):
    """A classifier of the user's own that reads one text after the other."""

    def fit(self, X: Any, y: Any) -> Keywords:
        """The labels are known."""
        self.classes_ = np.array(["no", "yes"])
        return self

    def predict(self, X: Any) -> Any:
        """Whether something is good."""
        return np.array(["yes" if "good" in text else "no" for text in X])


class Words(ClassifierMixin, BaseEstimator):
    """A classifier of the user's own that has another one, which it gives one text after the other."""

    def fit(self, X: Any, y: Any) -> Words:
        """The other one learns."""
        self.inner_ = make_pipeline(CountVectorizer(), LogisticRegression()).fit(list(X), y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X: Any) -> Any:
        """The other one's labels."""
        return self.inner_.predict(list(X))

    def predict_proba(self, X: Any) -> Any:
        """The other one's probabilities."""
        return self.inner_.predict_proba(list(X))


def classifier(*steps: Any) -> Any:
    """A pipeline that ends in a classifier."""
    return make_pipeline(*(steps or [TfidfVectorizer()]), LogisticRegression())


def small(texts: Any) -> Any:
    """Texts in small letters, by a function that works on each of them."""
    return [text.lower() for text in texts]


def ravelled(rows: Any) -> Any:
    """A table of one column, or a column, as a column."""
    return np.ravel(rows)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "tf-idf": classifier,
    "count": lambda: classifier(CountVectorizer()),
    "hashing": lambda: classifier(HashingVectorizer(n_features=64)),
    "passthrough": lambda: classifier("passthrough", TfidfVectorizer()),
    "nested": lambda: make_pipeline(make_pipeline(TfidfVectorizer()), LogisticRegression()),
    "union": lambda: classifier(make_union(TfidfVectorizer(), CountVectorizer(analyzer="char"))),
    "union in union": lambda: classifier(
        FeatureUnion([("u", make_union(TfidfVectorizer(), make_pipeline(Cleaner(), CountVectorizer()))), ("d", "drop")])
    ),
    "union with numbers": lambda: classifier(make_union(Embedder(), TfidfVectorizer())),
    "search": lambda: GridSearchCV(classifier(), {"tfidfvectorizer": [TfidfVectorizer(), CountVectorizer()]}, cv=2),
    "calibrated": lambda: CalibratedClassifierCV(classifier(), cv=2),
    "one against the rest": lambda: OneVsRestClassifier(classifier()),
    "output code": lambda: OutputCodeClassifier(classifier(), random_state=0),
    "voting": lambda: VotingClassifier([("a", classifier()), ("b", classifier(CountVectorizer()))]),
    "stacking": lambda: StackingClassifier([("a", classifier())], cv=2),
    "frozen": lambda: FrozenEstimator(classifier().fit(TEXTS, LABELS)),
    "own in a wrapper": lambda: OneVsRestClassifier(Words()),
    "own cleaner": lambda: classifier(Cleaner(), TfidfVectorizer()),
    "own embedder": lambda: classifier(Embedder()),
    "own classifier": Keywords,
    "function": lambda: classifier(FunctionTransformer(small), TfidfVectorizer()),
    "same": lambda: classifier(FunctionTransformer(), TfidfVectorizer()),
    "ravel": lambda: classifier(FunctionTransformer(ravelled), TfidfVectorizer()),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_texts(name: str, engine: str, tmp_path: Path) -> None:
    """A model of texts gives each text what it gives by itself, in batches of one row and of several."""
    model = CLASSIFIERS[name]().fit(TEXTS, LABELS)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text"], engine, result=pa.string())
    expected = list(model.predict(TEXTS))
    alone = [score(pa.array([text]))[0].as_py() for text in TEXTS[:5]]

    assert len(set(expected)) > 1
    assert expected == score(pa.array(TEXTS)).to_pylist()
    assert expected[:5] == alone


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["tf-idf", "calibrated", "one against the rest", "union", "search", "own cleaner"])
def test_probabilities(name: str, engine: str, tmp_path: Path) -> None:
    """So do its probabilities."""
    model = CLASSIFIERS[name]().fit(TEXTS, LABELS)
    labels = pa.array(model.classes_.tolist())
    result = pa.map_(pa.string(), pa.float64())
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text"], engine, result=result, labels=labels)
    expected = [list(zip(model.classes_, row, strict=True)) for row in model.predict_proba(TEXTS[:3])]

    assert expected[:1] == score(pa.array(TEXTS[:1])).to_pylist()
    assert expected == score(pa.array(TEXTS[:3])).to_pylist()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CountVectorizer(), Ridge()),
        TransformedTargetRegressor(make_pipeline(TfidfVectorizer(), Ridge()), func=np.arcsinh, inverse_func=np.sinh),
    ],
    ids=["ridge", "transformed target"],
)
def test_regressors(model: Any, engine: str, tmp_path: Path) -> None:
    """A regression on texts gives each text its number, not that of the column's name."""
    model.fit(TEXTS, LIKES)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text"], engine)

    assert model.predict(TEXTS).tolist() == score(pa.array(TEXTS)).to_pylist()
    assert model.predict(TEXTS[:1]).tolist() == score(pa.array(TEXTS[:1])).to_pylist()
    assert model.predict(["text"]).tolist() != score(pa.array(TEXTS[:1])).to_pylist()


def test_threshold(tmp_path: Path) -> None:
    """A classifier with a threshold of its own asks the pipeline in it."""
    model = FixedThresholdClassifier(classifier(), threshold=0.3).fit(TEXTS, LABELS == "yes")
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text"], result=pa.bool_())

    assert model.predict(TEXTS[:1]).tolist() == score(pa.array(TEXTS[:1])).to_pylist()
    assert model.predict(TEXTS).tolist() == score(pa.array(TEXTS)).to_pylist()


TABLES: dict[str, Any] = {
    "a column by its name": make_column_transformer((TfidfVectorizer(), "text"), ("passthrough", ["size"])),
    "selectors": make_union(make_pipeline(Selector("text"), TfidfVectorizer()), Selector(["size"])),
    "search of columns": make_pipeline(make_column_transformer((CountVectorizer(), "text"))),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", TABLES)
def test_tables_stay_tables(name: str, engine: str, tmp_path: Path) -> None:
    """A model that chooses a column of texts by its name gets a data frame."""
    data = pd.DataFrame({"text": TEXTS, "size": np.arange(30.0)})
    model = GridSearchCV(make_pipeline(TABLES[name], Ridge()), {"ridge__alpha": [1.0, 2.0]}, cv=2).fit(data, LIKES)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text", "size"], engine)
    columns = [pa.array(data["text"]), pa.array(data["size"])]

    assert model.predict(data).tolist() == score(*columns).to_pylist()
    for rows in (1, 2):
        assert model.predict(data[:rows]).tolist() == score(*(column[:rows] for column in columns)).to_pylist()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("first", [Selector("text"), make_column_transformer((CountVectorizer(), "text"))], ids=str)
def test_tables_of_one_column(first: Any, engine: str, tmp_path: Path) -> None:
    """So does one that has this column alone."""
    data = TEXTS.to_frame()
    steps = [first, TfidfVectorizer()] if isinstance(first, Selector) else [first]
    model = make_pipeline(*steps, Ridge()).fit(data, LIKES)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text"], engine)

    assert model.predict(data).tolist() == score(pa.array(TEXTS)).to_pylist()
    assert model.predict(data[:1]).tolist() == score(pa.array(TEXTS[:1])).to_pylist()


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["tf-idf", "own cleaner", "calibrated"])
def test_several_inputs(name: str, engine: str, lenient: bool, tmp_path: Path) -> None:
    """A model of texts with several inputs is an error, for TRY_PREDICT too: no batch of it can be right."""
    model = CLASSIFIERS[name]().fit(TEXTS, LABELS)
    score = scorer_of(
        cloudpickled, model, tmp_path / "m", ["subject", "body"], engine, result=pa.string(), lenient=lenient
    )

    for rows in (1, 2, 3):
        with pytest.raises(InputFormError, match=r"(?s)PREDICT_INPUT_FORM.*2 inputs: subject, body"):
            score(pa.array(TEXTS[:rows]), pa.array(TEXTS[:rows]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("hasher", [DictVectorizer(), FeatureHasher(n_features=32)], ids=["dicts", "hasher"])
def test_rows_as_dicts(hasher: Any, engine: str, tmp_path: Path) -> None:
    """A model that learnt from dicts gets each row as a dict of its inputs."""
    rows = [{"place": place, "size": float(size)} for size, place in enumerate(["north", "south", "west"] * 5)]
    model = make_pipeline(hasher, Ridge()).fit(rows, np.arange(15.0) ** 2)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["place", "size"], engine)
    places, sizes = pa.array([row["place"] for row in rows]), pa.array([row["size"] for row in rows])

    assert model.predict(rows).tolist() == score(places, sizes).to_pylist()
    for count in (1, 2):
        assert model.predict(rows[:count]).tolist() == score(places[:count], sizes[:count]).to_pylist()


def test_a_column_of_dicts(tmp_path: Path) -> None:
    """A column of MAPs or STRUCTs is a dict for each row already."""
    rows = [{"north": 1.0, "size": float(size)} for size in range(9)]
    model = make_pipeline(DictVectorizer(), Ridge()).fit(rows, np.arange(9.0) ** 2)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["row"], "pandas")
    struct = pa.array(rows)
    mapped = pa.array([list(row.items()) for row in rows], pa.map_(pa.string(), pa.float64()))

    assert model.predict(rows).tolist() == score(struct).to_pylist() == score(mapped).to_pylist()


@pytest.mark.parametrize(
    "step", [FeatureHasher(n_features=32, input_type="string"), CountVectorizer(analyzer=list)], ids=["hasher", "words"]
)
def test_lists_of_words(step: Any, tmp_path: Path) -> None:
    """A column of ARRAYs reaches steps that read lists of words."""
    words = [text.split() for text in TEXTS]
    model = make_pipeline(step, Ridge()).fit(words, LIKES)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["words"], "pandas")

    assert model.predict(words).tolist() == score(pa.array(words)).to_pylist()
    assert model.predict(words[:1]).tolist() == score(pa.array(words[:1])).to_pylist()


def test_message(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    """The error says which step reads one value a row, and what to do with several columns."""
    score = scorer_of(cloudpickled, classifier().fit(TEXTS, LABELS), tmp_path / "m", ["subject", "body"])
    with pytest.raises(InputFormError) as raised:
        score(pa.array(["a"]), pa.array(["b"]))

    golden("errors/predict_input_form.txt", str(raised.value))


def test_isotonic(tmp_path: Path) -> None:
    """A regression of one variable takes its column, too."""
    numbers = np.arange(20.0)
    model = IsotonicRegression().fit(numbers, numbers**2)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["x"])

    assert model.predict(numbers).tolist() == score(pa.array(numbers)).to_pylist()
    assert model.predict(numbers[:1]).tolist() == score(pa.array(numbers[:1])).to_pylist()


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("engine", ENGINES)
def test_tensor_of_texts(engine: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """A signature of a NumPy array of texts, of one dimension or of two, means the texts."""
    model = classifier().fit(TEXTS, LABELS)
    options = {"result": pa.string(), "dtype": "object", "shape": shape}
    score = scorer_of(cloudpickled, model, tmp_path / "m", [None], engine, **options)

    assert model.predict(TEXTS).tolist() == score(pa.array(TEXTS)).to_pylist()
    assert model.predict(TEXTS[:1]).tolist() == score(pa.array(TEXTS[:1])).to_pylist()


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_text(engine: str, tmp_path: Path) -> None:
    """A text that is NULL gets NULL, since vectorizers refuse it, and the others are scored."""
    model = classifier().fit(TEXTS, LABELS)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text"], engine, result=pa.string())
    found = score(pa.array([None, "good day", None])).to_pylist()

    assert [None, *model.predict(["good day"]), None] == found
    assert score(pa.array([None], pa.string())).to_pylist() == [None]


def test_no_row(tmp_path: Path) -> None:
    """An empty batch has no predictions."""
    model = classifier().fit(TEXTS, LABELS)
    score = scorer_of(cloudpickled, model, tmp_path / "m", ["text"], result=pa.string())

    assert score(pa.array([], pa.string())).to_pylist() == []
