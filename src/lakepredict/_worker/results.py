"""What models give, as Arrow arrays of the result's type; runs in Python workers, imports pyarrow alone.

Nothing is rounded, wrapped or guessed on the way: what does not fit is an error that shows the value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakepredict._worker.clocks import instants
from lakepredict._worker.row_order import in_row_order
from lakepredict.errors import PredictionsMissingError, ResultInvalidError

OPTIONAL = {b"optional": b"true"}
"""The metadata of an Arrow field that a model may leave out; it is NULL then."""


def to_probabilities(found: Any, labels: pa.Array, kind: pa.DataType, rows: int, label: str) -> pa.Array:
    """Return a matrix of probabilities, a row for each row and a column for each label, as maps from label to DOUBLE.

    Raises:
        ResultInvalidError: the matrix has another shape, or an index of other rows.
    """
    import numpy as np

    matrix = np.asarray(in_row_order(found, rows, label), dtype="float64")
    if matrix.shape != (rows, len(labels)):
        raise ResultInvalidError(
            model=label,
            expected=f"{len(labels)} probabilities for each of {rows} rows",
            got=f"an array of shape {matrix.shape}",
        )
    offsets = pa.array(np.arange(rows + 1) * len(labels), pa.int32())
    keys = labels.take(pa.array(np.tile(np.arange(len(labels)), rows)))
    return pa.MapArray.from_arrays(offsets, keys, pa.array(matrix.reshape(-1)), type=kind)


def to_arrow(
    predictions: Any,
    kind: pa.DataType,
    rows: int,
    timezone: str,
    label: str,
    shapes: Sequence[Sequence[int]] = (),
    name: str | None = None,
) -> pa.Array:
    """Return a model's output as an Arrow array of exactly ``kind``, in the order of the rows.

    Several outputs, which are a struct, may come column by column (a data frame, a dict of columns, a matrix) or
    row by row (a list of dicts, or of lists and tuples in the order of the signature).

    Args:
        predictions: what the model gave.
        kind: the type of the result.
        rows: how many predictions there must be.
        timezone: the session's time zone.
        label: how messages name the model.
        shapes: for each output that is a tensor, the size of each dimension of a row; -1 where it is not fixed.
        name: the name of the single output, which may have other columns beside it; or None.

    Raises:
        PredictionsMissingError: there are too few.
        ResultInvalidError: the number of rows or columns is wrong, a pandas index is of other rows, or a value does
            not fit.
    """
    if hasattr(predictions, "toarray"):
        predictions = predictions.toarray()
    predictions = in_row_order(predictions, rows, label)
    columns = _columns(predictions, list(kind), label) if pa.types.is_struct(kind) else None
    if columns is None:
        found = _output(_single(predictions, name), kind, rows, timezone, label, "")
    else:
        arrays = [
            pa.nulls(rows, field.type)
            if column is None
            else _output(column, field.type, rows, timezone, label, f" of `{field.name}`")
            for column, field in zip(columns, kind, strict=True)
        ]
        found = pa.StructArray.from_arrays(arrays, fields=list(kind))
    for position, shape in enumerate(shapes):
        several = pa.types.is_struct(kind)
        part, of = (found.field(position), f" of `{kind[position].name}`") if several else (found, "")
        _check_sizes(part, shape, label, of)
    return found


def _check_sizes(found: pa.Array, shape: Sequence[int], label: str, of: str) -> None:
    """Refuse arrays of other sizes than the signature says."""
    for size in shape:
        if not pa.types.is_list(found.type):
            return
        lengths = pc.list_value_length(found)
        other = lengths.filter(pc.not_equal(lengths, size))
        if size >= 0 and len(other):
            raise ResultInvalidError(
                model=label, expected=f"arrays{of} with {size} values", got=f"one with {other[0].as_py()}"
            )
        found = found.flatten()


def sql_name(kind: pa.DataType) -> str:
    """A result type as SQL has it."""
    if pa.types.is_list(kind):
        return f"ARRAY<{sql_name(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"MAP<{sql_name(kind.key_type)}, {sql_name(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"STRUCT<{', '.join(f'{field.name}: {sql_name(field.type)}' for field in kind)}>"
    return "TIMESTAMP" if pa.types.is_timestamp(kind) else _SQL_NAMES.get(kind, str(kind).upper())


_SQL_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
}


def _columns(predictions: Any, fields: Sequence[pa.Field], label: str) -> list[Any] | None:
    """The columns of several outputs: by name where the model names them, else by position; None if it gives rows.

    A column never takes another's place: where one of its names is known, all have to be, but for optional outputs,
    which are None here if they are not there. In a tuple, columns cannot be told from rows.
    """
    names = [field.name for field in fields]
    wanted = [f"{field.name} {sql_name(field.type)}" for field in fields]
    if isinstance(predictions, tuple):
        expected = f"{_counted(wanted, 'column')} in a data frame, a dict or a matrix, or a list of rows"
        raise ResultInvalidError(model=label, expected=expected, got=_shown(predictions))
    if _has_names(predictions):
        given = [str(name) for name in _names(predictions)]
        known = set(names) & set(given)
        needed = {field.name for field in fields if not _is_optional(field)}
        # One column that is not all of them may have the structs themselves in it.
        if len(given) == 1 and not (known and needed <= known):
            return None
        if known and needed <= known:
            return [_column_at(predictions, given.index(name)) if name in known else None for name in names]
        fits = not known and len(given) == len(names)
    else:
        shape: tuple[int, ...] = getattr(predictions, "shape", ())
        if len(shape) != 2 and (len(shape) != 1 or predictions.dtype.kind == "O"):
            return None
        given = [str(position) for position in range(shape[1] if len(shape) == 2 else 1)]
        fits = len(given) == len(names)
    if not fits:
        raise _wrong_columns(given, wanted, label)
    return [_column_at(predictions, position) for position in range(len(names))]


def _is_optional(field: pa.Field) -> bool:
    return field.metadata is not None and OPTIONAL.items() <= field.metadata.items()


def _has_names(predictions: Any) -> bool:
    """Whether it is a data frame, a dict of columns or an array of records."""
    return isinstance(predictions, dict) or hasattr(predictions, "columns") or _names(predictions) is not None


def _names(predictions: Any) -> Any:
    if isinstance(predictions, dict):
        return list(predictions)
    return getattr(predictions, "columns", getattr(getattr(predictions, "dtype", None), "names", None))


def _column_at(predictions: Any, position: int) -> Any:
    if isinstance(predictions, dict):
        return list(predictions.values())[position]
    if hasattr(predictions, "iloc"):
        return predictions.iloc[:, position]
    return predictions[predictions.dtype.names[position]] if predictions.dtype.names else predictions[:, position]


def _wrong_columns(given: Sequence[str], wanted: Sequence[str], label: str) -> ResultInvalidError:
    return ResultInvalidError(model=label, expected=_counted(wanted, "column"), got=_counted(given, "column"))


def _counted(names: Sequence[str], noun: str) -> str:
    listed = f" ({', '.join(names)})" if names else ""
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}{listed}"


def _single(predictions: Any, name: str | None) -> Any:
    """The single output where the model gives other columns beside it: by name, or a matrix in a numbered frame."""
    if not _has_names(predictions) or len(_names(predictions)) == 1:
        return predictions
    given = list(_names(predictions))
    if name is not None and given.count(name) == 1:
        return _column_at(predictions, given.index(name))
    numbered = hasattr(predictions, "columns") and given == list(range(len(given)))
    return predictions.to_numpy() if numbered else predictions


def _output(predictions: Any, kind: pa.DataType, rows: int, timezone: str, label: str, of: str) -> pa.Array:
    """One output, freed from the frame, the dict or the (n, 1) matrix around it; ``of`` says which, in messages."""
    if _has_names(predictions):
        given = [str(name) for name in _names(predictions)]
        if len(given) != 1:
            raise _wrong_columns(given, [sql_name(kind)], label)
        return _output(_column_at(predictions, 0), kind, rows, timezone, label, of)
    unordered = isinstance(predictions, (str, bytes, set, frozenset))
    if unordered or not hasattr(predictions, "__len__") or getattr(predictions, "ndim", 1) == 0:
        raise ResultInvalidError(
            model=label, expected=f"a column of {rows} predictions{of}", got=_shown(predictions) or "nothing"
        )
    if len(predictions) != rows:
        error = PredictionsMissingError if len(predictions) < rows else ResultInvalidError
        expected = f"{_predictions(rows)}{of}, one for each row"
        raise error(model=label, expected=expected, got=_predictions(len(predictions)))
    predictions = in_row_order(predictions, rows, label)
    width = predictions.shape[1] if getattr(predictions, "ndim", 1) == 2 else 1
    if width != 1 and not pa.types.is_nested(kind):
        raise _wrong_columns([str(position) for position in range(width)], [sql_name(kind)], label)
    if width == 1 and not pa.types.is_nested(kind) and getattr(predictions, "ndim", 1) == 2:
        predictions = predictions[:, 0]
    try:
        return _array(predictions, kind, timezone)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as exc:
        raise ResultInvalidError(model=label, expected=f"values{of} of type {sql_name(kind)}", got=str(exc)) from exc


def _predictions(count: int) -> str:
    return f"{count} prediction{'' if count == 1 else 's'}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _array(values: Any, kind: pa.DataType, timezone: str) -> pa.Array:
    if pa.types.is_nested(kind):
        return _nested(values, kind, timezone)
    if _is_extension(values):
        return _fit(pa.array(values, from_pandas=True), kind, timezone)
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    dtype = getattr(values, "dtype", None)
    if dtype is None or dtype.kind == "O":
        return _array_of_objects(list(values), kind, timezone)
    if len(values) and (values.ndim > 1 or dtype.kind not in "biufMUS"):
        raise _misfit(values[0])
    if dtype.kind == "M":
        values = _in_arrow_unit(values)
    return _fit(pa.array(values), kind, timezone)


def _is_extension(values: Any) -> bool:
    """Whether it is a pandas series of a type that NumPy does not have: nullable, with a time zone, categories."""
    dtype = getattr(values, "dtype", None)
    return hasattr(values, "array") and not hasattr(dtype, "newbyteorder")


def _in_arrow_unit(values: Any) -> Any:
    import numpy as np

    known = np.datetime_data(values.dtype)[0] in ("D", "s", "ms", "us", "ns")
    return values if known else values.astype("datetime64[s]")


def _array_of_objects(values: list[Any], kind: pa.DataType, timezone: str) -> pa.Array:
    """Python objects and NumPy scalars. What is missing is NULL; NaN is missing where it is no number."""
    if pa.types.is_timestamp(kind):
        return _moments(values, kind, timezone)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        values = [None if _is_missing(value) else value for value in values]
        other = next((value for value in values if not isinstance(value, (str, bytes, bytearray, type(None)))), None)
        if other is not None:
            raise _misfit(other)
        return _fit(pa.array(values), kind, timezone)
    values = [_plain(value) for value in values]
    try:
        return _fit(pa.array(values), kind, timezone)
    except OverflowError:
        numbers: list[Any] = [value for value in values if isinstance(value, (int, Decimal))]
        raise pa.ArrowInvalid(f"{max(numbers, key=abs)} is out of range") from None


def _plain(value: Any) -> Any:
    """A value without NumPy's types, which Arrow does not mix, and without pandas' NA, which it does not know."""
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    return None if type(value).__name__ == "NAType" else value


def _is_missing(value: Any) -> bool:
    import numpy as np

    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.generic)) and bool(value != value)


def _moments(values: list[Any], kind: pa.DataType, timezone: str) -> pa.Array:
    """Dates and times, each sort on its own: Arrow takes all of them for what the first one is."""
    sorts: dict[Any, list[int]] = {}
    for position, value in enumerate(values):
        sorts.setdefault(_sort(value), []).append(position)
    if not sorts:
        return pa.nulls(0, kind)
    parts = [_fit(_of_one_sort([values[each] for each in places]), kind, timezone) for places in sorts.values()]
    places = pa.array([place for places in sorts.values() for place in places])
    return pa.concat_arrays(parts).take(pc.sort_indices(places))


def _sort(value: Any) -> Any:
    if _is_missing(value):
        return None
    if isinstance(value, datetime):
        return "without a zone" if value.tzinfo is None else "with a zone"
    return getattr(value, "dtype", type(value))


def _of_one_sort(values: list[Any]) -> pa.Array:
    import numpy as np

    if _is_missing(values[0]):
        return pa.nulls(len(values))
    if isinstance(values[0], np.datetime64):
        return pa.array(_in_arrow_unit(np.array(values)))
    return pa.array(values)


def _nested(values: Any, kind: pa.DataType, timezone: str) -> pa.Array:
    """Arrays, structs and maps, part by part, so that each scalar in them is held to its type."""
    if pa.types.is_list(kind) and getattr(values, "ndim", 1) > 1:
        return _tensor(values, kind, timezone)
    rows = [None if _is_missing(row) else row for row in values]
    missing = pa.array([row is None for row in rows], pa.bool_())
    taken = _TAKEN["map" if pa.types.is_map(kind) else "struct" if pa.types.is_struct(kind) else "list"]
    other = next((row for row in rows if row is not None and not taken(row)), None)
    if other is not None:
        raise _misfit(other)
    if pa.types.is_struct(kind):
        fields = list(kind)
        parts = [
            _array([_member(row, position, fields) for row in rows], field.type, timezone)
            for position, field in enumerate(fields)
        ]
        return pa.StructArray.from_arrays(parts, fields=fields, mask=missing)
    sizes = pa.array([0] + [0 if row is None else len(row) for row in rows], pa.int32())
    offsets = pc.cumulative_sum(sizes)
    present = [row for row in rows if row is not None]
    if pa.types.is_map(kind):
        keys = _array([key for row in present for key in row], kind.key_type, timezone)
        items = _array([item for row in present for item in row.values()], kind.item_type, timezone)
        return pa.MapArray.from_arrays(offsets, keys, items, type=kind, mask=missing)
    flat = [item for row in present for item in row]
    return pa.ListArray.from_arrays(offsets, _array(flat, kind.value_type, timezone), type=kind, mask=missing)


def _tensor(values: Any, kind: pa.DataType, timezone: str) -> pa.Array:
    import numpy as np

    rows, width = values.shape[:2]
    flat = values.reshape(rows * width, *values.shape[2:])
    offsets = pa.array(np.arange(rows + 1, dtype="int32") * width)
    return pa.ListArray.from_arrays(offsets, _array(flat, kind.value_type, timezone), type=kind)


def _is_sequence(row: Any) -> bool:
    return isinstance(row, (list, tuple)) or getattr(row, "ndim", 0) > 0


_TAKEN: dict[str, Callable[[Any], bool]] = {
    "list": _is_sequence,
    "struct": lambda row: isinstance(row, (dict, list, tuple)),
    "map": lambda row: isinstance(row, dict),
}
"""Which Python objects are an array, a struct and a map; text is no array of letters, a dict none of its keys."""


def _member(row: Any, position: int, fields: Sequence[pa.Field]) -> Any:
    """A field of a struct: by name in a dict, else by position."""
    if row is None:
        return None
    if isinstance(row, dict):
        if fields[position].name not in row and not _is_optional(fields[position]):
            raise pa.ArrowInvalid(f"{_shown(row)} has no `{fields[position].name}`")
        return row.get(fields[position].name)
    if len(row) != len(fields):
        raise pa.ArrowInvalid(f"{_shown(row)} has {len(row)} values, not {len(fields)}")
    return row[position]


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


def _misfit(value: Any) -> pa.ArrowInvalid:
    return pa.ArrowInvalid(f"{_shown(value)} is of type {type(value).__name__}")


def _refuse(found: pa.Array) -> pa.Array:
    first = next((value for value in found.to_pylist() if not _is_missing(value)), None)
    raise pa.ArrowInvalid(f"{_shown(first)} is of type {found.type}")


def _without_nan(found: pa.Array) -> pa.Array:
    """Numbers that are all NaN, which is what pandas makes of a column that has nothing, as NULL."""
    floating = pa.types.is_floating(found.type)
    return pa.nulls(len(found)) if floating and pc.all(pc.is_nan(found)).as_py() is not False else found


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _fit_boolean(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    if not (pa.types.is_integer(found.type) or pa.types.is_floating(found.type)):
        return _refuse(found)
    numbers = found.cast(pa.float64(), safe=False)
    odd = found.filter(pc.invert(pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, 1.0))))
    if len(odd):
        raise pa.ArrowInvalid(f"{odd[0].as_py()!r} is neither 0 nor 1")
    return pc.equal(numbers, 1.0)


def _fit_number(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    if pa.types.is_boolean(found.type):
        return found.cast(pa.int8()).cast(kind)
    if not _is_number(found.type):
        return _refuse(found)
    if pa.types.is_decimal(found.type) and pa.types.is_integer(kind):
        found = _whole(found)
    fitted = found.cast(kind)
    if pa.types.is_floating(kind):
        wide = found.cast(pa.float64()) if pa.types.is_floating(found.type) else found
        finite = pc.is_finite(wide) if pa.types.is_floating(found.type) else wide.is_valid()
        lost = wide.filter(pc.and_(pc.is_inf(fitted), finite))
        if len(lost):
            raise pa.ArrowInvalid(f"{lost[0].as_py()!r} is out of range")
    return fitted


def _whole(found: pa.Array) -> pa.Array:
    values = found.to_pylist()
    other = next((value for value in values if value is not None and value != int(value)), None)
    if other is not None:
        raise pa.ArrowInvalid(f"{other} has a fraction")
    return pa.array([None if value is None else int(value) for value in values], pa.int64())


def _fit_timestamp(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    found = _without_nan(found)
    if pa.types.is_null(found.type):
        return found.cast(kind)
    if pa.types.is_date(found.type):
        found = found.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(found.type):
        return _refuse(found)
    if found.type.unit == "ns":
        # Models count in nanoseconds, and SQL has microseconds.
        found = pc.floor_temporal(found, unit="microsecond").cast(pa.timestamp("us", found.type.tz))
    if found.type.tz is None and kind.tz is not None:
        found = instants(found.cast(pa.timestamp("us")), timezone)
    return found.cast(kind)


def _fit_text(found: pa.Array, kind: pa.DataType, timezone: str) -> pa.Array:
    found = _without_nan(found)
    text = (pa.types.is_string(found.type), pa.types.is_large_string(found.type))
    data = (pa.types.is_binary(found.type), pa.types.is_large_binary(found.type))
    fits = pa.types.is_null(found.type) or any(text if pa.types.is_string(kind) else data)
    return found.cast(kind) if fits else _refuse(found)


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, pa.DataType, str], pa.Array]], ...] = (
    (pa.types.is_boolean, _fit_boolean),
    (_is_number, _fit_number),
    (pa.types.is_timestamp, _fit_timestamp),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_binary(kind), _fit_text),
)
"""Which result types take which conversion."""
