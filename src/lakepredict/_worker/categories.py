"""Columns that a model was trained on as pandas' categories, and the categories that its file has kept of them.

Runs in Python workers. LightGBM and XGBoost replace a category by its number among those of the training. What they get
in a batch are values, so a column is made a category again, with the model's own categories, whichever of them are in
the batch. The model may stand in a pipeline or another wrapper of scikit-learn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakepredict._worker.parts import booster_library, parts

_LISTED = re.compile(r"^\[categorical_feature: ([\d,]+)\]$", re.MULTILINE)
"""Where LightGBM's file has the positions of its features that are categories."""

_RANGES = re.compile(r"^feature_infos=(.*)$", re.MULTILINE)
"""Where it has the range of each feature, ``[0:99]``, or its values, ``-1:0:1``."""

_KINDS = {"string": "text", "integer": "number", "floating": "number", "boolean": "boolean"}
"""What pandas finds in an index -> what it can be compared with."""


_MOST = 5
"""How many categories a message lists."""


class UnknownCategoryError(ValueError):
    """A value is none of the categories that a model was trained with; the message is that value."""


@dataclass(frozen=True)
class Categories:
    """The categories of a column.

    Attributes:
        index: a pandas index of them, in the model's order.
        closed: whether a value that is none of them is an error. XGBoost would refuse it in some columns and take it
            for another in others; to LightGBM it is missing.
    """

    index: Any
    closed: bool

    def __str__(self) -> str:
        texts = [repr(category) for category in self.index[:_MOST].tolist()]
        return ", ".join([*texts, "..."] if len(self.index) > _MOST else texts)

    def compares_with(self, arrow_type: pa.DataType) -> bool:
        """Return whether values of a type can be among the categories."""
        kind = _KINDS.get(self.index.inferred_type)
        return kind is None or kind == _kind(arrow_type)

    def column(self, values: pa.Array) -> Any:
        """Return a column as a pandas categorical, in which NULL, NaN and what is unknown are missing.

        Raises:
            UnknownCategoryError: a value is unknown, and the categories are closed.
        """
        import numpy as np
        import pandas as pd

        encoded = values.dictionary_encode()
        distinct = pd.Index(encoded.dictionary.to_numpy(zero_copy_only=False))
        places = self.index.get_indexer(distinct)
        unknown = distinct[(places < 0) & distinct.notna()]
        if self.closed and len(unknown):
            raise UnknownCategoryError(repr(unknown.tolist()[0]))
        # The last place, at -1, is that of NULL.
        codes = np.append(places, -1).take(encoded.indices.fill_null(-1).to_numpy())
        return pd.Categorical.from_codes(codes, self.index)


def _kind(arrow_type: pa.DataType) -> str:
    if pa.types.is_string(arrow_type):
        return "text"
    return "boolean" if pa.types.is_boolean(arrow_type) else "number"


def categories_of(model: Any, names: Sequence[str | None], arrow_types: Sequence[pa.DataType]) -> dict[int, Categories]:
    """Return the categories of each input that a model was trained on as a category, by the input's position.

    Models of XGBoost before 3.1 have not kept any: they take categories by their numbers.

    Args:
        model: a model of scikit-learn's kind, or a booster.
        names: the names of its inputs.
        arrow_types: their types.
    """
    labels = [str(position) if name is None else name for position, name in enumerate(names)]
    texts = {position for position, arrow_type in enumerate(arrow_types) if pa.types.is_string(arrow_type)}
    known: dict[int, Categories] = {}
    for part in parts(model):
        library = booster_library(part)
        if library is not None:
            kept = _xgboost(part, labels) if library == "xgboost" else _lightgbm(part, labels, texts)
            for position, categories in kept:
                if position not in known or categories.closed:
                    known[position] = categories
    return known


def _xgboost(booster: Any, labels: list[str]) -> Iterator[tuple[int, Categories]]:
    import pandas as pd

    if "c" not in (booster.feature_types or []) or not hasattr(booster, "get_categories"):
        return
    for feature, kept in booster.get_categories(export_to_arrow=True).to_arrow():
        position = _position(feature, labels)
        if kept is not None and position is not None:
            # XGBoost compares the types, too: an index of 64 bits is not one of 8.
            yield position, Categories(pd.Index(kept.to_numpy(zero_copy_only=False)), closed=True)


def _lightgbm(booster: Any, labels: list[str], texts: set[int]) -> Iterator[tuple[int, Categories]]:
    import pandas as pd

    if not booster.pandas_categorical:
        return
    kept = [pd.Index(categories) for categories in booster.pandas_categorical]
    places = [_position(feature, labels) for feature in booster.feature_name()]
    for feature, index in zip(_categorical_features(booster, kept, places, texts), kept, strict=False):
        position = places[feature]
        if position is not None:
            yield position, Categories(index, closed=False)


def _categorical_features(booster: Any, kept: list[Any], places: list[int | None], texts: set[int]) -> list[int]:
    """Return the features that LightGBM's lists of categories are of, which its file does not say in so many words.

    The lists are in the features' order, one for each column that was a pandas category. The features that LightGBM
    treats as categories are others where a category is ordered, or where the caller named them. Texts are categories
    in any case. Where none of this fits there is no feature, and LightGBM refuses what it then gets.
    """
    text = booster.model_to_string(num_iteration=1)
    listed = _LISTED.search(text)
    named = {int(feature) for feature in listed.group(1).split(",")} if listed else set()
    of_texts = {feature for feature, position in enumerate(places) if position in texts}
    ranges = _RANGES.search(text).group(1).split(" ")  # type: ignore[union-attr]
    for features in (sorted(named), sorted(of_texts), sorted(named | of_texts)):
        if len(features) == len(kept) and of_texts.issubset(features):
            sizes = zip(features, kept, strict=True)
            if all(_are_numbers_of(ranges[feature], len(index)) for feature, index in sizes):
                others = [values for feature, values in enumerate(ranges) if feature not in features]
                return [] if any(_may_be_of_another(index, others) for index in kept) else features
    return []


def _may_be_of_another(index: Any, ranges: list[str]) -> bool:
    """Return whether a list of categories may be that of a feature that LightGBM does not treat as a category.

    Such a feature, an ordered category, has numbers from 0 to that of the last category. Where the categories are these
    numbers themselves, it makes no difference.
    """
    last = len(index) - 1
    return index.tolist() != list(range(len(index))) and bool({f"[0:{last}]", f"[-1:{last}]"} & set(ranges))


def _are_numbers_of(values: str, size: int) -> bool:
    """Return whether the values of a feature may be numbers of that many categories."""
    return values.startswith("[") or values == "none" or max(map(int, values.split(":"))) < size


def _position(feature: str, labels: list[str]) -> int | None:
    """Return which input a feature is, under its own name or one that scikit-learn has put a step's name before."""
    # LightGBM has no spaces in its names.
    names = [label.replace(" ", "_") for label in labels]
    plain = feature.replace(" ", "_")
    if plain in names:
        return names.index(plain)
    endings = [position for position, name in enumerate(names) if plain.endswith(f"__{name}")]
    return max(endings, key=lambda position: len(names[position]), default=None)
