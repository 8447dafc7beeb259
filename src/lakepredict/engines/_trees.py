"""A tree ensemble of scikit-learn, LightGBM or XGBoost, read from the fitted model and compiled, on the driver.

treelite reads the trees. A C compiler of this machine compiles ``_trees.c``, which scores any trees; they are its data,
so a large model takes no longer to compile than a small one. What comes out is compared with the model's own library,
on values at the trees' own thresholds, before anybody gets it: a model whose numbers differ is not compiled.

The code that tl2cgen 1.0 generates is not used, because its numbers are wrong: it takes a double whose lower half has
all bits set, such as 0.9999999999999999, for a missing value; and it adds single-precision leaves in double precision.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lakepredict._worker import compiled
from lakepredict._worker.compiled import CompiledTrees, Forest, UnloadableError
from lakepredict.engines import _tree_checks

_LARGEST = 1_000_000
"""Nodes, of 24 bytes each, which travel beside the model. Beyond the processor's caches nothing is gained: a forest of
2.5 million nodes takes as long as in scikit-learn."""

_SECONDS = 60
"""How long the compiler may take; it takes about one."""

_OPTIONS = ("-O3", "-std=c11", "-fPIC", "-shared", "-ffp-contract=off")
"""For any machine of this architecture, and with no two operations made one, for that would round differently."""

_LESS, _LESS_OR_EQUAL = 2, 3
"""treelite's comparisons."""

_ZERO = float(np.float32(1e-35))
"""LightGBM's ``kZeroThreshold``."""

_SINGLE = 2
"""treelite's number for single precision."""

_TRANSFORMS = {
    "identity": compiled.IDENTITY,
    "identity_multiclass": compiled.IDENTITY,
    "sigmoid": compiled.SIGMOID,
    "multiclass_ova": compiled.SIGMOID,
    "softmax": compiled.SOFTMAX,
    "exponential": compiled.EXPONENTIAL,
}


class NotCompiledError(Exception):
    """The model is scored by its own library; the message says why."""


@dataclass(frozen=True)
class _Kind:
    """What is known of a class of models.

    Attributes:
        home: the package it comes from. A class of somebody else may share its name.
        binary: how a classifier of two classes chooses; None where the model gives numbers.
        several: how one of more classes does.
        narrow: whether inputs are rounded to single precision, though the thresholds are not.
    """

    home: str
    binary: int | None = None
    several: int | None = None
    narrow: bool = False


_KINDS = {
    "GradientBoostingRegressor": _Kind("sklearn.ensemble", narrow=True),
    "GradientBoostingClassifier": _Kind(
        "sklearn.ensemble", compiled.RAW_NOT_NEGATIVE, compiled.RAW_LARGEST, narrow=True
    ),
    "HistGradientBoostingRegressor": _Kind("sklearn.ensemble"),
    "HistGradientBoostingClassifier": _Kind("sklearn.ensemble", compiled.RAW_POSITIVE, compiled.RAW_LARGEST),
    "RandomForestRegressor": _Kind("sklearn.ensemble", narrow=True),
    "RandomForestClassifier": _Kind("sklearn.ensemble", compiled.LARGEST, compiled.LARGEST, narrow=True),
    "ExtraTreesRegressor": _Kind("sklearn.ensemble", narrow=True),
    "ExtraTreesClassifier": _Kind("sklearn.ensemble", compiled.LARGEST, compiled.LARGEST, narrow=True),
    "LGBMRegressor": _Kind("lightgbm"),
    "LGBMClassifier": _Kind("lightgbm", compiled.LARGEST, compiled.LARGEST),
    "XGBRegressor": _Kind("xgboost"),
    "XGBClassifier": _Kind("xgboost", compiled.OVER_HALF, compiled.LARGEST),
    "Booster": _Kind(""),
}


def read(model: Any, names: Sequence[str | None]) -> CompiledTrees:
    """Compile a fitted model, and compare it with its own library. Once per query, on the driver, in about a second.

    Args:
        model: the model, as its own library has it.
        names: the names of its inputs, in the order of the signature.

    Raises:
        NotCompiledError: it is no tree ensemble that is known, there is no treelite or no compiler here, or the
            compiled numbers are not those of its own library.
    """
    kind = _kind(model)
    compiler = _compiler()
    forest = _as_its_library(model, kind, _forest(_imported(model, kind), kind))
    if forest.features != len(names):
        raise NotCompiledError("it has another number of features than the signature")
    classes = None if kind.binary is None else _classes(model, forest)
    choice = kind.binary if len(forest.base) == 1 else kind.several
    trees = CompiledTrees(
        library=_library(compiler),
        platform=compiled.this_platform(),
        forest=forest,
        classes=classes,
        choice=compiled.LARGEST if choice is None else choice,
    )
    try:
        return _tree_checks.checked(trees, _tree_checks.Native(model, names))
    except (UnloadableError, _tree_checks.DifferentError) as exc:
        raise NotCompiledError(str(exc)) from exc


