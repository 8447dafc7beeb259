"""Whether compiled trees give what the model's own library gives: asked on the driver, before they are used.

The rows are made from the trees themselves. They lead to their splits, and have there the values to both sides of the
threshold that are next to it, in double and in single precision, and missing, infinite and tiny ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lakepredict._worker.compiled import CompiledScorer, CompiledTrees, Forest, differing

_SPLITS = 3000
"""How many splits are led to: all of a hundred trees with 31 leaves; of larger models, some by chance."""

_SCATTERED = 3000
"""How many rows have values at any thresholds, not at those of one path."""

_KEPT = 64
"""How many rows travel along, for workers to see that they compute the same."""

_TINY = 1e-36
"""LightGBM may take what is smaller than 1e-35 for zero, and zero for missing."""


class DifferentError(Exception):
    """The compiled trees do not give what the model's own library gives; the message says where."""


class Native:
    """The model in its own library, called as MLflow calls it.

    Args:
        model: the model.
        names: the names of its inputs; with them it gets a data frame, without them an array.
    """

    def __init__(self, model: Any, names: Sequence[str | None]) -> None:
        self._model = model
        self._names = None if any(name is None for name in names) else list(names)

    def predict(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Labels or numbers."""
        return np.asarray(self._model.predict(self._input(X)))

    def probabilities(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Of each class."""
        return np.asarray(self._model.predict_proba(self._input(X)))

    def takes(self, X: np.ndarray[Any, Any]) -> bool:
        """Whether it scores these rows at all."""
        try:
            self.predict(X)
        except Exception:  # each library has its own ways of refusing
            return False
        return True

    def _input(self, X: np.ndarray[Any, Any]) -> Any:
        data = X if self._names is None else pd.DataFrame(X, columns=self._names)
        if type(self._model).__module__ != "xgboost.core":
            return data
        import xgboost

        return xgboost.DMatrix(data)


def checked(trees: CompiledTrees, native: Native) -> CompiledTrees:
    """The trees, and what was found out about them.

    Raises:
        DifferentError: their numbers are not the model's.
        UnloadableError: the library does not load.
    """
    plain = np.zeros((1, trees.forest.features))
    try:
        result = native.predict(plain) if trees.classes is None else native.probabilities(plain)
    except Exception as exc:
        raise DifferentError(f"its own library refuses the signature's inputs: {type(exc).__name__}: {exc}") from exc
    if result.dtype not in ("float32", "float64"):
        raise DifferentError(f"it gives {result.dtype}")
    trees = replace(
        trees,
        dtype=result.dtype.name,
        takes_missing=native.takes(plain + np.nan),
        takes_infinite=native.takes(plain + np.inf) and native.takes(plain - np.inf),
        rows=None,
        results=None,
    )
    try:
        return _compared(trees, native)
    except DifferentError:
        if not trees.takes_missing:
            raise
    # treelite before 4.8 does not tell where a forest of scikit-learn sends missing values.
    return _compared(replace(trees, takes_missing=False), native)


def _compared(trees: CompiledTrees, native: Native) -> CompiledTrees:
    random = np.random.default_rng(0)
    scorer = CompiledScorer(trees)
    rows = _rows(trees, random)
    try:
        _compare(trees, scorer, native, rows)
    except DifferentError:
        raise
    except Exception as exc:
        raise DifferentError(f"it cannot be compared with its own library: {type(exc).__name__}: {exc}") from exc
    kept = rows[random.choice(len(rows), size=min(_KEPT, len(rows)), replace=False)]
    return replace(trees, rows=kept, results=scorer.scores(kept)[1])


def _compare(trees: CompiledTrees, scorer: CompiledScorer, native: Native, rows: np.ndarray[Any, Any]) -> None:
    if trees.classes is None:
        _same("predict", rows, scorer.predict(rows), native.predict(rows))
        return
    _same("predict_proba", rows, scorer.probabilities(rows), native.probabilities(rows))
    ours, theirs = trees.classes[scorer.predict(rows)], native.predict(rows)
    if ours.shape != theirs.shape or (ours != theirs).any():
        raise DifferentError("compiled, it predicts other labels than its own library")


def _same(function: str, rows: np.ndarray[Any, Any], ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> None:
    if ours.shape != theirs.shape:
        raise DifferentError(f"compiled, {function} gives the shape {ours.shape}, and its own library {theirs.shape}")
    wrong = differing(ours, theirs)
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0])
        raise DifferentError(
            f"compiled, {function} differs from its own library in {wrong.sum()} of {wrong.size} numbers: "
            f"{ours[first]!r} for {theirs[first]!r} on {rows[first[0]].tolist()}"
        )


