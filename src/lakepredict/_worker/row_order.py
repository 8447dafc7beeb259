"""Predictions that pandas labels with the rows that they are for; runs in Python workers."""

from __future__ import annotations

from typing import Any

from lakepredict.errors import ResultInvalidError


def in_row_order(predictions: Any, rows: int, label: str) -> Any:
    """Return predictions in the order of the batch's rows, by their pandas index where they have one.

    A batch reaches a model as a data frame whose index is 0 to ``rows - 1``. To pandas, the label of a prediction says
    which row it is for, wherever it stands: a model that works group by group, or that sorts by score, gives them in
    another order. What has no index is in the order of the rows already, and what has another number of predictions
    than rows is left to whoever counts them.

    Args:
        predictions: what the model gave: a Series, a data frame or anything else.
        rows: the number of rows of the batch.
        label: how messages name the model.

    Raises:
        ResultInvalidError: the index has other labels than the rows, so that it cannot be known which is for which.
    """
    if not hasattr(predictions, "iloc") or len(predictions) != rows:
        return predictions
    places = _places(predictions.index)
    if places is None:
        raise ResultInvalidError(
            model=label,
            expected="predictions with the index of the rows that they are for, or without one (to_numpy())",
            got=f"the index {_shown(predictions.index)} for rows 0 to {rows - 1}",
        )
    return predictions if _ascends(places) else predictions.iloc[places]


def _places(index: Any) -> Any:
    """Return the place of each row's label in an index, or None if it has not exactly the labels of the rows."""
    import numpy as np

    labels = np.asarray(index)
    if labels.dtype.kind not in "iufO" or not all(isinstance(label, (int, float)) for label in labels.tolist()):
        return None
    places = labels.argsort(kind="stable")
    return places if np.array_equal(labels[places], np.arange(len(labels))) else None


def _ascends(places: Any) -> bool:
    import numpy as np

    return bool(np.array_equal(places, np.arange(len(places))))


def _shown(index: Any) -> str:
    """Return the first labels of an index as text."""
    first = ", ".join(repr(value) for value in index[:5].tolist())
    return f"[{first}, ...]" if len(index) > 5 else f"[{first}]"
