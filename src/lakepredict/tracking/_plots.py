"""Plots of how good a model is and what it looks at, as matplotlib figures without a window; pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

_BARS = 25
"""How many features, or clusters, are shown at most."""

_CLASSES = 30
"""How many classes a confusion matrix shows at most."""

_NUMBERED = 12
"""How many classes a confusion matrix has at most for numbers to fit in its fields."""

_BLUE = "#2166ac"
_RED = "#b2182b"
_GREY = "#777777"


def residuals(table: pd.DataFrame, *, label: str, title: str) -> Figure:
    """Predictions beside labels, and how often a prediction is off by how much.

    Args:
        table: columns ``label`` and ``prediction``, a row for each point.
        label: what is predicted, as the axes name it.
        title: what stands above.
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    left.scatter(table["label"], table["prediction"], s=10, alpha=0.4, color=_BLUE, linewidths=0)
    ends = [table.min().min(), table.max().max()]
    left.plot(ends, ends, color=_GREY, linewidth=1, label="prediction = actual")
    left.set(xlabel=f"{label}, actual", ylabel=f"{label}, predicted")
    left.legend(loc="upper left", frameon=False)
    right.hist(table["prediction"] - table["label"], bins=40, color=_BLUE, alpha=0.8)
    right.axvline(0, color=_GREY, linewidth=1)
    right.ticklabel_format(axis="x", scilimits=(-3, 4))
    right.set(xlabel="residual: predicted - actual", ylabel="rows")
    return figure


def confusion_matrix(table: pd.DataFrame, *, labels: Sequence[str], title: str) -> Figure:
    """How the rows of each class are predicted, as shares of that class.

    Args:
        table: columns ``label``, ``prediction`` (both numbers of classes) and ``rows``.
        labels: the names of the classes by number; where there is none, the number stands for it.
        title: what stands above.
    """
    largest = table.groupby("label")["rows"].sum().nlargest(_CLASSES).index
    classes = sorted(set(largest) | (set(table["prediction"]) if len(largest) < _CLASSES else set()))
    crossed = table.pivot_table(index="label", columns="prediction", values="rows", aggfunc="sum", fill_value=0)
    counts = crossed.reindex(index=classes, columns=classes, fill_value=0).to_numpy()
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(totals > 0, totals, 1)
    names = [_class_name(each, labels) for each in classes]
    side = min(4.5 + 0.3 * len(classes), 12)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="actual", title=title)
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 4 else 0)
    axes.set_yticks(range(len(names)), names)
    if len(classes) <= _NUMBERED:
        for row in range(len(classes)):
            for column in range(len(classes)):
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, f"{counts[row, column]:,.0f}", ha="center", va="center", color=color)
    figure.colorbar(image, ax=axes, label="share of the actual class", shrink=0.8)
    return figure


def _class_name(number: float, labels: Sequence[str]) -> str:
    position = int(number)
    return labels[position] if 0 <= position < len(labels) else f"{number:g}"


def roc(table: pd.DataFrame, *, area: float, title: str) -> Figure:
    """The share of positives found beside the share of negatives taken for positives, at each threshold.

    Args:
        table: columns ``label`` (0 or 1) and ``score``, more of which means 1.
        area: the area under the curve.
        title: what stands above.
    """
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(table["label"], table["score"])
    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(false_positives, true_positives, color=_BLUE, label=f"area {area:.4f}")
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", label="by chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title, aspect="equal")
    axes.legend(loc="lower right", frameon=False)
    return figure


def importances(table: pd.DataFrame, *, title: str) -> Figure:
    """The features that matter most, as bars; those that lower the result are red.

    Args:
        table: ``feature`` and ``importance``, or ``feature`` and ``scaled`` and perhaps ``class``, most first.
        title: what stands above.
    """
    column = "importance" if "importance" in table else "scaled"
    shown = table.head(_BARS).iloc[::-1]
    names = shown["feature"] if "class" not in shown else shown["feature"] + ", class " + shown["class"]
    figure = Figure(figsize=(8, max(2.5, 1.5 + 0.28 * len(shown))), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(shown)), shown[column], color=[_BLUE if each >= 0 else _RED for each in shown[column]])
    axes.set_yticks(range(len(shown)), names)
    axes.margins(y=0.02)
    axes.axvline(0, color=_GREY, linewidth=0.8)
    rest = f" (the first {len(shown)} of {len(table)})" if len(table) > len(shown) else ""
    axes.set(
        xlabel="importance" if column == "importance" else "coefficient x standard deviation of the feature",
        title=title + rest,
    )
    return figure


def clusters(table: pd.DataFrame, *, title: str) -> Figure:
    """How many rows each cluster has.

    Args:
        table: columns ``prediction`` and ``rows``.
        title: what stands above.
    """
    shown = table.head(_BARS)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.bar([f"{each:g}" for each in shown["prediction"]], shown["rows"], color=_BLUE)
    axes.set(xlabel="cluster", ylabel="rows", title=title)
    return figure
