"""MLflow's progress bar is off for the time of a download alone."""

from __future__ import annotations

import os
from threading import Barrier, Thread

import pytest

from lakepredict._progress_bar import without_progress_bar

SWITCH = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


def test_off_inside_and_as_before_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has the switch as long as the download lasts, also where it fails."""
    monkeypatch.delenv(SWITCH, raising=False)
    seen = []

    def download() -> None:
        with without_progress_bar():
            seen.append(os.environ[SWITCH])
            raise OSError("no such store")

    with pytest.raises(OSError, match="no such store"):
        download()

    assert seen == ["false"]
    assert SWITCH not in os.environ


@pytest.mark.parametrize("asked", ["true", "false"])
def test_what_the_environment_asks_for_stays(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """Who wants the bar has it."""
    monkeypatch.setenv(SWITCH, asked)

    with without_progress_bar():
        assert os.environ[SWITCH] == asked

    assert os.environ[SWITCH] == asked


def test_the_last_of_several_threads_puts_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads overlap."""
    monkeypatch.delenv(SWITCH, raising=False)
    inside, one_has_left = Barrier(2), Barrier(2)
    seen = []

    def long() -> None:
        with without_progress_bar():
            inside.wait(10)
            one_has_left.wait(10)
            seen.append(os.environ.get(SWITCH))

    thread = Thread(target=long)
    thread.start()
    with without_progress_bar():
        inside.wait(10)
    one_has_left.wait(10)
    thread.join()

    assert seen == ["false"]
    assert SWITCH not in os.environ
