"""Rows with missing values, and models that refuse some of them or leave them out.

A model that fails on a batch, or gives fewer predictions than there are rows, is asked again: for the rows in which
nothing is missing together, and for those in which the same inputs are missing together. Where it fails on the latter,
a row that it did score is blanked in the same way. If it fails on that one, too, it refuses such rows, and they get
NULL; if not, something else is wrong with them, and that is an error. What a model refuses is kept, so that it fails on
no later batch of the process.

So a row's prediction does not depend on the rows that happen to be in its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lakepredict._worker.batch import Batch, Feature, scattered
from lakepredict._worker.inputs import flatten
from lakepredict.errors import ModelFailedError, PredictionsMissingError

Predict = Callable[[Batch], pa.Array]

_REFUSALS = (ModelFailedError, PredictionsMissingError)
"""How a model tells that it does not take missing values: by an error of its own, or by rows that it leaves out."""


@dataclass
class Notes:
    """What is known of a model in this process.

    Attributes:
        refused: which combinations of missing inputs it refuses.
        sample: a row with nothing missing that it scored, or None.
    """

    refused: set[bytes] = field(default_factory=set)
    sample: Batch | None = None


def score_around_missing(batch: Batch, features: Sequence[Feature], predict: Predict, notes: Notes) -> pa.Array:
    """The predictions for a batch, NULL for the rows in which the model refuses what is missing.

    Raises:
        ModelFailedError, PredictionsMissingError: the model fails, or leaves rows out, for another reason.
    """
    if notes.refused:
        return _score_by_pattern(batch, features, predict, notes)
    try:
        found = predict(batch)
    except _REFUSALS:
        if not _missing(batch, features).any():
            raise
        return _score_by_pattern(batch, features, predict, notes)
    if notes.sample is None and len(batch) and not _missing(batch.slice(0, 1), features).any():
        notes.sample = batch.take(pa.array([0]))
    return found


def _missing(batch: Batch, features: Sequence[Feature]) -> Any:
    """For each row a flag for each scalar in it: whether it is NULL or NaN."""
    import numpy as np

    flags = []
    for feature, column in zip(features, batch.columns, strict=True):
        scalars = column if feature.dtype is None else flatten(column, feature.shape)[0]
        missing = scalars.is_null(nan_is_null=pa.types.is_floating(scalars.type))
        flags.append(missing.to_numpy(zero_copy_only=False).reshape(len(batch), -1))
    return np.concatenate(flags, axis=1)


def _score_by_pattern(batch: Batch, features: Sequence[Feature], predict: Predict, notes: Notes) -> pa.Array:
    import numpy as np

    if not len(batch):
        return predict(batch)
    patterns, members = np.unique(_missing(batch, features), axis=0, return_inverse=True)
    members = members.reshape(-1)
    accepted = [position for position, each in enumerate(patterns) if each.tobytes() not in notes.refused]
    rows = np.flatnonzero(np.isin(members, accepted))
    if len(accepted) < len(patterns):
        try:
            return scattered(predict(batch.take(pa.array(rows))), pa.array(rows), len(batch))
        except _REFUSALS:
            if not patterns[accepted].any():
                raise
    scored = []
    # Rows with nothing missing come first: one of them is what the others are compared with.
    for position in sorted(accepted, key=lambda each: bool(patterns[each].any())):
        places = np.flatnonzero(members == position)
        found = _score_group(batch.take(pa.array(places)), patterns[position], predict, notes)
        if found is not None:
            scored.append((places, found))
    places = np.concatenate([places for places, _ in scored]) if scored else np.array([], int)
    found = pa.concat_arrays([found for _, found in scored]) if scored else predict(batch.slice(0, 0))
    return scattered(found, pa.array(places), len(batch))


def _score_group(group: Batch, pattern: Any, predict: Predict, notes: Notes) -> pa.Array | None:
    """The predictions for rows that miss the same inputs, or None if the model refuses those."""
    try:
        found = predict(group)
    except _REFUSALS:
        if not pattern.any() or not _refuses(group, pattern, predict, notes):
            raise
        return None
    if not pattern.any():
        notes.sample = group.take(pa.array([0]))
    return found


def _refuses(group: Batch, pattern: Any, predict: Predict, notes: Notes) -> bool:
    """Whether the model fails because of what is missing in the rows of ``group``."""
    if notes.sample is None:
        return True
    firsts = group.slice(0, 1).columns
    blanked = [first if _has_gap(first) else good for first, good in zip(firsts, notes.sample.columns, strict=True)]
    try:
        predict(Batch(blanked))
    except _REFUSALS:
        notes.refused.add(pattern.tobytes())
        return True
    return False


def _has_gap(value: pa.Array) -> bool:
    """Whether the one value is missing, or something in it."""
    while pa.types.is_list(value.type) and value.null_count == 0:
        value = value.flatten()
    return bool(value.is_null(nan_is_null=pa.types.is_floating(value.type)).true_count)