def _rows(trees: CompiledTrees, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Rows that lead to the splits, and rows with values at any of them; none with a value that is not taken."""
    forest = trees.forest
    below, above = _neighbours(forest)
    splits = np.flatnonzero(forest.nodes["next"] >> 1 != np.arange(len(forest.nodes)))
    others = [0.0, _TINY, -_TINY]
    others += [np.nan] if trees.takes_missing else []
    others += [np.inf, -np.inf, 1e300, -1e300] if trees.takes_infinite else []
    scattered = _scattered(forest, splits, below, above, random)
    rows = [scattered, _with_others(scattered, others, random)]
    parents = _parents(forest, splits)
    for split in random.choice(splits, size=min(_SPLITS, len(splits)), replace=False):
        row = scattered[random.integers(len(scattered))].copy()
        _lead(row, int(split), parents, forest, below, above)
        values = [*_around(float(forest.nodes["threshold"][split]), below[split], above[split]), *others]
        led = np.repeat(row[None, :], len(values), axis=0)
        led[:, forest.nodes["feature"][split]] = values
        rows.append(led)
    return np.vstack(rows)


def _neighbours(forest: Forest) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """For each node the largest value that goes left and the smallest that goes right, in the inputs' precision."""
    precision: Any = np.float32 if forest.narrow_inputs else np.float64
    thresholds = np.where(np.isfinite(forest.nodes["threshold"]), forest.nodes["threshold"], 0.0)
    below = thresholds.astype(precision)
    below = np.where(below > thresholds, np.nextafter(below, precision(-np.inf)), below)
    return below.astype("float64"), np.nextafter(below, precision(np.inf)).astype("float64")


def _around(threshold: float, below: float, above: float) -> list[float]:
    """The values next to a threshold, in both precisions, and the one that single precision has to round."""
    if not np.isfinite(threshold):
        return [below, above]
    single = np.float32(threshold)
    return [
        below,
        above,
        (below + above) / 2,
        threshold,
        float(np.nextafter(threshold, -np.inf)),
        float(np.nextafter(threshold, np.inf)),
        float(single),
        float(np.nextafter(single, np.float32(-np.inf))),
        float(np.nextafter(single, np.float32(np.inf))),
    ]


def _parents(forest: Forest, splits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """For each node the place of its parent; -1 for a root."""
    parents = np.full(len(forest.nodes), -1)
    lefts = forest.nodes["next"][splits] >> 1
    parents[lefts] = parents[lefts + 1] = splits
    return parents


def _lead(
    row: np.ndarray[Any, Any],
    node: int,
    parents: np.ndarray[Any, Any],
    forest: Forest,
    below: np.ndarray[Any, Any],
    above: np.ndarray[Any, Any],
) -> None:
    """Change a row so that it comes to a node, with values next to the thresholds that it would else not pass."""
    path = []
    while (parent := int(parents[node])) >= 0:
        path.append((parent, node != forest.nodes["next"][parent] >> 1))
        node = parent
    for parent, right in reversed(path):
        feature = forest.nodes["feature"][parent]
        if right and row[feature] < above[parent]:
            row[feature] = above[parent]
        elif not right and row[feature] > below[parent]:
            row[feature] = below[parent]


def _scattered(
    forest: Forest,
    splits: np.ndarray[Any, Any],
    below: np.ndarray[Any, Any],
    above: np.ndarray[Any, Any],
    random: np.random.Generator,
) -> np.ndarray[Any, Any]:
    """Rows with values next to thresholds of their features, and half as often with any values near those."""
    rows = np.zeros((_SCATTERED, forest.features))
    for feature in range(forest.features):
        own = splits[forest.nodes["feature"][splits] == feature]
        values = np.concatenate([below[own], above[own]]) if len(own) else np.zeros(1)
        anywhere = random.normal(values.mean(), values.std() or 1.0, _SCATTERED)
        rows[:, feature] = np.where(random.random(_SCATTERED) < 0.33, anywhere, random.choice(values, _SCATTERED))
    return rows


def _with_others(
    rows: np.ndarray[Any, Any], others: Sequence[float], random: np.random.Generator
) -> np.ndarray[Any, Any]:
    """The rows, with a fifth of their values missing, infinite or tiny."""
    return np.where(random.random(rows.shape) < 0.2, random.choice(others, rows.shape), rows)
