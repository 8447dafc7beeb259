"""MLflow's user interface as a child process that ends when the command does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import mlflow
from rich.console import Console
from rich.markup import escape

from lakepredict import _registry
from lakepredict.errors import UserInterfaceError
from lakepredict.lakehouse import Folder

_HOST = "127.0.0.1"
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


class _Stopped(BaseException):
    """The command is to end; not an error, so that no ``except Exception`` takes it."""


def serve(folder: Folder, port: int, console: Console) -> None:
    """Run MLflow's server on this machine alone until Ctrl-C, SIGTERM or SIGHUP, and print its address.

    Where MLflow is pointed to a server already, nothing is started: its address is printed.

    Raises:
        UserInterfaceError: the port is taken, or the server does not start.
    """
    store = mlflow.get_tracking_uri()
    if store.startswith(("http://", "https://")):
        console.print(
            f"MLflow's server has the user interface: {escape(_registry._without_password(store))}", soft_wrap=True
        )
        return
    port = _free_port(port)
    with _ending_on_signals(), _log(folder) as log, suppress(_Stopped), _server(store, folder, port, log) as server:
        address = f"http://{_HOST}:{port}"
        with console.status("Starting MLflow's user interface ..."):
            _await_health(server, address, log)
        console.print(f"MLflow's user interface: {address}  (Ctrl-C ends it)", soft_wrap=True, highlight=False)
        server.wait()
        raise _not_started("it ended by itself", log)


def _free_port(port: int) -> int:
    """The port itself if it is free, or any free one for 0.

    Raises:
        UserInterfaceError: another program listens there, or it may not be listened to.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just ended is no hindrance
        try:
            probe.bind((_HOST, port))
        except (OSError, OverflowError) as exc:
            raise UserInterfaceError(
                f"MLflow's user interface cannot listen on port {port}.",
                expected="a free port that this user may take",
                got=getattr(exc, "strerror", None) or str(exc),
                hint="--port 0 takes a free one.",
            ) from exc
        found: int = probe.getsockname()[1]
        return found


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Make the signals that ask a program to end leave by way of the ``finally`` blocks."""

    def stop(number: int, frame: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)  # a second one does not disturb the end
        raise _Stopped

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, stop) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


@contextmanager
def _log(folder: Folder) -> Iterator[IO[bytes]]:
    """A file for what the server writes: in the lakehouse if it is there, else one that goes with the command."""
    if folder.local and Path(folder.root).is_dir():
        path = Path(folder.root, "logs", "mlflow-ui.log")
        path.parent.mkdir(exist_ok=True)
        with path.open("w+b") as file:
            yield file
    else:
        with tempfile.NamedTemporaryFile(prefix="lakepredict-ui-", suffix=".log") as file:
            yield file


@contextmanager
def _server(store: str, folder: Folder, port: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server and its child processes, all of which end with the block."""
    # By the environment, since everyone on the machine sees the arguments, and an address may have a password.
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_REGISTRY_STORE_URI": os.environ.get("MLFLOW_REGISTRY_URI", store),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": folder.artifacts,
        "MLFLOW_ARTIFACTS_DESTINATION": folder.artifacts,
        # What it schedules is not for looking at runs, and takes several processes.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group of its own: Ctrl-C reaches this process alone, which ends the group
    )
    try:
        yield server
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the server's whole group to end, and end by force what is there after some seconds."""
    give_up = time.monotonic() + _STOP_SECONDS
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
        while time.monotonic() < give_up:
            server.poll()  # or the ended process would count as one of the group
            os.killpg(server.pid, 0)
            time.sleep(0.05)
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _await_health(server: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    """Wait until the server answers.

    Raises:
        UserInterfaceError: it ends, or does not answer in time.
    """
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        if server.poll() is not None:
            raise _not_started(f"it ended with status {server.returncode}", log)
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{address}/health", timeout=5):
            return
        time.sleep(0.1)
    raise _not_started(f"no answer in {_START_SECONDS:g} seconds", log)


def _not_started(what: str, log: IO[bytes]) -> UserInterfaceError:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return UserInterfaceError(
        "MLflow's user interface does not run.",
        expected="a server that answers",
        got=f"{what}; the last that it wrote: {lines[-1].strip() if lines else 'nothing'}",
        hint=f"its log is {log.name}." if Path(log.name).parent.name == "logs" else "check MLFLOW_TRACKING_URI.",
    )
