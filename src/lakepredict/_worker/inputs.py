"""Arrow arrays as models take them: data frame columns and tensors; runs in Python workers, imports pyarrow alone.

Nothing is rounded, wrapped or guessed on the way: what does not fit is an error that shows the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakepredict._worker.clocks import wall_clock

_LAST_MICROSECOND = (2**63 - 1) // 1_000
_FIRST_MICROSECOND = -_LAST_MICROSECOND
"""The range of ``datetime64[ns]`` in microseconds since 1970: 1677-09-21 00:12:43 to 2262-04-11 23:47:16."""


def to_numpy(column: pa.Array, timezone: str, *, nullable: bool = False) -> Any:
    """Return a column as models take it; its NumPy type depends on the Arrow type alone, never on the values.

    Floats have NaN for NULL, objects None, timestamps NaT; timestamps are naive, in ``timezone``, and count
    nanoseconds. Arrays become lists, structs and maps dicts. Integers and booleans have no NULL, unless ``nullable``
    asks for pandas' nullable types, which have one.

    Raises:
        ValueError: a timestamp is out of the range of ``datetime64[ns]``.
    """
    if pa.types.is_nested(column.type):
        return _objects(column, timezone)
    if nullable and (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        return column.to_pandas(types_mapper=_nullable_type)
    if pa.types.is_timestamp(column.type):
        return _moments(column, timezone)
    if pa.types.is_string(column.type):
        return _texts(column)
    return column.to_numpy(zero_copy_only=False)


def _moments(column: pa.Array, timezone: str) -> Any:
    """Return timestamps as ``datetime64[ns]``, on the clocks of ``timezone`` where they are instants.

    Nanoseconds are the unit of MLflow's type ``datetime``: ``mlflow.models.utils._enforce_mlflow_datatype`` gives every
    model its times in them, and pandas before version 3 has trained it on them. A model that counts with times as
    integers would be wrong by a factor of 1,000 in any other unit.
    """
    local = column if column.type.tz is None else wall_clock(column, timezone)
    try:
        return local.cast(pa.timestamp("ns")).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        moments = local.cast(pa.timestamp("us"))
        early = pc.less(moments, pa.scalar(_FIRST_MICROSECOND, moments.type))
        late = pc.greater(moments, pa.scalar(_LAST_MICROSECOND, moments.type))
        lost = moments.filter(pc.or_(early, late))
        raise ValueError(f"{lost[0].as_py()} is outside of the years 1677 to 2262") from None


def _texts(column: pa.Array) -> Any:
    """A column of text as Python objects, one for each distinct text; None for NULL."""
    import numpy as np

    encoded = column.dictionary_encode()
    # The last one, at -1, is None.
    distinct = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return distinct.take(encoded.indices.fill_null(-1).to_numpy())


def to_matrix(columns: Sequence[pa.Array]) -> Any:
    """Columns of numbers side by side, in the type that holds all of them; NULL is NaN, and integers have none.

    The matrix lies in memory column by column, as that of a data frame does.
    """
    import numpy as np

    values = [each.to_numpy(zero_copy_only=False) for each in columns]
    matrix = np.empty((len(values), len(columns[0])), np.result_type(*(each.dtype for each in values)))
    for row, each in zip(matrix, values, strict=True):
        row[:] = each
    return matrix.T


def _nullable_type(kind: pa.DataType) -> Any:
    import pandas as pd

    return pd.BooleanDtype() if pa.types.is_boolean(kind) else getattr(pd, f"{str(kind).capitalize()}Dtype")()


def to_tensor(column: pa.Array, dtype: str, shape: Sequence[int], timezone: str) -> Any:
    """A column as a tensor of ``dtype``: the first dimension is the rows, the others are ``shape``.

    Args:
        column: scalars, or arrays as deep as ``shape`` is long; nothing in it is NULL but what ``dtype`` has a
            missing value for.
        dtype: the NumPy type.
        shape: the size of each dimension of a row; -1 for that of the first row.

    Raises:
        ValueError: an array has another number of values, or a value does not fit ``dtype``.
    """
    import numpy as np

    flat, sizes = flatten(column, shape)
    wanted = np.dtype(dtype)
    if pa.types.is_integer(flat.type) and wanted.kind in "iu":
        flat = flat.cast(pa.from_numpy_dtype(wanted))
    values = to_numpy(flat, timezone)
    with np.errstate(over="ignore"):
        tensor = values.astype(wanted)
    if wanted.kind == "f" and tensor.dtype.itemsize < values.dtype.itemsize:
        lost = values[np.isinf(tensor) & np.isfinite(values)]
        if len(lost):
            raise ValueError(f"{lost[0]} is out of the range of {dtype}")
    return tensor.reshape(len(column), *sizes)


def flatten(column: pa.Array, shape: Sequence[int]) -> tuple[pa.Array, list[int]]:
    """The scalars in a column of arrays, and the size of each dimension of a row.

    Raises:
        ValueError: an array has another number of values than ``shape`` has there.
    """
    sizes = []
    for size in shape:
        if not pa.types.is_list(column.type):
            sizes.append(size)
            continue
        lengths = pc.list_value_length(column)
        wanted = size if size >= 0 or len(lengths) == 0 else lengths[0].as_py()
        other = lengths.filter(pc.not_equal(lengths, wanted))
        if len(other):
            raise ValueError(f"an array has {other[0].as_py()} values where the model takes {wanted}")
        sizes.append(wanted)
        column = column.flatten()
    return column, sizes


def complete(column: pa.Array, *, scalars: bool) -> pa.BooleanArray:
    """Whether each row is there, with each array in it; and each scalar, where ``scalars`` says so."""
    if not pa.types.is_list(column.type):
        return column.is_valid() if scalars else pa.repeat(pa.scalar(True), len(column))
    inner = _none_inside(column, complete(column.flatten(), scalars=scalars))
    return pc.and_(column.is_valid(), inner)


def gapless(column: pa.Array) -> pa.BooleanArray:
    """Whether no integer and no boolean is NULL in a row, nor in the arrays in it; a NULL array is no gap."""
    if pa.types.is_list(column.type):
        return _none_inside(column, gapless(column.flatten()))
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column.is_valid()
    return pa.repeat(pa.scalar(True), len(column))


def _none_inside(column: pa.Array, inner: pa.BooleanArray) -> pa.BooleanArray:
    """Whether each array of a column has nothing in it that ``inner``, which is about their values, says no to."""
    import numpy as np

    gaps = pc.list_parent_indices(column).filter(pc.invert(inner))
    mask = np.ones(len(column), dtype=bool)
    mask[gaps.to_numpy()] = False
    return pa.array(mask)


def _objects(column: pa.Array, timezone: str) -> Any:
    import numpy as np

    values = np.empty(len(column), dtype=object)
    values[:] = _on_clocks(column, timezone).to_pylist(maps_as_pydicts="strict")
    return values


def _on_clocks(column: pa.Array, timezone: str) -> pa.Array:
    """A column with the instants in it, at any depth, as wall-clock times."""
    kind = column.type
    if "tz=" not in str(kind):
        return column
    if pa.types.is_timestamp(kind):
        return wall_clock(column, timezone)
    if pa.types.is_struct(kind):
        parts = [_on_clocks(column.field(position), timezone) for position in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, [field.name for field in kind], mask=column.is_null())
    if pa.types.is_map(kind):
        items = _on_clocks(column.items, timezone)
        kind = pa.map_(kind.key_type, items.type)
        entries = [pa.field("key", kind.key_type, nullable=False), pa.field("value", items.type)]
        inner = pa.StructArray.from_arrays([column.keys, items], fields=entries)
    else:
        inner = _on_clocks(column.values, timezone)
        kind = pa.list_(inner.type)
    return pa.Array.from_buffers(kind, len(column), column.buffers()[:2], offset=column.offset, children=[inner])
