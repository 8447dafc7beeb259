"""Values on their way between Arrow arrays and models; runs in Python workers, imports pyarrow alone.

Nothing is rounded, wrapped or guessed on the way: what does not fit is an error that shows the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?\d{2})?")


@lru_cache(maxsize=64)
def arrow_zone(name: str) -> str:
    """A time zone of ``spark.sql.session.timeZone`` as Arrow knows it: ``+01:00`` for ``GMT+1``."""
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return "UTC" if name in ("Z", "UT", "GMT") else name
    sign, hours, minutes = offset.groups()
    return f"{sign}{int(hours):02}:{minutes or '00'}"


def to_numpy(column: pa.Array, timezone: str) -> Any:
    """A column as models take it; its NumPy type depends on the Arrow type alone, never on the values.

    Floats have NaN for NULL, objects None, timestamps NaT; timestamps are naive, in ``timezone``. Arrays become
    lists, structs and maps dicts.
    """
    if pa.types.is_nested(column.type):
        return _objects(column, timezone)
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column.cast(pa.timestamp("us", arrow_zone(timezone))))
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    return column.to_numpy(zero_copy_only=False)


def to_tensor(column: pa.Array, dtype: str, timezone: str) -> Any:
    """A column as part of a tensor of ``dtype``.

    Raises:
        pyarrow.ArrowInvalid: an integer does not fit.
    """
    import numpy as np

    if pa.types.is_integer(column.type) and np.dtype(dtype).kind in "iu":
        column = column.cast(pa.from_numpy_dtype(dtype))
    return to_numpy(column, timezone).astype(dtype)


def to_matrix(column: pa.Array, dtype: str, width: int | None) -> Any:
    """A column of arrays, none of them NULL, as one tensor of ``dtype`` with a row for each.

    Raises:
        ValueError: the arrays do not all have ``width`` values, or the length of the first one if that is None.
        pyarrow.ArrowInvalid: an integer does not fit.
    """
    import numpy as np

    if pa.types.is_nested(column.type.value_type):
        return np.array(column.to_pylist(), dtype=dtype)
    lengths = pc.list_value_length(column)
    wanted = lengths[0].as_py() if width is None else width
    other = lengths.filter(pc.not_equal(lengths, wanted))
    if len(other):
        raise ValueError(f"an array has {other[0].as_py()} values where the model takes {wanted}")
    flat = column.flatten()
    if flat.null_count and pa.types.is_integer(flat.type):
        raise ValueError("an array of integers has a NULL in it")
    return to_tensor(flat, dtype, "UTC").reshape(len(column), wanted)


def _objects(column: pa.Array, timezone: str) -> Any:
    import numpy as np

    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist(maps_as_pydicts="strict")
    if "timestamp" in str(column.type):
        values[:] = [_localised(value, timezone) for value in values]
    return values


def _localised(value: Any, timezone: str) -> Any:
    """A nested value with its timestamps as wall-clock times."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        scalar = pa.array([value], pa.timestamp("us", "UTC"))
        return to_numpy(scalar, timezone)[0].item()
    if isinstance(value, list):
        return [_localised(each, timezone) for each in value]
    if isinstance(value, dict):
        return {key: _localised(each, timezone) for key, each in value.items()}
    return value


def to_arrow(predictions: Any, kind: pa.DataType, rows: int, timezone: str, label: str) -> pa.Array:
    """A model's output as an Arrow array of exactly ``kind``.

    Raises:
        ValueError: the number of rows or columns is wrong, or a value does not fit.
    """
    if pa.types.is_struct(kind):
        fields = list(kind)
        columns = _columns(predictions, fields, label)
        arrays = [
            to_arrow(column, field.type, rows, timezone, label) for column, field in zip(columns, fields, strict=True)
        ]
        return pa.StructArray.from_arrays(arrays, fields=fields)
    values = _single(predictions, label)
    if len(values) != rows:
        raise ValueError(f"[PREDICT_RESULT_INVALID] {label} gave {len(values)} predictions for {rows} rows.")
    try:
        return _array(values, kind, timezone)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as exc:
        raise ValueError(
            f"[PREDICT_RESULT_INVALID] {label} gave a value that does not fit its result type {kind}: {exc}"
        ) from exc


def _columns(predictions: Any, fields: Sequence[pa.Field], label: str) -> list[Any]:
    """The outputs of a model that has several: by name where it names them, else by position."""
    names = [field.name for field in fields]
    if isinstance(predictions, dict) or hasattr(predictions, "columns"):
        given = [str(name) for name in (predictions if isinstance(predictions, dict) else predictions.columns)]
        if set(names) <= set(given):
            return [predictions[name] for name in names]
    else:
        given = [str(position) for position in range(_width(predictions))]
    if len(given) != len(names):
        raise ValueError(
            f"[PREDICT_RESULT_INVALID] {label} gave {len(given)} columns ({', '.join(given)}) where its"
            f" signature has {len(names)} ({', '.join(names)})."
        )
    if hasattr(predictions, "iloc"):
        return [predictions.iloc[:, position] for position in range(len(names))]
    if isinstance(predictions, dict):
        return list(predictions.values())
    return [predictions[:, position] for position in range(len(names))]


def _width(predictions: Any) -> int:
    shape: tuple[int, ...] = getattr(predictions, "shape", ())
    return shape[1] if len(shape) == 2 else 1


