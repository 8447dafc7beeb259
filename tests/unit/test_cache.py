"""The cache of what bound calls have in common."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from lakepredict._cache import Cache


def test_value_is_made_once() -> None:
    """A value that is asked for by many threads at once is made by one of them, and is the same for all."""
    cache: Cache[object] = Cache(4)
    made = []
    barrier = Barrier(8)

    def make() -> object:
        """Note that a value is made."""
        made.append(1)
        return object()

    def ask(_: int) -> object:
        """Ask at the same time as the others."""
        barrier.wait()
        return cache.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, range(8)))

    assert (len(found), len(made)) == (1, 1)


def test_least_recently_used_goes_first() -> None:
    """A full cache forgets what was not used for longest."""
    cache: Cache[str] = Cache(2)
    for key in ("a", "b", "a", "c"):
        cache.get(key, lambda key=key: f"first {key}")

    assert [cache.get(key, lambda: "second") for key in ("a", "c", "b")] == ["first a", "first c", "second"]


def test_failure_is_not_kept() -> None:
    """What could not be made is tried again the next time."""
    cache: Cache[int] = Cache(2)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 // 0)

    assert cache.get("key", lambda: 1) == 1


def test_slow_value_keeps_no_other_waiting() -> None:
    """While one value is made, another one can be had."""
    cache: Cache[str] = Cache(2)
    release = Event()

    def slow() -> str:
        """Wait until the other value was had."""
        assert release.wait(10)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get, "slow", slow)
        found = cache.get("quick", lambda: "quick")
        release.set()

    assert (found, waiting.result()) == ("quick", "slow")
