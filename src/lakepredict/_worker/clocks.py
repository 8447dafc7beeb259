"""Instants and wall-clock times of a time zone, exact from the year 1 to 9999; runs in Python workers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from datetime import timezone as fixed
from functools import lru_cache
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

_OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?\d{2})?")

_CYCLE = 146_097 * 86_400_000_000
"""Microseconds after which the calendar repeats itself: 400 years."""

_YEAR_9999 = 253_370_764_800_000_000
"""The last year that Python knows, in microseconds since 1970."""

_UNKNOWN_FROM = 2_114_380_800_000_000
"""The year 2037 in microseconds since 1970: Arrow knows no change of clocks after it."""


@lru_cache(maxsize=64)
def arrow_zone(name: str) -> str:
    """A time zone of ``spark.sql.session.timeZone`` as Arrow knows it: ``+01:00`` for ``GMT+1``."""
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return "UTC" if name in ("Z", "UT", "GMT") else name
    sign, hours, minutes = offset.groups()
    return f"{sign}{int(hours):02}:{minutes or '00'}"


def wall_clock(column: pa.Array, timezone: str) -> pa.Array:
    """Instants as times of a time zone's clocks, without a zone."""
    zone = arrow_zone(timezone)
    found = pc.local_timestamp(column.cast(pa.timestamp("us", zone)))
    times = column.cast(pa.int64())
    return _corrected(found, times, pc.greater_equal(times, _UNKNOWN_FROM), zone, 1)


def instants(column: pa.Array, timezone: str) -> pa.Array:
    """Times of a time zone's clocks as instants.

    As in Spark, one that a clock change repeats is the earlier of the two, and one that it leaves out is as much
    later as the clocks are put forward.
    """
    zone = arrow_zone(timezone)
    found = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="latest")
    times = column.cast(pa.int64())
    doubtful = pc.or_(pc.greater_equal(times, _UNKNOWN_FROM), pc.not_equal(pc.local_timestamp(found), column))
    return _corrected(found.cast(pa.timestamp("us", "UTC")), times, doubtful, zone, -1)


def _corrected(found: pa.Array, times: pa.Array, doubtful: pa.Array, zone: str, sign: int) -> pa.Array:
    """``found``, but ``times`` plus or minus the offset that Python knows where it is ``doubtful``."""
    if zone[0] in "+-" or not pc.any(doubtful).as_py():
        return found
    doubtful = pc.fill_null(doubtful, False)
    known = [time + sign * _offset(time, zone, sign) for time in times.filter(doubtful).to_pylist()]
    return pc.replace_with_mask(found, doubtful, pa.array(known, pa.int64()).cast(found.type))


def _offset(time: int, zone: str, sign: int) -> int:
    """How far clocks are ahead of UTC, in microseconds, at an instant or (-1) when they show ``time``."""
    if time >= _YEAR_9999:
        time = (time - _YEAR_9999) % _CYCLE + _YEAR_9999 - _CYCLE
    moment = datetime(1970, 1, 1, tzinfo=fixed.utc) + timedelta(microseconds=time)
    shown = moment.astimezone(ZoneInfo(zone)) if sign > 0 else moment.replace(tzinfo=ZoneInfo(zone))
    return (shown.utcoffset() or timedelta()) // timedelta(microseconds=1)