def _kind(model: Any) -> _Kind:
    name, home = type(model).__name__, type(model).__module__
    kind = _KINDS.get(name)
    if name == "Booster" and home in ("lightgbm.basic", "xgboost.core"):
        return _Kind(home.partition(".")[0])
    if kind is None or not kind.home or not home.startswith(f"{kind.home}."):
        raise NotCompiledError(f"it is a {name}, which is no tree ensemble that is known")
    return kind


def _imported(model: Any, kind: _Kind) -> Any:
    """The model as treelite reads it."""
    try:
        import treelite
    except ImportError as exc:
        raise NotCompiledError("treelite is not installed: pip install 'lakepredict[trees]'") from exc
    try:
        if kind.home == "lightgbm":
            return treelite.frontend.from_lightgbm(getattr(model, "booster_", model))
        if kind.home == "xgboost":
            return treelite.frontend.from_xgboost(_boosted(model))
        return treelite.sklearn.import_model(_plain(model))
    except NotCompiledError:
        raise
    except Exception as exc:  # whatever treelite makes of a model that is unlike all it knows
        raise NotCompiledError(f"treelite cannot read it: {type(exc).__name__}: {exc}") from exc


def _plain(model: Any) -> Any:
    """A model of scikit-learn, as treelite takes it.

    treelite reads as many trees as ``n_estimators`` says, and beyond the end of what there is: boosting may have
    stopped earlier, and the parameter can be set on a fitted model.
    """
    if getattr(model, "is_categorical_", None) is not None and model.is_categorical_.any():
        raise NotCompiledError("it has categorical features")
    if not hasattr(model, "estimators_"):
        return model
    if getattr(model, "n_outputs_", 1) > 1 and hasattr(model, "classes_"):
        raise NotCompiledError("it is a classifier of several outputs")
    plain = copy.copy(model)
    plain.n_estimators = len(model.estimators_)
    return plain


def _boosted(model: Any) -> Any:
    """A model of XGBoost as the trees that its ``predict`` uses."""
    if not hasattr(model, "get_booster"):
        return model
    if not np.isnan(model.missing):
        raise NotCompiledError(f"it takes {model.missing} for a missing value")
    try:
        return model.get_booster()[: model.best_iteration + 1]
    except AttributeError:
        return model.get_booster()


def _as_its_library(model: Any, kind: _Kind, forest: Forest) -> Forest:
    """The forest, with what its library does and treelite does not tell."""
    if kind.home == "sklearn.ensemble" and getattr(model, "loss", None) == "exponential":
        return replace(forest, alpha=2.0)
    if kind.home == "sklearn.ensemble" and getattr(model, "loss", None) in ("poisson", "gamma"):
        return replace(forest, transform=compiled.EXPONENTIAL)
    if kind.home == "lightgbm":
        return replace(forest, nodes=_zeroed(forest.nodes))
    if kind.home == "xgboost" and forest.transform == compiled.SIGMOID and len(forest.base) == 1:
        return replace(forest, base=_logit(model))
    return forest


