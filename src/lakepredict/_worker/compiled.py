"""Scores an ensemble of decision trees with a shared library that was compiled on the driver.

Runs in Python workers, and on the driver, which compares it with the model's own library before it is used at all.
It needs ctypes and NumPy alone. ``lakepredict/engines/_trees.c`` is the library's source.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np

IDENTITY, SIGMOID, SOFTMAX, EXPONENTIAL = range(4)
"""What is made of the sums; the numbers are those of ``_trees.c``."""

RAW_NOT_NEGATIVE, RAW_POSITIVE, RAW_LARGEST, OVER_HALF, LARGEST = range(5)
"""How a classifier chooses: by its sums, or by its probabilities."""

NODE = np.dtype([("threshold", "f8"), ("feature", "i4"), ("next", "i4")])
"""A node, as ``_trees.c`` has it."""

TOLERANCE = 1e-12
"""The relative difference that rounding may make."""

_LARGEST_WHOLE = 2**53
"""Larger integers are no numbers of double precision, and would be rounded twice."""

_log = logging.getLogger(__name__)


class UnloadableError(Exception):
    """The library cannot be used on this machine; the model's own library has to score. The message says why."""


class NotTakenError(Exception):
    """A row has a value that is not scored here; the model's own library refuses it, or has to be asked."""


@dataclass(frozen=True, eq=False)
class Forest:
    """The trees, and what is done with their sum.

    Attributes:
        nodes: of :data:`NODE`; the trees' nodes one after the other, each right child after its left one.
        values: nodes x width; what each leaf adds.
        roots: for each tree, the place of its first node.
        depths: for each tree, the steps that its deepest leaf takes.
        places: for each tree, the output that its first value is added to.
        base: for each output, what its sum begins with.
        features: how many there are.
        divisor: of the sums.
        alpha: of the sigmoid.
        transform: what is made of the sums.
        narrow_inputs: whether inputs are rounded to single precision before they are compared.
        narrow_sums: whether sums are in single precision.
    """

    nodes: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]
    roots: np.ndarray[Any, Any]
    depths: np.ndarray[Any, Any]
    places: np.ndarray[Any, Any]
    base: np.ndarray[Any, Any]
    features: int
    divisor: float = 1.0
    alpha: float = 1.0
    transform: int = IDENTITY
    narrow_inputs: bool = False
    narrow_sums: bool = False


@dataclass(frozen=True, eq=False)
class CompiledTrees:
    """A model as its trees and the library that scores them; travels from the driver to the workers.

    Attributes:
        library: the shared library.
        platform: what it was compiled for, as :func:`this_platform` says it.
        forest: the trees.
        dtype: of the model's predictions or probabilities, ``"float64"`` or ``"float32"``.
        classes: the labels of a classifier; None for a model that gives numbers.
        choice: how the classifier chooses one.
        takes_missing: whether NaN is scored here; else the model's own library has to be asked.
        takes_infinite: whether infinite values are.
        rows: a few rows, rows x features.
        results: what the library gave for them where it was compiled, rows x outputs.
    """

    library: bytes
    platform: str
    forest: Forest
    dtype: str = "float64"
    classes: np.ndarray[Any, Any] | None = None
    choice: int = LARGEST
    takes_missing: bool = False
    takes_infinite: bool = False
    rows: np.ndarray[Any, Any] | None = None
    results: np.ndarray[Any, Any] | None = None


def this_platform() -> str:
    """The operating system and the machine, such as ``linux x86_64``."""
    return f"{sys.platform} {platform.machine()}"


