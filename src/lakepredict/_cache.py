"""A bounded cache whose values are made once, also where many threads ask at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Values by key; the least recently used goes first.

    Making a value does not keep other keys waiting. What fails is not kept, and fails for all who waited for it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, Future[V]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """What is kept under ``key``, made by ``make`` if there is nothing."""
        with self._lock:
            value = self._values.get(key)
            mine = value is None
            if value is None:
                value = self._values[key] = Future()
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        if mine:
            self._make(key, value, make)
        return value.result()

    def _make(self, key: Hashable, value: Future[V], make: Callable[[], V]) -> None:
        try:
            value.set_result(make())
        except BaseException as exc:
            value.set_exception(exc)
            with self._lock:
                if self._values.get(key) is value:
                    del self._values[key]