def _zeroed(nodes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """LightGBM scores what is no larger than 1e-35 as zero: no such threshold parts values that it sees as one."""
    nodes, old = nodes.copy(), nodes["threshold"]
    nodes["threshold"][(old >= -_ZERO) & (old < 0)] = np.nextafter(-_ZERO, -np.inf)
    nodes["threshold"][(old >= 0) & (old < _ZERO)] = _ZERO
    return nodes


def _logit(model: Any) -> np.ndarray[Any, Any]:
    """XGBoost's first summand, which it has as a probability and turns in single precision; treelite in double."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    parameters = json.loads(booster.save_config())["learner"]["learner_model_param"]
    probability = np.float32(parameters["base_score"].strip("[]"))
    odds = np.float32(1) / probability - np.float32(1)
    # NumPy's own logarithm in single precision is not the C library's, to the last bit.
    return np.array([-np.float32(np.log(np.float64(odds)))], dtype="f8")


def _classes(model: Any, forest: Forest) -> np.ndarray[Any, Any]:
    classes = np.asarray(model.classes_)
    if len(classes) != max(len(forest.base), 2):
        raise NotCompiledError(f"it has {len(classes)} classes for {len(forest.base)} outputs")
    return classes


def _forest(model: Any, kind: _Kind) -> Forest:
    """The tables of treelite's model."""
    header = model.get_header_accessor().get_field
    trees = [model.get_tree_accessor(place).get_field for place in range(model.num_tree)]
    count = sum(int(tree("num_nodes")[0]) for tree in trees)
    if count > _LARGEST:
        raise NotCompiledError(f"it has {count} nodes, more than {_LARGEST}")
    transform = _TRANSFORMS.get(header("postprocessor"))
    if transform is None:
        raise NotCompiledError(f"its predictions are made by {header('postprocessor')}")
    targets, classes = int(header("num_target")[0]), int(header("num_class").max())
    if targets > 1 and classes > 1:
        raise NotCompiledError("it has several outputs of several classes")
    narrow = int(header("threshold_type")[0]) == _SINGLE
    packed, depths, start = [], [], 0
    for tree in trees:
        nodes, values, depth = _packed(tree, start)
        packed.append((nodes, values))
        depths.append(depth)
        start += len(nodes)
    width = packed[0][1].shape[1]
    places = np.maximum(header("class_id" if classes > 1 else "target_id"), 0)
    if any(values.shape[1] != width for _, values in packed) or (width > 1 and (width != targets * classes)):
        raise NotCompiledError("its leaves are unlike each other")
    return Forest(
        nodes=np.concatenate([nodes for nodes, _ in packed]),
        values=np.concatenate([values for _, values in packed]),
        roots=np.cumsum([0] + [len(nodes) for nodes, _ in packed[:-1]]).astype("i4"),
        depths=np.array(depths, dtype="i4"),
        places=places.astype("i4"),
        base=header("base_scores").astype("f4" if narrow else "f8").astype("f8"),
        features=int(header("num_feature")[0]),
        divisor=float(len(trees)) if header("average_tree_output")[0] else 1.0,
        alpha=float(header("sigmoid_alpha")[0]),
        transform=transform,
        narrow_inputs=narrow or kind.narrow,
        narrow_sums=int(header("leaf_output_type")[0]) == _SINGLE,
    )


def _packed(tree: Any, start: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int]:
    """One tree's nodes, level by level, what its leaves add, and its depth."""
    if tree("has_categorical_split")[0]:
        raise NotCompiledError("it has categorical splits")
    lefts, rights = tree("cleft"), tree("cright")
    splits = lefts >= 0
    places = np.zeros(len(lefts), dtype="i8")
    firsts = np.zeros(len(lefts), dtype="i8")
    level, count, depth = np.array([0]), 1, 0
    while (parents := level[splits[level]]).size:
        level = np.column_stack([lefts[parents], rights[parents]]).ravel()
        places[level] = count + np.arange(len(level))
        firsts[parents] = count + 2 * np.arange(len(parents))
        count += len(level)
        depth += 1
    nodes = np.zeros(len(lefts), dtype=compiled.NODE)
    nodes["threshold"][places] = np.where(splits, _thresholds(tree, splits), np.inf)
    nodes["feature"][places] = np.where(splits, tree("split_index"), 0)
    right_if_missing = splits & (tree("default_left") == 0)
    nodes["next"][places] = 2 * (start + np.where(splits, firsts, places)) + right_if_missing
    vectors = tree("leaf_vector")
    width = int((tree("leaf_vector_end") - tree("leaf_vector_begin")).max()) if len(vectors) else 1
    values = np.zeros((len(lefts), width))
    leaves = np.flatnonzero(~splits)
    values[places[leaves]] = vectors.reshape(-1, width) if len(vectors) else tree("leaf_value")[leaves, None]
    return nodes, values, depth


def _thresholds(tree: Any, splits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The largest value that goes left at each split."""
    thresholds, comparisons = tree("threshold"), tree("cmp")[splits]
    if np.isnan(thresholds[splits]).any() or not np.isin(comparisons, (_LESS, _LESS_OR_EQUAL)).all():
        raise NotCompiledError("it has splits of another kind")
    below = np.nextafter(thresholds, thresholds.dtype.type(-np.inf))
    return np.asarray(np.where(tree("cmp") == _LESS, below, thresholds), dtype="f8")


def _compiler() -> str:
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return found
    raise NotCompiledError("there is no C compiler on the driver: cc, gcc or clang")


@lru_cache(maxsize=2)
def _library(compiler: str) -> bytes:
    """The shared library, compiled once per process, in a directory that nobody else can enter."""
    source = Path(__file__).with_suffix(".c")
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as directory:
        target = Path(directory, "trees.so")
        command = [compiler, *_OPTIONS, str(source), "-o", str(target), "-lm"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, cwd=directory, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as exc:
            raise NotCompiledError(f"{compiler} took longer than {_SECONDS} seconds") from exc
        except OSError as exc:
            raise NotCompiledError(f"{compiler} cannot be run: {exc}") from exc
        if done.returncode or not target.exists():
            raise NotCompiledError(f"{compiler} failed: {done.stderr.strip()[-500:]}")
        return target.read_bytes()
