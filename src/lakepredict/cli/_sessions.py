"""What commands run in: a Spark session, or MLflow's store alone. Errors end a command with a message and status 1."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

import lakepredict
from lakepredict.cli import _ends
from lakepredict.errors import LakehouseNotFoundError, LakepredictError, StoreNotFoundError, StoreUnavailableError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakepredict.lakehouse import Folder

MLFLOW_SETTINGS = {
    # MLflow asks a server that does not answer for four minutes; a person at a terminal does not wait so long.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

_STOP_SECONDS = 5.0
"""How long Spark may take to stop after an error; the JVM ends with this process in any case."""

Absent = Literal["make", "tell", "refuse"]
"""What is done about a lakehouse that is not there."""

_ANOTHER = (
    "give another folder with --lakehouse or LAKEPREDICT_LAKEHOUSE; lakepredict sql makes an empty one,"
    " lakepredict demo one with an example."
)
"""What to do where there is no lakehouse."""

_PLAN = re.compile(r";\n'?[A-Z]\w.*\Z", re.DOTALL)
"""The query's plan after the message of an AnalysisException."""


@contextmanager
def quiet_session(
    lakehouse: str,
    console: Console,
    conf: Mapping[str, str] | None = None,
    *,
    absent: Absent = "make",
    first: Callable[[], object] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """A session whose libraries write to ``<lakehouse>/logs/lakepredict.log`` instead of the console.

    A lakehouse that is not there is made, with or without a word on the console, or refused, as ``absent`` says.
    What MLflow alone can tell is asked by ``first``, before Spark starts, which takes a while.
    Errors that are meant for the user end the command with status 1 and their message; any other ends it with
    its traceback. Spark is stopped in any case.
    """
    with _ends.ending_at_once(_ends.command_name()):
        with reported(), waiting(console, "Starting Spark ..."):
            from lakepredict import lakehouse as lakehouses

            folder = lakehouses.locate(lakehouse)
            new = _is_new(folder)
            if absent == "refuse":
                require_lakehouse(folder)
            lakehouses.create(folder)
        if new and absent == "tell":
            text = f"{escape(folder.root)} is a new lakehouse, with nothing in it yet."
            console.print(text, style="dim", soft_wrap=True)
        log = log_of(folder)
        with reported(log), _quiet(log), _warned(console), ExitStack() as orderly:
            with waiting(console, "Starting Spark ..."):
                start = lakepredict.spark_session  # imports, for seconds, in which Ctrl-C still ends at once
                if first is not None:
                    lakehouses.use_mlflow(folder)
                    first()
                orderly.enter_context(_ends.ending_in_order())
                spark = _started(start, lakehouse, {"spark.ui.enabled": "false", **(conf or {})})
            try:
                yield spark, folder
            except BaseException:
                _stop_somehow(spark)
                raise
            spark.stop()


def _started(start: Callable[..., SparkSession], lakehouse: str, settings: Mapping[str, str]) -> SparkSession:
    try:
        return start(lakehouse=lakehouse, conf=settings)
    except BaseException as exc:
        from lakepredict import _jvm

        _jvm.end_unfinished(exc)
        raise


def _stop_somehow(spark: SparkSession) -> None:
    """Stop Spark after an error, where its JVM may have ended, or may wait for what was interrupted."""

    def stop() -> None:
        with suppress(Exception):  # the first error is the one to tell
            spark.stop()

    thread = Thread(target=stop, daemon=True)
    thread.start()
    thread.join(_STOP_SECONDS)


class _Warned(logging.Handler):
    """Shows a person what the package warns of."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning as one line; what has a traceback is for the log."""
        if record.exc_info is None:
            self._console.print(
                f"[yellow]Warning:[/yellow] {escape(record.getMessage())}", highlight=False, soft_wrap=True
            )


@contextmanager
def _warned(console: Console) -> Iterator[None]:
    handler = _Warned(console)
    logger = logging.getLogger("lakepredict")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _is_new(folder: Folder) -> bool:
    return folder.local and not Path(folder.tables).is_dir()


def require_lakehouse(folder: Folder) -> None:
    """Refuse a local folder that is no lakehouse.

    Raises:
        LakehouseNotFoundError: it has no tables.
    """
    if not _is_new(folder):
        return
    made = Path(folder.root).is_dir()
    raise LakehouseNotFoundError(
        f"There is no lakehouse {folder.root}.",
        expected="a folder with Tables/ in it",
        got="a folder without Tables/" if made else "no such folder",
        hint=_ANOTHER,
    )


@contextmanager
def terminal_kept() -> Iterator[Console]:
    """Standard error, also while the session is quiet and what libraries write there goes to the log."""
    with os.fdopen(os.dup(2), "w") as file:
        yield Console(file=file, highlight=False)


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Show a person that something goes on. What libraries write in the meantime does not go to the terminal too."""
    if not console.is_terminal:
        yield
        return
    with Live(Spinner("dots", what), console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
        yield


def log_of(folder: Folder) -> Path:
    """Where the libraries of a quiet session write to."""
    return Path(folder.root if folder.local else ".", "logs", "lakepredict.log")


@contextmanager
def mlflow_store(lakehouse: str) -> Iterator[Folder]:
    """MLflow pointed at the lakehouse's store, or at that of ``MLFLOW_TRACKING_URI``; no Spark starts.

    A store that does not exist is not made. MLflow's settings are changed for this process, where the environment
    does not have them.
    """
    for name, value in MLFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    with _ends.ending_at_once(_ends.command_name()), reported(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Console(stderr=True).status("Reading MLflow's store ..."):
            from lakepredict import lakehouse as lakehouses

            for library in ("mlflow", "alembic"):
                logging.getLogger(library).setLevel(logging.ERROR)
            folder = lakehouses.locate(lakehouse)
            require_store(folder)
            with _answered():
                lakehouses.use_mlflow(folder)
        with _answered():
            yield folder


def require_store(folder: Folder) -> None:
    """Refuse a store in a file that is not there: MLflow would make it.

    Raises:
        StoreNotFoundError: the lakehouse, or the database file that ``MLFLOW_TRACKING_URI`` names, does not exist.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    path = Path((given if given else folder.mlflow_uri).removeprefix("sqlite:///"))
    if (given and not given.startswith("sqlite:///")) or (not given and not folder.local) or path.is_file():
        return
    made = Path(folder.root).is_dir()
    raise StoreNotFoundError(
        f"There is no MLflow store {path}." if given or made else f"There is no lakehouse {folder.root}.",
        expected="a database that MLFLOW_TRACKING_URI names" if given else "a folder with mlflow.db in it",
        got="no such file" if given else "a folder without mlflow.db" if made else "no such folder",
        hint="check MLFLOW_TRACKING_URI." if given else _ANOTHER,
    )


@contextmanager
def _answered() -> Iterator[None]:
    """Turn what MLflow and the libraries below it raise into one error; a defect of ours stays as it is."""
    try:
        yield
    except LakepredictError:
        raise
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] not in ("mlflow", "sqlalchemy", "requests", "urllib3", "sqlite3"):
            raise
        import mlflow

        from lakepredict import _registry

        raise StoreUnavailableError(
            "MLflow gave no usable answer.",
            expected=f"a store at {_registry._without_password(mlflow.get_tracking_uri()).partition('?')[0]}",
            got=_registry.first_line(exc),
            hint="check --lakehouse, MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI, and that the server runs.",
        ) from exc


