"""What commands run in: a Spark session, or MLflow's store alone. Errors end a command with a message and status 1."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

import lakepredict
from lakepredict.errors import LakepredictError, StoreNotFoundError, StoreUnavailableError

if TYPE_CHECKING:
    from lakepredict.lakehouse import Folder

_MLFLOW_SETTINGS = {
    # MLflow asks a server that does not answer for four minutes; a person at a terminal does not wait so long.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@contextmanager
def quiet_session(lakehouse: str, console: Console) -> Iterator[tuple[Any, Any]]:
    """A session whose libraries write to ``<lakehouse>/logs/lakepredict.log`` instead of the console.

    Errors that are meant for the user end the command with status 1 and their message; any other ends it with
    its traceback. Spark is stopped in any case.
    """
    with reported(), console.status("Starting Spark ..."):
        from lakepredict import lakehouse as lakehouses

        folder = lakehouses.locate(lakehouse)
        lakehouses.create(folder)
    log = Path(folder.root if folder.local else ".", "logs", "lakepredict.log")
    with reported(log), _quiet(log):
        with console.status("Starting Spark ..."):
            spark = lakepredict.spark_session(lakehouse=lakehouse, conf={"spark.ui.enabled": "false"})
        try:
            yield spark, folder
        finally:
            spark.stop()


@contextmanager
def mlflow_store(lakehouse: str) -> Iterator[Folder]:
    """MLflow pointed at the lakehouse's store, or at that of ``MLFLOW_TRACKING_URI``; no Spark starts.

    A store that does not exist is not made. MLflow's settings are changed for this process, where the environment
    does not have them.
    """
    for name, value in _MLFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    with reported(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Console(stderr=True).status("Reading MLflow's store ..."):
            from lakepredict import lakehouse as lakehouses

            for library in ("mlflow", "alembic"):
                logging.getLogger(library).setLevel(logging.ERROR)
            folder = lakehouses.locate(lakehouse)
            _require_store(folder)
            with _answered():
                lakehouses.use_mlflow(folder)
        with _answered():
            yield folder


def _require_store(folder: Folder) -> None:
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
        hint="check MLFLOW_TRACKING_URI."
        if given
        else "give another folder with --lakehouse or LAKEPREDICT_LAKEHOUSE; lakepredict demo makes one.",
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
    except LakepredictError as exc:
        _fail(str(exc), status)
    except Exception as exc:
        from pyspark.errors import PySparkException

        from lakepredict._jvm import java_message

        message = str(exc).strip() if isinstance(exc, PySparkException) else java_message(exc)
        if message is None:
            raise
        _fail(message if log is None else f"{message}\n(The log is in {log}.)", status)


def _fail(message: str, status: int) -> None:
    Console(stderr=True).print(f"[bold red]Error:[/bold red] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(status)


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
