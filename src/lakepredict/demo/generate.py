"""Weekly sales of stores that do not exist, and the calendar that moves them.

The logarithm of a store's sales is the sum of its size, its trend, the season and the holidays (to each of
which the store responds in its own measure), the weather, local unemployment, a promotion now and then, and
noise that lasts for some weeks. Every store and every region has a random stream of its own, drawn week by
week, so a longer table begins with the weeks, and a larger one with the stores, of a shorter or smaller one.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakepredict.demo.sales import WEEKLY_SALES

_Array = npt.NDArray[np.float64]


class _Region(NamedTuple):
    temperature: float  # mean of the year, Fahrenheit
    swing: float  # from the mean of the year to the warmest days, Fahrenheit
    fuel_price: float  # at the start, US dollars a gallon
    cpi: float  # at the start, 1982-84 = 100


_REGIONS = (
    _Region(temperature=64.0, swing=18.0, fuel_price=3.05, cpi=291.0),
    _Region(temperature=51.0, swing=24.0, fuel_price=3.30, cpi=280.0),
    _Region(temperature=54.0, swing=21.0, fuel_price=3.40, cpi=314.0),
    _Region(temperature=72.0, swing=12.0, fuel_price=3.20, cpi=299.0),
    _Region(temperature=61.0, swing=13.0, fuel_price=4.35, cpi=318.0),
)

# What each effect adds to the logarithm of sales in a week where its profile is 1: the mean of all stores.
_EFFECTS = {
    "summer": 0.02,
    "payday": 0.06,
    "january": -0.12,
    "super_bowl": 0.03,
    "labor_day": 0.02,
    "thanksgiving": 0.35,
    "christmas": 0.70,
}
_EFFECT_SPREAD = 0.25  # standard deviation between stores, as a share of the mean
_SIZE = (np.log(0.25e6), np.log(2.2e6))  # the smallest and the largest store, US dollars a week
_TREND, _TREND_SPREAD = 0.01, 0.04  # a year: mean and standard deviation of all stores
_NOISE = (0.03, 0.04)  # standard deviation of the noise of the calmest and the most restless store
_PERSISTENCE = 0.6  # of the noise, from one week to the next
_PROMOTION = 0.13, 0.03  # mean and standard deviation of all promotions
_PROMOTION_ABOVE = 2.05  # of a standard normal draw: one week in fifty
_PER_DEGREE = 0.001  # for each degree Fahrenheit warmer than usual
_PER_POINT = -0.02  # for each percentage point of unemployment above that at the start


def is_holiday_week(week: date) -> bool:
    """Whether the seven days that end on ``week``, that day included, contain one of four holidays.

    These are the Super Bowl (the first Sunday of February up to 2021, the second from 2022 on), Labor Day
    (the first Monday of September), Thanksgiving (the fourth Thursday of November) and Christmas Day. The
    rule holds from 2004 on; before, most Super Bowls were played in January.

    Example:
        >>> is_holiday_week(date(2012, 11, 23)), is_holiday_week(date(2012, 11, 30))
        (True, False)
    """
    return any(0 <= (week - day).days < 7 for day in _holidays(week.year).values())


def generate_weekly_sales(
    *, stores: int = 45, weeks: int = 143, seed: int = 20230203, first_week: date = date(2023, 2, 3)
) -> pa.Table:
    """Weekly sales that resemble those of a US supermarket chain; the same arguments give the same table.

    Args:
        stores: how many stores there are, numbered from 1.
        weeks: how many consecutive weeks each store has.
        seed: of NumPy's PCG64, 0 or more.
        first_week: the last day of the first week; all weeks end on the same day of the week.

    Returns:
        ``stores * weeks`` rows of :data:`~lakepredict.demo.sales.WEEKLY_SALES`, sorted by store and week.

    Raises:
        ValueError: ``stores`` or ``weeks`` is less than 1, or ``seed`` is negative.

    Example:
        >>> generate_weekly_sales(stores=2, weeks=3).column("store").to_pylist()
        [1, 1, 1, 2, 2, 2]
    """
    if stores < 1 or weeks < 1:
        raise ValueError(f"stores and weeks must be at least 1, got stores={stores} and weeks={weeks}")
    calendar = [first_week + timedelta(weeks=index) for index in range(weeks)]
    profiles = _profiles(calendar)
    climates = [_climate(_stream(seed, 0, index), region, calendar) for index, region in enumerate(_REGIONS)]
    tables = [
        _store(store, calendar, profiles, climates[store % len(climates)], _stream(seed, 1, store))
        for store in range(1, stores + 1)
    ]
    return pa.concat_tables(tables).combine_chunks()


def _store(
    store: int, calendar: list[date], profiles: _Array, climate: dict[str, _Array], rng: np.random.Generator
) -> pa.Table:
    size, trend = rng.uniform(*_SIZE), rng.normal(_TREND, _TREND_SPREAD)
    responses = rng.normal(1.0, _EFFECT_SPREAD, len(_EFFECTS)) * list(_EFFECTS.values())
    noise, unemployment, warmer = rng.uniform(*_NOISE), rng.uniform(3.0, 6.5), rng.normal(0.0, 2.0)
    shocks = rng.standard_normal((len(calendar), 4))
    unemployed = unemployment * np.exp(np.cumsum(0.006 * shocks[:, 0]))
    logarithm = (
        size
        + trend * np.arange(len(calendar)) / 52
        + profiles @ responses
        + _PER_DEGREE * climate["anomaly"]
        + _PER_POINT * (unemployed - unemployment)
        + _promotions(shocks[:, 1], shocks[:, 2])
        + noise * _autoregressive(shocks[:, 3], _PERSISTENCE)
    )
    columns = {
        "store": np.full(len(calendar), store),
        "week": calendar,
        "weekly_sales": np.exp(logarithm).round(2),
        "holiday": [is_holiday_week(week) for week in calendar],
        "temperature": (climate["temperature"] + warmer).round(2),
        "fuel_price": climate["fuel_price"].round(3),
        "cpi": climate["cpi"].round(3),
        "unemployment": unemployed.round(3),
    }
    return pa.table(columns, schema=WEEKLY_SALES)


def _climate(rng: np.random.Generator, region: _Region, calendar: list[date]) -> dict[str, _Array]:
    """What the stores of a region share: the weather, the price of fuel and consumer prices."""
    shocks = rng.standard_normal((len(calendar), 3))
    anomaly = 4.0 * _autoregressive(shocks[:, 0], 0.5)
    usual = region.temperature + region.swing * np.array([_summer(week) for week in calendar])
    return {
        "anomaly": anomaly,
        "temperature": usual + anomaly,
        "fuel_price": region.fuel_price * np.exp(np.cumsum(0.012 * shocks[:, 1])),
        "cpi": region.cpi * np.exp(np.cumsum(0.0005 * np.exp(0.4 * shocks[:, 2]))),
    }


def _promotions(chance: _Array, strength: _Array) -> _Array:
    mean, spread = _PROMOTION
    return np.where(chance > _PROMOTION_ABOVE, mean + spread * strength, 0.0)


def _autoregressive(shocks: _Array, persistence: float) -> _Array:
    """A stationary AR(1) series of standard deviation 1, made from standard normal shocks."""
    scale = np.sqrt(1 - persistence**2)
    return np.array(list(accumulate(shocks, lambda last, shock: persistence * last + scale * shock)))


def _profiles(calendar: list[date]) -> _Array:
    """How present each of ``_EFFECTS`` is in each week, as the mean of its days: shape (weeks, effects)."""
    days = np.array([[_profile(week - timedelta(days=back)) for back in range(7)] for week in calendar])
    means: _Array = days.mean(axis=1)
    return means


def _profile(day: date) -> list[float]:
    since = {name: (day - holiday).days for name, holiday in _holidays(day.year).items()}
    profile = {
        "summer": _summer(day),
        "payday": 7 / 5 * (day.day <= 5),
        "january": day.month == 1 or since["christmas"] > 0,
        "super_bowl": 7 / 2 * (since["super_bowl"] in (-1, 0)),
        "labor_day": 7 / 3 * (since["labor_day"] in (-2, -1, 0)),
        "thanksgiving": 7 / 5 * (-3 <= since["thanksgiving"] <= 1),
        "christmas": np.exp((since["christmas"] + 1) / 9) * (-25 < since["christmas"] < 0),
    }
    return [float(profile[name]) for name in _EFFECTS]


def _summer(day: date) -> float:
    """1 on the warmest day of the year, late in July, and -1 half a year away."""
    return float(np.cos(2 * np.pi * (day.timetuple().tm_yday - 205) / 365.25))


@cache
def _holidays(year: int) -> dict[str, date]:
    """The four holidays of a year; no week reaches from one of them into another year."""
    return {
        "super_bowl": _nth_weekday(year, 2, 6, 1 if year <= 2021 else 2),
        "labor_day": _nth_weekday(year, 9, 0, 1),
        "thanksgiving": _nth_weekday(year, 11, 3, 4),
        "christmas": date(year, 12, 25),
    }


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    """The nth Monday (``weekday`` 0) to Sunday (6) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7, weeks=nth - 1)


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
