"""What the first step of a scikit-learn model reads: a table, a column of it, or a dict for each row.

Runs in Python workers. The vectorizers of scikit-learn iterate over what they are given. Over a data frame that is its
column names, and the prediction is that of the names: of the right length where a batch has as many rows as the frame
has columns, and wrong. The lengths of results do not show it always: some wrappers spread a single row over all. So
the fitted model is asked for its first step, and the step for its tags; steps of the user's own are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Reads = Literal["table", "column", "dicts", "unknown"]

_FITTED = ("best_estimator_", "calibrated_classifiers_", "estimators_", "estimator_", "regressor_", "estimator")
"""Where scikit-learn's wrappers keep the models that get what they get themselves; the first that is there counts."""

_TABLE_LIBRARIES = {"xgboost", "lightgbm", "catboost"}
"""Libraries whose models read tables, though their tags do not say that they are scikit-learn's own."""


@dataclass(frozen=True)
class FirstStep:
    """The step of a model that sees its input first.

    Attributes:
        reads: what it reads; ``unknown`` where only a trial tells.
        name: its class.
    """

    reads: Reads
    name: str


@dataclass(frozen=True)
class Trial:
    """Rows made up to see what a step of the user's own reads.

    Attributes:
        table: a data frame of the model's inputs, with one row more than it has columns.
        function: the model's function, for a model that is no transformer.
    """

    table: Any
    function: str = "predict"

    def reads(self, steps: list[Any], *, before_texts: bool) -> Reads:
        """Return what steps of the user's own read: a table, unless they take it for a list of its column names.

        Args:
            steps: the steps, the first that see the model's input.
            before_texts: whether the step behind them iterates over what they give.
        """
        rows, columns = self.table.shape
        answered = self._rows(steps, self.table, before_texts)
        if answered == rows:
            return "table"
        if columns > 1:
            return "column" if answered == columns else "table"
        return "column" if self._rows(steps, self.table.iloc[:, 0], before_texts) == rows else "table"

    def _function_of(self, step: Any) -> Callable[[Any], Any]:
        name = next(name for name in ("transform", self.function, "predict") if hasattr(step, name))
        function: Callable[[Any], Any] = getattr(step, name)
        return function

    def _rows(self, steps: list[Any], data: Any, before_texts: bool) -> int | None:
        """Return the number of rows that steps give, as the step behind them counts, or None if they fail."""
        try:
            for step in steps:
                data = self._function_of(step)(data)
            return _length(data, iterated=before_texts)
        except (Exception, SystemExit):  # code of the user's own fails in any way on what it does not read
            return None


def _length(data: Any, *, iterated: bool) -> int | None:
    shape = getattr(data, "shape", None)
    if shape is None:
        return len(data)
    if not iterated or len(shape) == 1:
        return int(shape[0])
    # Iterating gives a data frame's column names, but a matrix's rows, which are no texts.
    return int(shape[1]) if hasattr(data, "columns") else None


def first_step(model: Any, trial: Trial) -> FirstStep:
    """Return the first step of a fitted model or transformer, and what it reads.

    Args:
        model: anything that has scikit-learn's interface.
        trial: tells what steps of the user's own read.
    """
    step = _first_step(model, trial)
    if step.reads != "unknown":
        return step
    return FirstStep(trial.reads([model], before_texts=False), step.name)


def _first_step(model: Any, trial: Trial) -> FirstStep:
    name = type(model).__name__
    if hasattr(model, "named_steps"):
        return _of_pipeline(list(flattened(model)), trial)
    if hasattr(model, "transformer_list"):
        return _of_union([part for _, part in model.transformer_list if not isinstance(part, str)], trial)
    if hasattr(model, "named_transformers_") or type(model).__module__.partition(".")[0] in _TABLE_LIBRARIES:
        return FirstStep("table", name)
    if _is_own(model):
        inner = fitted_models(model)
        if inner:
            # Each is tried by itself: some wrappers spread one row over all, so that their own length says nothing.
            return _strictest([first_step(part, trial) for part in inner], name)
    return FirstStep(_tagged(model), name)


def flattened(pipeline: Any) -> Iterator[Any]:
    """Yield the steps of a pipeline and of the pipelines in it that do something."""
    for _, step in pipeline.steps:
        if hasattr(step, "named_steps"):
            yield from flattened(step)
        elif step is not None and step != "passthrough":
            yield step


def _of_pipeline(steps: list[Any], trial: Trial) -> FirstStep:
    own: list[Any] = []
    for step in steps:
        known = _first_step(step, trial)
        if known.reads != "unknown":
            break
        own.append(step)
    if not own:
        return known
    # A classifier at the end is fed by what is before it; it is not what the trial is about.
    transformers = [step for step in own if hasattr(step, "transform")] or own
    reads = trial.reads(transformers, before_texts=known.reads == "column")
    return FirstStep(reads, known.name if known.reads == "column" else type(own[0]).__name__)


def _of_union(parts: list[Any], trial: Trial) -> FirstStep:
    steps = [first_step(part, trial) for part in parts]
    return _strictest(steps, "FeatureUnion")


def _strictest(steps: list[FirstStep], name: str) -> FirstStep:
    """Return the step that decides for those that get the same input: one that does not take a table."""
    for reads in ("column", "dicts", "unknown"):
        for step in steps:
            if step.reads == reads:
                return step
    return FirstStep("table", name)


def fitted_models(model: Any) -> list[Any]:
    """Return the fitted models in a wrapper that get what the wrapper gets itself."""
    return next((models for models in _fitted(model) if models), [])


def _fitted(model: Any) -> Iterator[list[Any]]:
    for attribute in _FITTED:
        value = getattr(model, attribute, None)
        if value is not None and not isinstance(value, (str, dict)):
            yield list(_models_in(value))


def _models_in(value: Any) -> Iterator[Any]:
    """Yield the models in an attribute: one, or a list or an array of them, at any depth."""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray":
        for part in value:
            yield from _models_in(part)
    elif not isinstance(value, str):
        yield value


def _is_own(model: Any) -> bool:
    return type(model).__module__.startswith("sklearn.")


def _tagged(step: Any) -> Reads:
    """Return what a step says by its tags; those of the user's own that say nothing else seem to read tables."""
    table, dicts = _tags(step)
    if dicts:
        return "dicts"
    if not table:
        return "column"
    return "table" if _is_own(step) and type(step).__name__ != "FunctionTransformer" else "unknown"


def _tags(step: Any) -> tuple[bool, bool]:
    """Return whether a step says that it reads tables, and whether it says that it reads dicts."""
    try:
        tags = step.__sklearn_tags__().input_tags
    except AttributeError:
        pass  # no estimator, or one of scikit-learn before 1.6
    else:
        return tags.two_d_array or tags.three_d_array, tags.dict
    types = step._get_tags()["X_types"] if hasattr(step, "_get_tags") else ["2darray"]
    return bool({"2darray", "3darray"} & {*types}), "dict" in types
