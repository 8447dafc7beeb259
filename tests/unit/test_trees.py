"""Tree ensembles, compiled, beside their own libraries."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from lakepredict._worker.compiled import CompiledScorer, CompiledTrees, NotTakenError, UnloadableError, differing
from lakepredict.engines import _tree_checks, _trees
from lakepredict.engines._trees import NotCompiledError, read

NAMES = ["a", "b", "c", "d"]
RANDOM = np.random.default_rng(5)
X = pd.DataFrame(RANDOM.normal(size=(400, 4)), columns=NAMES)
GAPS = X.mask(RANDOM.random(X.shape) < 0.1)
Y = 2 * X["a"] + np.sin(3 * X["b"]) + RANDOM.normal(scale=0.1, size=400)
POSITIVE = np.exp(Y / 2)
TWO = np.where(Y > 0, "yes", "no")
THREE = np.digitize(Y, [-1, 1])
FEW = {"n_estimators": 8}
QUIET = {"n_estimators": 8, "num_leaves": 8, "verbose": -1, "n_jobs": 1}
ONE = {"n_estimators": 8, "max_depth": 4, "n_jobs": 1}
HIST = {"max_iter": 8, "max_leaf_nodes": 8}
EARLY = lightgbm.early_stopping(2, verbose=False)

NUMBERS: dict[str, Callable[[], Any]] = {
    "boosting": lambda: ensemble.GradientBoostingRegressor(**FEW).fit(X, Y),
    "boosting zero": lambda: ensemble.GradientBoostingRegressor(**FEW, init="zero").fit(X, Y),
    "boosting median": lambda: ensemble.GradientBoostingRegressor(**FEW, init=DummyRegressor(strategy="median")).fit(
        X, Y
    ),
    "boosting huber": lambda: ensemble.GradientBoostingRegressor(**FEW, loss="huber").fit(X, Y),
    "boosting quantile": lambda: ensemble.GradientBoostingRegressor(**FEW, loss="quantile").fit(X, Y),
    "boosting early": lambda: ensemble.GradientBoostingRegressor(n_iter_no_change=1, tol=0.5).fit(X, Y),
    "hist": lambda: ensemble.HistGradientBoostingRegressor(**HIST).fit(X, Y),
    "hist missing": lambda: ensemble.HistGradientBoostingRegressor(**HIST).fit(GAPS, Y),
    "hist poisson": lambda: ensemble.HistGradientBoostingRegressor(**HIST, loss="poisson").fit(X, POSITIVE),
    "hist gamma": lambda: ensemble.HistGradientBoostingRegressor(**HIST, loss="gamma").fit(X, POSITIVE),
    "hist monotonic": lambda: ensemble.HistGradientBoostingRegressor(**HIST, monotonic_cst={"a": 1}).fit(X, Y),
    "forest": lambda: ensemble.RandomForestRegressor(**FEW).fit(X, Y),
    "forest missing": lambda: ensemble.RandomForestRegressor(**FEW).fit(GAPS, Y),
    "forest outputs": lambda: ensemble.RandomForestRegressor(**FEW).fit(X, np.column_stack([Y, POSITIVE])),
    "extra trees": lambda: ensemble.ExtraTreesRegressor(**FEW).fit(X, Y),
    "lightgbm": lambda: lightgbm.LGBMRegressor(**QUIET).fit(X, Y),
    "lightgbm missing": lambda: lightgbm.LGBMRegressor(**QUIET).fit(GAPS, Y),
    "lightgbm poisson": lambda: lightgbm.LGBMRegressor(**QUIET, objective="poisson").fit(X, POSITIVE),
    "lightgbm tweedie": lambda: lightgbm.LGBMRegressor(**QUIET, objective="tweedie").fit(X, POSITIVE),
    "lightgbm dart": lambda: lightgbm.LGBMRegressor(**QUIET, boosting_type="dart").fit(X, Y),
    "lightgbm forest": lambda: lightgbm.LGBMRegressor(**QUIET, boosting_type="rf", subsample=0.5, subsample_freq=1).fit(
        X, Y
    ),
    "lightgbm early": lambda: lightgbm.LGBMRegressor(**QUIET, learning_rate=1.5).fit(
        X, Y, eval_set=[(X, -Y)], callbacks=[EARLY]
    ),
    "lightgbm booster": lambda: lightgbm.LGBMRegressor(**QUIET).fit(X, Y).booster_,
    "lightgbm booster of classes": lambda: lightgbm.LGBMClassifier(**QUIET).fit(X, THREE).booster_,
    "xgboost": lambda: xgboost.XGBRegressor(**ONE).fit(X, Y),
    "xgboost missing": lambda: xgboost.XGBRegressor(**ONE).fit(GAPS, Y),
    "xgboost base": lambda: xgboost.XGBRegressor(**ONE, base_score=0.3).fit(X, Y),
    "xgboost poisson": lambda: xgboost.XGBRegressor(**ONE, objective="count:poisson").fit(X, POSITIVE),
    "xgboost logistic": lambda: xgboost.XGBRegressor(**ONE, objective="reg:logistic").fit(X, TWO == "yes"),
    "xgboost outputs": lambda: xgboost.XGBRegressor(**ONE).fit(X, np.column_stack([Y, POSITIVE])),
    "xgboost early": lambda: xgboost.XGBRegressor(**ONE, early_stopping_rounds=2).fit(
        X, Y, eval_set=[(X, -Y)], verbose=False
    ),
    "xgboost booster": lambda: xgboost.XGBRegressor(**ONE).fit(X, Y).get_booster(),
    "xgboost booster of early": lambda: (
        xgboost.XGBRegressor(**ONE, early_stopping_rounds=2).fit(X, Y, eval_set=[(X, -Y)], verbose=False).get_booster()
    ),
}

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "boosting two": lambda: ensemble.GradientBoostingClassifier(**FEW).fit(X, TWO),
    "boosting three": lambda: ensemble.GradientBoostingClassifier(**FEW).fit(X, THREE),
    "boosting exponential": lambda: ensemble.GradientBoostingClassifier(**FEW, loss="exponential").fit(X, TWO),
    "hist two": lambda: ensemble.HistGradientBoostingClassifier(**HIST).fit(GAPS, TWO),
    "hist three": lambda: ensemble.HistGradientBoostingClassifier(**HIST).fit(X, THREE),
    "forest two": lambda: ensemble.RandomForestClassifier(**FEW).fit(X, TWO),
    "forest three": lambda: ensemble.RandomForestClassifier(**FEW).fit(X, THREE),
    "extra trees": lambda: ensemble.ExtraTreesClassifier(**FEW).fit(GAPS, THREE),
    "lightgbm two": lambda: lightgbm.LGBMClassifier(**QUIET).fit(X, TWO),
    "lightgbm three": lambda: lightgbm.LGBMClassifier(**QUIET).fit(GAPS, THREE),
    "lightgbm one of all": lambda: lightgbm.LGBMClassifier(**QUIET, objective="multiclassova").fit(X, THREE),
    "xgboost two": lambda: xgboost.XGBClassifier(**ONE).fit(X, TWO == "yes"),
    "xgboost three": lambda: xgboost.XGBClassifier(**ONE).fit(GAPS, THREE),
}

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "linear": (lambda: LinearRegression().fit(X, Y), "no tree ensemble"),
    "subclass": (lambda: type("Own", (ensemble.RandomForestRegressor,), {})(**FEW).fit(X, Y), "no tree ensemble"),
    "namesake": (lambda: type("RandomForestRegressor", (LinearRegression,), {})().fit(X, Y), "no tree ensemble"),
    "init": (
        lambda: ensemble.GradientBoostingRegressor(**FEW, init=LinearRegression()).fit(X, Y),
        "treelite cannot read it",
    ),
    "categories": (
        lambda: ensemble.HistGradientBoostingRegressor(**HIST, categorical_features=["d"]).fit(X.round(), Y),
        "categorical features",
    ),
    "categorical splits": (
        lambda: lightgbm.LGBMRegressor(**QUIET, min_data_per_group=1).fit(
            X.abs().round(), X["d"].abs().round() == 1, categorical_feature=["d"]
        ),
        "categorical splits",
    ),
    "outputs of classes": (
        lambda: ensemble.RandomForestClassifier(**FEW).fit(X, np.column_stack([TWO, TWO])),
        "several outputs",
    ),
    "square": (lambda: lightgbm.LGBMRegressor(**QUIET, reg_sqrt=True).fit(X, Y), "signed_square"),
    "linear leaves": (lambda: lightgbm.LGBMRegressor(**QUIET, linear_tree=True).fit(X, Y), "linear|differs"),
    "zero is missing": (
        lambda: lightgbm.LGBMRegressor(**QUIET, zero_as_missing=True).fit(X.where(X.abs() > 0.3, 0.0), Y),
        "differs from its own library",
    ),
    "rounded sigmoid": (lambda: lightgbm.LGBMClassifier(**QUIET, sigmoid=0.7).fit(X, TWO), "predict_proba differs"),
    "dropped": (lambda: xgboost.XGBRegressor(**ONE, booster="dart", rate_drop=0.5).fit(X, Y), "differs"),
    "no trees": (lambda: xgboost.XGBRegressor(n_estimators=8, booster="gblinear").fit(X, Y), "treelite cannot read it"),
    "missing is a number": (lambda: xgboost.XGBRegressor(**ONE, missing=-1.0).fit(X, Y), "missing value"),
}

MODELS: dict[str, Any] = {}


def made(name: str, table: dict[str, Callable[[], Any]]) -> tuple[Any, CompiledTrees]:
    """A fitted model and what it compiles to, made once for all tests."""
    key = f"{id(table)} {name}"
    if key not in MODELS:
        model = table[name]()
        MODELS[key] = model, read(model, NAMES)
    return MODELS[key]


def rows_for(trees: CompiledTrees) -> np.ndarray:
    """Rows that the checks of the driver have not seen, with values next to thresholds in both precisions."""
    random = np.random.default_rng(77)
    nodes = trees.forest.nodes
    finite = nodes["threshold"][np.isfinite(nodes["threshold"])]
    single = finite.astype("float32")
    near = [finite, np.nextafter(finite, -np.inf), np.nextafter(finite, np.inf), single]
    near += [np.nextafter(single, np.float32(-np.inf)), np.nextafter(single, np.float32(np.inf))]
    pool = np.concatenate([each.astype("float64") for each in near])
    rows = np.where(random.random((3000, 4)) < 0.5, random.choice(pool, (3000, 4)), random.normal(size=(3000, 4)))
    others = [0.0, -0.0, 0.9999999999999999, 1e-36, -1e-36, 5e-324, -1e30]
    others += [np.nan] * 3 if trees.takes_missing else []
    others += [np.inf, -np.inf, 1e300] if trees.takes_infinite else []
    return np.where(random.random(rows.shape) < 0.2, random.choice(others, rows.shape), rows)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    """Compiled, a model that gives numbers gives those of its own library, in their shape and precision."""
    model, trees = made(name, NUMBERS)
    rows = rows_for(trees)

    ours = CompiledScorer(trees).predict(rows)
    theirs = _tree_checks.Native(model, NAMES).predict(rows)

    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert not differing(ours, theirs).any()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str) -> None:
    """Compiled, a classifier chooses as its own library does, with the same probabilities."""
    model, trees = made(name, CLASSIFIERS)
    rows = rows_for(trees)

    scorer, native = CompiledScorer(trees), _tree_checks.Native(model, NAMES)
    ours, theirs = scorer.probabilities(rows), native.probabilities(rows)

    assert trees.classes is not None
    assert trees.classes[scorer.predict(rows)].tolist() == native.predict(rows).tolist()
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert not differing(ours, theirs).any()


@pytest.mark.parametrize("name", ["boosting", "hist", "forest", "lightgbm", "xgboost", "lightgbm missing"])
def test_to_the_bit(name: str) -> None:
    """Sums are added in the order of the model's own library, so that nothing is left to rounding."""
    model, trees = made(name, NUMBERS)
    rows = rows_for(trees)

    ours = CompiledScorer(trees).predict(rows)

    assert ours.tobytes() == _tree_checks.Native(model, NAMES).predict(rows).tobytes()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What is not known to be the same is not compiled, and the reason says why."""
    fit, reason = REFUSED[name]

    with pytest.raises(NotCompiledError, match=reason):
        read(fit(), NAMES)


def test_other_features() -> None:
    """A signature that the model's own library refuses is refused here too."""
    model, _ = made("boosting", NUMBERS)

    with pytest.raises(NotCompiledError, match="number of features"):
        read(model, NAMES[:3])
    with pytest.raises(NotCompiledError, match="refuses the signature's inputs"):
        read(model, ["b", "a", "c", "d"])


