"""MLflow's bar of downloaded files, which has no place in the output of a query."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_SWITCH = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
_lock = Lock()
_inside = 0


@contextmanager
def without_progress_bar() -> Iterator[None]:
    """Downloads without MLflow's progress bar, unless the environment asks for it.

    MLflow knows no other switch than the environment's, which is the process's: it is put back when the last of
    several threads has left.
    """
    global _inside
    with _lock:
        ours = bool(_inside) or _SWITCH not in os.environ
        if ours:
            _inside += 1
            os.environ[_SWITCH] = "false"
    try:
        yield
    finally:
        if ours:
            with _lock:
                _inside -= 1
                if not _inside:
                    os.environ.pop(_SWITCH, None)
