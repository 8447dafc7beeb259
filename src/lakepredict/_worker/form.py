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
from lakepredict._worker.first_step import FirstStep, Trial, first_step
from lakepredict._worker.inputs import to_numpy


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
    """

    takes: Literal["matrix", "table", "column", "dicts"] = "table"
    categories: Mapping[int, Categories] = field(default_factory=dict)

    def arranged(self, table: Any) -> Any:
        """Return a data frame, or what else the model takes in its place."""
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
    categories = categories_of(model, names, arrow_types)
    step = first_step(model, Trial(_made_up(names, arrow_types), function))
    labels = [str(position + 1) if name is None else name for position, name in enumerate(names)]
    if step.reads == "column" and len(names) > 1:
        raise _several_inputs(step, labels)
    for position, known in categories.items():
        if not known.compares_with(arrow_types[position]):
            raise _other_type(labels[position], arrow_types[position], known)
    if step.reads == "dicts" and len(names) == 1 and pa.types.is_nested(arrow_types[0]):
        return Form("column", categories)
    return Form("table" if step.reads == "unknown" else step.reads, categories)


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
