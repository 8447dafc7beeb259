"""Plots of runs, looked at as what they are made of and as files."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lakepredict.tracking import _plots

POINTS = pd.DataFrame({"label": [1.0, 2.0, 4.0], "prediction": [1.5, 2.0, 3.0]})
PAIRS = pd.DataFrame({"label": [0.0, 0.0, 1.0], "prediction": [0.0, 1.0, 1.0], "rows": [3.0, 1.0, 4.0]})
SCORES = pd.DataFrame({"label": [0.0, 0.0, 1.0, 1.0], "score": [0.1, 0.4, 0.35, 0.8]})
TREES = pd.DataFrame({"feature": ["visits", "price"], "importance": [0.9, 0.1]})
SIZES = pd.DataFrame({"prediction": [0, 1], "rows": [7, 3]})

FIGURES = {
    "residuals": _plots.residuals(POINTS, label="sales", title="ridge"),
    "confusion": _plots.confusion_matrix(PAIRS, labels=["stays", "leaves"], title="tree"),
    "roc": _plots.roc(SCORES, area=0.75, title="logistic"),
    "importances": _plots.importances(TREES, title="forest"),
    "clusters": _plots.clusters(SIZES, title="k-means"),
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_files(figure: Figure) -> None:
    """A figure becomes a PNG that is not empty, without a window."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    picture = imread(file)

    assert min(picture.shape[:2]) > 200
    assert picture[..., :3].std() > 0.01


def test_residuals() -> None:
    """The points are labels and predictions, and the histogram counts each row."""
    left, right = FIGURES["residuals"].axes

    np.testing.assert_array_equal(left.collections[0].get_offsets(), POINTS.to_numpy())
    assert sum(bar.get_height() for bar in right.patches) == 3


def test_confusion_matrix() -> None:
    """Rows are actual classes, shares are of these, and the numbers are of rows."""
    axes = FIGURES["confusion"].axes[0]

    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0.0, 1.0]])
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "4"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["stays", "leaves"]


def test_confusion_matrix_of_many_classes() -> None:
    """Of many classes the largest are shown, without numbers."""
    classes = np.arange(200.0)
    pairs = pd.DataFrame({"label": classes, "prediction": classes, "rows": classes + 1})
    axes = _plots.confusion_matrix(pairs, labels=[], title="many").axes[0]

    assert axes.images[0].get_array().shape == (30, 30)
    assert [text.get_text() for text in axes.get_yticklabels()][-1] == "199"
    assert not axes.texts


def test_confusion_matrix_of_a_class_that_never_was() -> None:
    """A class that is only predicted has a row of zeros."""
    pairs = pd.DataFrame({"label": [0.0], "prediction": [2.0], "rows": [5.0]})
    axes = _plots.confusion_matrix(pairs, labels=["a", "b"], title="odd").axes[0]

    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.0, 1.0], [0.0, 0.0]])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "2"]


def test_roc() -> None:
    """The curve goes from nothing found to everything, and its area is told."""
    axes = FIGURES["roc"].axes[0]
    curve = axes.lines[0].get_xydata()

    assert (tuple(curve[0]), tuple(curve[-1])) == ((0.0, 0.0), (1.0, 1.0))
    assert axes.get_legend().get_texts()[0].get_text() == "area 0.7500"


def test_importances() -> None:
    """The feature that matters most is at the top; those that lower the result have another colour."""
    table = pd.DataFrame({"feature": ["visits", "price"], "coefficient": [5.0, -1.0], "scaled": [9.0, -2.0]})
    axes = _plots.importances(table, title="ridge").axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]

    assert names == ["price", "visits"]
    assert [bar.get_width() for bar in axes.patches] == [-2.0, 9.0]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()


def test_importances_of_many_features() -> None:
    """Of many features the first are shown, and the title says so."""
    table = pd.DataFrame({"feature": [f"f{each}" for each in range(100)], "importance": np.linspace(1, 0, 100)})
    axes = _plots.importances(table, title="forest").axes[0]

    assert len(axes.patches) == 25
    assert axes.get_title() == "forest (the first 25 of 100)"


def test_importances_of_classes() -> None:
    """Where each class has coefficients, a bar names feature and class."""
    table = pd.DataFrame({"class": ["2"], "feature": ["visits"], "coefficient": [1.0], "scaled": [1.0]})
    axes = _plots.importances(table, title="logistic").axes[0]

    assert [text.get_text() for text in axes.get_yticklabels()] == ["visits, class 2"]
