"""Who makes the categories that a booster was trained on: the caller's data frame, or the steps before the booster.

Runs in Python workers. A booster of LightGBM or XGBoost keeps categories by the names of its features. In a pipeline of
scikit-learn, a step in front of it may have made them, of a raw column of the same name: upper-case texts, a number
modulo 3, a day of the week. Such a column must stay raw. So the steps in front are tried, on raw values and on
categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from lakepredict._worker.categories import Categories
from lakepredict._worker.first_step import fitted_models, flattened
from lakepredict._worker.parts import booster_library

Source = Literal["input", "steps", "unknown"]


def sources_of(model: Any, table: Any, categories: Mapping[int, Categories]) -> dict[int, Source]:
    """Return who makes the categories of each input, by its position.

    Args:
        model: a model of scikit-learn's kind, or a booster.
        table: a data frame of the model's inputs, with made-up rows.
        categories: the categories that boosters in the model have kept of inputs, by the inputs' positions.
    """
    paths = [steps for steps in _steps_before_boosters(model) if steps]
    if not paths:
        return dict.fromkeys(categories, "input")
    raw, coded = table.copy(), table.copy()
    for position, known in categories.items():
        values = known.index.take([row % len(known.index) for row in range(len(table))])
        raw[table.columns[position]] = values.to_numpy()
        coded[table.columns[position]] = values.astype(_dtype(known))
    return {
        position: _of_all([_source(steps, raw, coded, position, known) for steps in paths])
        for position, known in categories.items()
    }


def _steps_before_boosters(model: Any) -> Iterator[list[Any]]:
    """Yield, for each booster that predicts, the steps between the model's input and the booster."""
    if hasattr(model, "named_steps"):
        *before, last = flattened(model)
        for steps in _steps_before_boosters(last):
            yield [*before, *steps]
    elif booster_library(model) is not None or hasattr(model, "get_booster") or hasattr(model, "booster_"):
        yield []
    else:
        for part in fitted_models(model):
            yield from _steps_before_boosters(part)


def _source(steps: list[Any], raw: Any, coded: Any, position: int, known: Categories) -> Source:
    name = str(raw.columns[position])
    from_raw = _column(steps, raw, name)
    if from_raw is not None and str(from_raw.dtype) == "category":
        return "steps"
    from_coded = _column(steps, coded, name)
    if from_coded is None or from_coded.dtype != _dtype(known):
        return "unknown"
    same = list(from_coded) == list(coded.iloc[:, position])
    return "input" if same else "unknown"


def _column(steps: list[Any], table: Any, name: str) -> Any:
    """Return a column of what steps make of a data frame, or None if there is none of that name."""
    try:
        for step in steps:
            table = step.transform(table)
    except (Exception, SystemExit):  # steps of the user's own fail in any way on what they do not take
        return None
    labels = [str(label) for label in getattr(table, "columns", ())]
    places = [place for place, label in enumerate(labels) if label == name or label.endswith(f"__{name}")]
    return table.iloc[:, places[0]] if len(places) == 1 else None


def _dtype(known: Categories) -> Any:
    import pandas as pd

    return pd.CategoricalDtype(known.index)


def _of_all(sources: list[Source]) -> Source:
    return sources[0] if len(set(sources)) == 1 else "unknown"
