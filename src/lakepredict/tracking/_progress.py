"""What a training run tells on the console: a line that moves while a step runs, and one that stays when it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter

from pyspark import StatusTracker
from rich.console import Console

_EVERY = 0.5
"""Seconds between two looks at what Spark does."""


class Progress:
    """Tells the steps of a run.

    Args:
        console: where they are told; False for nowhere, True for standard error.
        tracker: what knows of Spark's stages.
    """

    def __init__(self, console: Console | bool, tracker: StatusTracker) -> None:
        self._console = console if isinstance(console, Console) else Console(stderr=True, quiet=not console)
        self._tracker = tracker

    @contextmanager
    def step(self, title: str, detail: Callable[[], str] = lambda: "") -> Iterator[None]:
        """Show a step while the body runs, and its seconds when it is done.

        Args:
            title: what is done.
            detail: how far it is; asked for twice a second, from another thread, and at the end.
        """
        begun = perf_counter()
        if self._console.quiet:
            yield
            return
        if self._console.is_terminal or self._console.is_jupyter:
            status = self._console.status(f"{title} ...")
            with status, _repeated(lambda: status.update(self._line(title, detail(), perf_counter() - begun))):
                yield
        else:
            yield
        self.say(f"[green]✓[/green] {title}{_with_comma(detail())}  [dim]{perf_counter() - begun:.1f} s[/dim]")

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line, highlight=False, soft_wrap=True)

    def _line(self, title: str, detail: str, seconds: float) -> str:
        stages = [self._tracker.getStageInfo(each) for each in self._tracker.getActiveStageIds()]
        known = [each for each in stages if each is not None]
        tasks = f"{sum(each.numCompletedTasks for each in known)} of {sum(each.numTasks for each in known)} tasks"
        return f"{title}{_with_comma(detail)}{_with_comma(tasks if known else '')}, {seconds:.0f} s"


def _with_comma(text: str) -> str:
    return f", {text}" if text else ""


@contextmanager
def _repeated(work: Callable[[], None]) -> Iterator[None]:
    """Do something again and again in a thread while the body runs."""
    over = threading.Event()

    def work_on() -> None:
        with suppress(Exception):  # what is shown is no reason to fail
            while not over.wait(_EVERY):
                work()

    thread = threading.Thread(target=work_on, name="lakepredict-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