@contextmanager
def reported(log: Path | None = None, status: int = 1) -> Iterator[None]:
    """Turn the errors that users can mend into a message and an exit status."""
    try:
        yield
    except Exception as exc:
        if _ends.is_interruption(exc):
            raise KeyboardInterrupt from exc
        text = message(exc, log)
        if text is None:
            raise
        fail(text, status)


def message(exc: Exception, log: Path | None = None) -> str | None:
    """What an error that users can mend has to say; None for any other.

    Without the plan that Spark adds to errors of analysis. Others come from jobs, of which the log says more.
    """
    fault = _ends.fault(exc)
    if fault is not None:
        return fault if log is None else f"{fault} (The log is in {log}.)"
    if isinstance(exc, LakepredictError):
        return str(exc)
    from pyspark.errors import AnalysisException, PySparkException

    from lakepredict._jvm import java_message

    if isinstance(exc, AnalysisException):
        return _PLAN.sub("", str(exc).strip())
    text = str(exc).strip() if isinstance(exc, PySparkException) else java_message(exc)
    if text is not None and "JAVA_GATEWAY_EXITED" in text:
        text += "\n  hint: lakepredict doctor says whether Java is there, and what to do."
    return text if text is None or log is None else f"{text}\n(The log is in {log}.)"


def fail(text: str, status: int) -> NoReturn:
    """End the command with a message on standard error."""
    print_error(Console(stderr=True), text)
    sys.exit(status)


def print_error(console: Console, text: str) -> None:
    """Print a message as that of an error."""
    console.print(f"[bold red]Error:[/bold red] {escape(text)}", highlight=False, soft_wrap=True)


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Send everything that goes to standard error, the JVM's and the workers' part of it as well, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(2)
    with log.open("a", encoding="utf-8") as file, redirect_stderr(file), warnings.catch_warnings():
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