def _single(predictions: Any, label: str) -> Any:
    """The one output of a model, freed from the frame, the dict or the (n, 1) matrix around it."""
    if isinstance(predictions, dict) or hasattr(predictions, "columns"):
        names = list(predictions if isinstance(predictions, dict) else predictions.columns)
        if len(names) != 1:
            raise ValueError(
                f"[PREDICT_RESULT_INVALID] {label} gave {len(names)} columns"
                f" ({', '.join(map(str, names))}) where its signature has one."
            )
        return _single(predictions[names[0]], label)
    if not hasattr(predictions, "__len__") or getattr(predictions, "ndim", 1) == 0:
        raise ValueError(
            f"[PREDICT_RESULT_INVALID] {label} gave {predictions!r} where there is one value for each row."
        )
    return predictions


def _array(values: Any, kind: pa.DataType, timezone: str) -> pa.Array:
    if _is_extension(values):
        return _fit(pa.array(values, from_pandas=True), kind, timezone)
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if pa.types.is_nested(kind):
        return _nested(values, kind, timezone)
    if getattr(values, "ndim", 1) == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if getattr(values, "ndim", 1) > 1:
        values = values.tolist()
    return _fit(pa.array(values), kind, timezone)


def _is_extension(values: Any) -> bool:
    """Whether it is a pandas series of a type that NumPy does not have: nullable, with a time zone, categories."""
    dtype = getattr(values, "dtype", None)
    return hasattr(values, "array") and not hasattr(dtype, "newbyteorder")


def _nested(values: Any, kind: pa.DataType, timezone: str) -> pa.Array:
    """Arrays, structs and maps, part by part, so that each scalar in them is held to its type."""
    rows = list(values)
    missing = pa.array([row is None for row in rows], pa.bool_())
    scalar = next((row for row in rows if row is not None and not hasattr(row, "__len__")), None)
    if scalar is not None:
        raise pa.ArrowInvalid(f"{scalar!r} is of type {type(scalar).__name__}")
    if pa.types.is_struct(kind):
        parts = [_array([_member(row, field) for row in rows], field.type, timezone) for field in kind]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=missing)
    sizes = pa.array([0] + [0 if row is None else len(row) for row in rows], pa.int32())
    offsets = pc.cumulative_sum(sizes)
    if pa.types.is_map(kind):
        keys = _array([key for row in rows for key in row or ()], kind.key_type, timezone)
        items = _array([item for row in rows for item in (row or {}).values()], kind.item_type, timezone)
        return pa.MapArray.from_arrays(offsets, keys, items, type=kind, mask=missing)
    flat = [item for row in rows if row is not None for item in row]
    return pa.ListArray.from_arrays(offsets, _array(flat, kind.value_type, timezone), type=kind, mask=missing)


def _member(row: Any, field: pa.Field) -> Any:
    if row is None:
        return None
    if field.name not in row:
        raise pa.ArrowInvalid(f"{row!r} has no field '{field.name}'")
    return row[field.name]


def _fit(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    """An array of whatever type the values have as one of ``kind``, where each value has an equal in it."""
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pa.types.is_null(found.type) or found.type == kind:
        return found.cast(kind)
    for accepts, convert in _CONVERSIONS:
        if accepts(kind):
            return convert(found, kind, timezone)
    raise pa.ArrowNotImplementedError(f"values of type {found.type}")


def _refuse(found: pa.Array) -> pa.Array:
    first = next((value for value in found.to_pylist() if value is not None), None)
    raise pa.ArrowInvalid(f"{first!r} is of type {found.type}")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _fit_boolean(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    if not _is_number(found.type):
        return _refuse(found)
    zero, one = pa.scalar(0).cast(found.type), pa.scalar(1).cast(found.type)
    odd = found.filter(pc.invert(pc.or_(pc.equal(found, zero), pc.equal(found, one))))
    if len(odd):
        raise pa.ArrowInvalid(f"{odd[0].as_py()!r} is neither 0 nor 1")
    return pc.equal(found, one)


def _fit_number(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    if pa.types.is_boolean(found.type):
        return found.cast(pa.int8()).cast(kind)
    if not _is_number(found.type):
        return _refuse(found)
    fitted = found.cast(kind)
    if pa.types.is_floating(kind) and pa.types.is_floating(found.type):
        lost = found.filter(pc.and_(pc.is_inf(fitted), pc.is_finite(found)))
        if len(lost):
            raise pa.ArrowInvalid(f"{lost[0].as_py()!r} is out of range")
    return fitted


def _fit_timestamp(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    """Naive times are the session's wall clock; one that a clock change repeats is the earlier of the two."""
    if pa.types.is_date(found.type):
        found = found.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(found.type):
        return _refuse(found)
    if found.type.tz is None and kind.tz is not None:
        found = pc.assume_timezone(
            found.cast(pa.timestamp("us")), arrow_zone(timezone), ambiguous="earliest", nonexistent="latest"
        )
    return found.cast(kind)


def _fit_date(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    if not (pa.types.is_date(found.type) or pa.types.is_timestamp(found.type)):
        return _refuse(found)
    return found.cast(kind)


def _fit_text(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    text = (pa.types.is_string(found.type), pa.types.is_large_string(found.type))
    data = (pa.types.is_binary(found.type), pa.types.is_large_binary(found.type))
    return found.cast(kind) if any(text if pa.types.is_string(kind) else data) else _refuse(found)


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, pa.DataType, str], pa.Array]], ...] = (
    (pa.types.is_boolean, _fit_boolean),
    (_is_number, _fit_number),
    (pa.types.is_timestamp, _fit_timestamp),
    (pa.types.is_date, _fit_date),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_binary(kind), _fit_text),
)
"""Which result types take which conversion."""