def test_inputs_without_names() -> None:
    """A model that was fitted on an array is compiled for inputs without names."""
    model = ensemble.GradientBoostingRegressor(**FEW).fit(X.to_numpy(), Y)

    found = CompiledScorer(read(model, [None] * 4)).predict(X.to_numpy())

    assert found.tolist() == model.predict(X.to_numpy()).tolist()


def test_more_trees_than_there_are() -> None:
    """A model whose ``n_estimators`` was set after it was fitted is read no further than its trees."""
    model = ensemble.RandomForestRegressor(**FEW).fit(X, Y).set_params(n_estimators=4000)

    assert len(read(model, NAMES).forest.roots) == 8


def test_values_that_the_library_refuses() -> None:
    """NaN, infinity and what is too large for single precision are left to a library that refuses them."""
    model, trees = made("boosting", NUMBERS)
    scorer = CompiledScorer(trees)

    for value in (np.nan, np.inf, -np.inf, 1e300):
        row = np.array([[0.0, value, 0.0, 0.0]])
        with pytest.raises(NotTakenError):
            scorer.predict(row)
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            model.predict(pd.DataFrame(row, columns=NAMES))


def test_matrices() -> None:
    """Any layout and number type is scored as it reads; no rows give no predictions; a wrong shape is refused."""
    _, trees = made("boosting", NUMBERS)
    scorer = CompiledScorer(trees)
    matrix = np.round(X.to_numpy() * 3)
    expected = scorer.predict(matrix).tolist()

    assert scorer.predict(np.asfortranarray(matrix)).tolist() == expected
    assert scorer.predict(matrix.astype("int64")).tolist() == expected
    assert scorer.predict(np.repeat(matrix, 2, axis=1)[:, ::2]).tolist() == expected
    assert [scorer.predict(row[None, :])[0] for row in matrix] == expected
    assert scorer.predict(matrix[:0]).shape == (0,)
    with pytest.raises(ValueError, match="4 features"):
        scorer.predict(matrix[:, :3])


