"""The form in which a model takes a batch; runs in Python workers.

Both ways of calling a model, its own library's and MLflow's, and ``tracking.for_predict`` ask here, so that they call
it alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from lakepredict._worker.categories import Categories, categories_of
from lakepredict._worker.category_source import sources_of
from lakepredict._worker.first_step import FirstStep, Trial, first_step
from lakepredict._worker.inputs import to_numpy
from lakepredict._worker.parts import booster_library


class FormError(Exception):
    """No batch of the inputs has a form that the model could be right on.

    Attributes:
        expected: what it takes.
        got: what the signature has.
        hint: what to do.
    """

    def __init__(self, *, expected: str, got: str, hint: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got
        self.hint = hint


@dataclass(frozen=True)
class Form:
    """The form in which a model takes a batch.

    Attributes:
        takes: a matrix of numbers, a data frame, the only column of it, or a dict for each row.
        categories: the categories of each input that is a pandas category in the data frame, by its position.
        order: the positions of the inputs in the order of the training, for a library that goes by places; or None.
    """

    takes: Literal["matrix", "table", "column", "dicts"] = "table"
    categories: Mapping[int, Categories] = field(default_factory=dict)
    order: tuple[int, ...] | None = None

    def arranged(self, table: Any) -> Any:
        """Return a data frame, or what else the model takes in its place."""
        if self.order is not None:
            return table.iloc[:, list(self.order)]
        if self.takes == "column":
            return table.iloc[:, 0]
        return table.to_dict("records") if self.takes == "dicts" else table


def form_of(model: Any, function: str, names: Sequence[str | None], arrow_types: Sequence[pa.DataType]) -> Form:
    """Return the form in which a model of scikit-learn, XGBoost or LightGBM takes a batch that is no matrix.

    Args:
        model: the library's own object.
        function: which of its functions is called.
        names: the names of its inputs, in the order in which they come.
        arrow_types: their types.

    Raises:
        FormError: the model reads one column, and there are several; or an input is compared with categories of
            another type.
    """
    made_up = _made_up(names, arrow_types)
    step = first_step(model, Trial(made_up, function))
    labels = [str(position + 1) if name is None else name for position, name in enumerate(names)]
    if step.reads == "column" and len(names) > 1:
        raise _several_inputs(step, labels)
    categories = _categories(model, made_up, names, arrow_types)
    for position, known in categories.items():
        if not known.compares_with(arrow_types[position]):
            raise _other_type(labels[position], arrow_types[position], known)
    if step.reads == "dicts" and len(names) == 1 and pa.types.is_nested(arrow_types[0]):
        return Form("column", categories)
    return Form("table" if step.reads == "unknown" else step.reads, categories, order_of(model, names))


def _categories(
    model: Any, made_up: Any, names: Sequence[str | None], arrow_types: Sequence[pa.DataType]
) -> dict[int, Categories]:
    """Return the categories of the inputs that are to come as categories, and not as raw values.

    Raises:
        FormError: neither the data frame nor a step in front of a booster can be seen to make its categories.
    """
    known = categories_of(model, names, arrow_types)
    sources = sources_of(model, made_up, known)
    unknown = next((position for position, source in sources.items() if source == "unknown"), None)
    if unknown is not None:
        label = str(unknown + 1) if names[unknown] is None else names[unknown]
        raise FormError(
            expected=f"a pipeline whose steps hand the categories of `{label}` on, or make them: {known[unknown]}",
            got="steps that do neither with made-up rows",
            hint="put the step that makes the categories into the pipeline, or fit the booster on the data frame.",
        )
    return {position: known[position] for position, source in sources.items() if source == "input"}


def order_of(model: Any, names: Sequence[str | None]) -> tuple[int, ...] | None:
    """Return the order of LightGBM's features among a model's inputs, where it is another one.

    LightGBM goes by places, and would not look at the names.
    """
    booster = getattr(model, "booster_", model)
    if booster_library(booster) != "lightgbm":
        return None
    # LightGBM has no spaces in its names.
    given = [str(name).replace(" ", "_") for name in names]
    trained = [name.replace(" ", "_") for name in booster.feature_name()]
    if trained == given or set(trained) != set(given):
        return None
    return tuple(given.index(name) for name in trained)


def _several_inputs(step: FirstStep, labels: list[str]) -> FormError:
    return FormError(
        expected=f"one input, since its first step, {step.name}, reads one value a row",
        got=f"a signature of {len(labels)} inputs: {', '.join(labels)}",
        hint="log it with a signature of the column that it was fitted on; for several columns, put the step into a"
        f" ColumnTransformer, as (name, {step.name}(), {labels[0]!r}), and fit it again.",
    )


def _other_type(label: str, arrow_type: pa.DataType, known: Categories) -> FormError:
    return FormError(
        expected=f"the input `{label}` of the type of its categories: {known}",
        got=f"a signature that has it as {arrow_type}",
        hint="log it with a signature of the data that it was fitted on.",
    )


def _made_up(names: Sequence[str | None], arrow_types: Sequence[pa.DataType]) -> Any:
    """Return a data frame of the inputs with one row more than it has columns, so that the two can be told apart."""
    import pandas as pd

    columns = {}
    for position, (name, arrow_type) in enumerate(zip(names, arrow_types, strict=True)):
        rows = pa.array([_value(arrow_type)] * (len(names) + 1), arrow_type)
        columns[position if name is None else name] = to_numpy(rows, "UTC")
    return pd.DataFrame(columns)


def _value(arrow_type: pa.DataType) -> Any:
    """Return some value of a type."""
    if pa.types.is_list(arrow_type):
        return [_value(arrow_type.value_type)] * 2
    if pa.types.is_struct(arrow_type):
        return {member.name: _value(member.type) for member in arrow_type}
    if pa.types.is_map(arrow_type):
        return [("key", _value(arrow_type.item_type))]
    if pa.types.is_binary(arrow_type):
        return b"some text"
    if pa.types.is_string(arrow_type):
        return "some text"
    return True if pa.types.is_boolean(arrow_type) else 1