def differing(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which numbers of two arrays of one shape differ by more than rounding; NaN is equal to NaN."""
    ours, theirs = ours.astype("float64"), theirs.astype("float64")
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.abs(ours - theirs) <= TOLERANCE * np.maximum(np.abs(ours), np.abs(theirs))
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    wrong: np.ndarray[Any, Any] = ~(same | (close & np.isfinite(ours) & np.isfinite(theirs)))
    return wrong


class CompiledScorer:
    """Scores matrices with compiled trees. Made once per process, then called for each batch, by one thread or several.

    Args:
        trees: what the driver compiled.

    Raises:
        UnloadableError: the library does not load on this machine, or gives other numbers than where it was compiled.

    Example:
        >>> scorer = CompiledScorer(trees)  # doctest: +SKIP
        >>> scorer.predict(np.zeros((2, 10)))  # doctest: +SKIP
        array([0.31, 0.31])
    """

    def __init__(self, trees: CompiledTrees) -> None:
        if trees.platform != this_platform():
            raise UnloadableError(f"it was compiled for {trees.platform}, and this is {this_platform()}")
        self._trees = trees
        self._arguments, self._kept = _arguments(trees.forest)
        self._score = _loaded(trees.library)
        if trees.rows is not None and trees.results is not None:
            found = self.scores(trees.rows)[1]
            if differing(found, trees.results).any():
                raise UnloadableError("it gives other numbers on this machine than where it was compiled")

    def predict(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the model's ``predict`` gives.

        Args:
            X: rows x features, in the order of the model's inputs; NaN where a value is missing.

        Returns:
            For a classifier the place of each row's label in ``classes``; else the numbers, one for each row, or
            rows x outputs.

        Raises:
            NotTakenError: a value in it is for the model's own library.
        """
        self._check(X)
        raw, out = self.scores(X)
        if self._trees.classes is None:
            return self._numbers(out)
        choice = self._trees.choice
        if choice == RAW_NOT_NEGATIVE:
            return (raw[:, 0] >= 0).astype("int64")
        if choice == RAW_POSITIVE:
            return (raw[:, 0] > 0).astype("int64")
        if choice == OVER_HALF:
            return (out[:, 0] > 0.5).astype("int64")
        scores = raw if choice == RAW_LARGEST else self._probabilities(out)
        chosen: np.ndarray[Any, Any] = scores.argmax(axis=1).astype("int64", copy=False)
        return chosen

    def probabilities(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What a classifier's ``predict_proba`` gives: rows x classes.

        Raises:
            NotTakenError: a value in it is for the model's own library.
        """
        self._check(X)
        return self._probabilities(self.scores(X)[1])

    def scores(self, X: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The sums, and what the transform makes of them, each rows x outputs, whatever the values are."""
        X = np.ascontiguousarray(X, dtype="float64")
        if X.ndim != 2 or X.shape[1] != self._trees.forest.features:
            raise ValueError(f"expected rows x {self._trees.forest.features} features, got the shape {X.shape}")
        raw = np.empty((len(X), len(self._trees.forest.base)))
        out = np.empty_like(raw)
        if self._score(ctypes.byref(self._arguments), X.ctypes.data, len(X), raw.ctypes.data, out.ctypes.data):
            raise MemoryError("no memory to score with")
        return raw, out

    def _check(self, X: np.ndarray[Any, Any]) -> None:
        if not self._trees.takes_missing and np.isnan(X).any():
            raise NotTakenError("a value is missing")
        if not self._trees.takes_infinite:
            with np.errstate(over="ignore"):
                compared = X.astype("float32") if self._trees.forest.narrow_inputs else X
            if np.isinf(compared).any():
                raise NotTakenError("a value is infinite, or too large for single precision")

    def _numbers(self, out: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        out = out.astype(self._trees.dtype, copy=False)
        return out[:, 0] if out.shape[1] == 1 else out

    def _probabilities(self, out: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        out = out.astype(self._trees.dtype, copy=False)
        return np.hstack([1 - out, out]) if out.shape[1] == 1 else out


class PackedTrees:
    """Compiled trees as a Spark broadcast: the library is loaded once per Python worker process."""

    def __init__(self, trees: CompiledTrees, label: str) -> None:
        self._trees = trees
        self._label = label
        self._scorer: CompiledScorer | None = None
        self._usable = True

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedTrees, (self._trees, self._label)

    def score(self, X: np.ndarray[Any, Any], *, probabilities: bool) -> np.ndarray[Any, Any] | None:
        """Predictions or probabilities for a matrix of numbers, or None if the model's own library has to be asked."""
        whole = X.dtype.kind in "iu"
        if not self._usable or (whole and len(X) and max(-int(X.min()), int(X.max())) > _LARGEST_WHOLE):
            return None
        try:
            if self._scorer is None:
                self._scorer = CompiledScorer(self._trees)
            if probabilities:
                return self._scorer.probabilities(X)
            found = self._scorer.predict(X)
        except NotTakenError:
            return None
        except UnloadableError as exc:
            _log.warning("%s is scored by its own library: %s", self._label, exc)
            self._usable = False
            return None
        return found if self._trees.classes is None else self._trees.classes[found]


class _Arguments(ctypes.Structure):
    """``Trees`` of ``_trees.c``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("nodes", "values", "roots", "depths", "places", "base")),
        *((name, ctypes.c_double) for name in ("divisor", "alpha")),
        *((name, ctypes.c_int32) for name in ("nodes_count", "trees", "features", "outputs", "width")),
        *((name, ctypes.c_int32) for name in ("narrow_inputs", "narrow_sums", "transform")),
    )


def _arguments(forest: Forest) -> tuple[_Arguments, list[np.ndarray[Any, Any]]]:
    """The structure, and the arrays that it points into, which must be kept as long as it is."""
    kept = [
        np.ascontiguousarray(forest.nodes, dtype=NODE),
        np.ascontiguousarray(forest.values, dtype="f8"),
        *(np.ascontiguousarray(each, dtype="i4") for each in (forest.roots, forest.depths, forest.places)),
        np.ascontiguousarray(forest.base, dtype="f8"),
    ]
    return _Arguments(
        *(each.ctypes.data for each in kept),
        forest.divisor,
        forest.alpha,
        len(forest.nodes),
        len(forest.roots),
        forest.features,
        len(forest.base),
        forest.values.shape[1],
        forest.narrow_inputs,
        forest.narrow_sums,
        forest.transform,
    ), kept


def _loaded(library: bytes) -> Any:
    """The library's function. Its file is removed at once: the process has the library mapped."""
    try:
        with tempfile.TemporaryDirectory(prefix="lakepredict-") as directory:
            path = os.path.join(directory, "trees.so")
            with open(path, "wb") as file:
                file.write(library)
            function = ctypes.CDLL(path).lakepredict_score_trees
    except (OSError, AttributeError) as exc:
        raise UnloadableError(f"its library does not load: {exc}") from exc
    function.restype = ctypes.c_int
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
    return function