def test_travels() -> None:
    """A process that has neither treelite nor the model's library scores what was pickled here."""
    _, trees = made("hist two", CLASSIFIERS)
    code = (
        "import pickle, sys\n"
        "from lakepredict._worker.compiled import CompiledScorer\n"
        "trees, rows = pickle.load(sys.stdin.buffer)\n"
        "found = CompiledScorer(trees).probabilities(rows)\n"
        "assert not {'treelite', 'sklearn', 'mlflow', 'pandas', 'pyspark'} & set(sys.modules)\n"
        "sys.stdout.buffer.write(found.tobytes())\n"
    )
    rows = rows_for(trees)

    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps((trees, rows)), capture_output=True)

    assert done.stderr == b""
    assert done.stdout == CompiledScorer(trees).probabilities(rows).tobytes()


def test_unloadable() -> None:
    """A library for another machine, a broken one, and one that computes otherwise are told from a good one."""
    _, trees = made("boosting", NUMBERS)
    assert trees.results is not None

    with pytest.raises(UnloadableError, match="compiled for plan9 mips"):
        CompiledScorer(replace(trees, platform="plan9 mips"))
    with pytest.raises(UnloadableError, match="does not load"):
        CompiledScorer(replace(trees, library=b"\x7fELF" + bytes(200)))
    with pytest.raises(UnloadableError, match="other numbers"):
        CompiledScorer(replace(trees, results=trees.results * (1 + 1e-11)))


def test_check_sees_one_wrong_split() -> None:
    """A threshold that is off by the last bit, or a missing value that goes astray, is a difference."""
    model, trees = made("lightgbm missing", NUMBERS)
    native = _tree_checks.Native(model, NAMES)
    split = int(np.flatnonzero(np.isfinite(trees.forest.nodes["threshold"]))[-1])

    moved = trees.forest.nodes.copy()
    moved["threshold"][split] = np.nextafter(moved["threshold"][split], -np.inf)
    astray = trees.forest.nodes.copy()
    astray["next"][split] ^= 1

    with pytest.raises(_tree_checks.DifferentError, match="predict differs"):
        _tree_checks.checked(replace(trees, forest=replace(trees.forest, nodes=moved)), native)
    assert not _tree_checks.checked(replace(trees, forest=replace(trees.forest, nodes=astray)), native).takes_missing
    assert _tree_checks.checked(trees, native).takes_missing


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no C compiler, that is the reason."""
    model, _ = made("boosting", NUMBERS)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotCompiledError, match="no C compiler"):
        read(model, NAMES)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script where the C compiler is looked for first."""

    def put(script: str) -> None:
        path = tmp_path / "cc"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return put


def test_compiler_that_fails(compiler: Callable[[str], None]) -> None:
    """What a compiler complains of is in the reason."""
    model, _ = made("boosting", NUMBERS)
    compiler("echo no license >&2\nexit 1")

    with pytest.raises(NotCompiledError, match="failed: no license"):
        read(model, NAMES)


def test_compiler_that_hangs(compiler: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that takes too long is given up."""
    model, _ = made("boosting", NUMBERS)
    compiler("exec sleep 60")
    monkeypatch.setattr(_trees, "_SECONDS", 0.2)

    with pytest.raises(NotCompiledError, match="took longer"):
        read(model, NAMES)


def test_without_treelite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where treelite is not installed, the reason says what to install."""
    model, _ = made("boosting", NUMBERS)
    monkeypatch.setitem(sys.modules, "treelite", None)

    with pytest.raises(NotCompiledError, match=r"pip install 'lakepredict\[trees\]'"):
        read(model, NAMES)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of more nodes than the limit is left to its own library."""
    model, _ = made("forest", NUMBERS)
    monkeypatch.setattr(_trees, "_LARGEST", 100)

    with pytest.raises(NotCompiledError, match="more than 100"):
        read(model, NAMES)
