"""A server from its start to its end: a lakehouse with PREDICT over JDBC, ODBC and Spark Connect."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from threading import Event
from typing import Any

from pyspark.sql import SparkSession

from lakepredict import lakehouse as lakehouses
from lakepredict.errors import LakehouseUnreadableError, ServerError, ServerPortError
from lakepredict.lakehouse import Folder
from lakepredict.serve import _jvm
from lakepredict.serve._settings import Settings, hive_conf

REFRESH_SECONDS = 3.0
HEALTH_SECONDS = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Addresses:
    """Where a server listens.

    Attributes:
        host: the address.
        thrift_port: of the Thrift JDBC/ODBC endpoint.
        connect_port: of Spark Connect, or None.
    """

    host: str
    thrift_port: int
    connect_port: int | None

    @property
    def jdbc(self) -> str:
        """What JDBC clients connect to."""
        return f"jdbc:hive2://{_bracketed(self.host)}:{self.thrift_port}"

    @property
    def connect(self) -> str | None:
        """What Spark Connect clients connect to; of plain addresses, they give a token to ``localhost`` alone."""
        host = "localhost" if self.host == "127.0.0.1" else _bracketed(self.host)
        return None if self.connect_port is None else f"sc://{host}:{self.connect_port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def stopping() -> Iterator[Callable[[], Event]]:
    """An event that Ctrl-C, SIGTERM and SIGHUP set, instead of what they do otherwise.

    The function that is given takes the signals again, since Spark takes Ctrl-C when it starts.
    """
    event = Event()
    before = {each: signal.getsignal(each) for each in _SIGNALS}

    def take() -> Event:
        for each in _SIGNALS:
            signal.signal(each, lambda *_: event.set())
        return event

    take()
    try:
        yield take
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def log_path(folder: Folder) -> Path:
    """The server's log, a line of JSON for each statement and event."""
    return Path(folder.root if folder.local else ".", "logs", "serve.jsonl")


def require_free(settings: Settings) -> None:
    """Refuse ports that are taken, before Spark starts.

    Raises:
        ServerPortError: another program listens there, or the address is not this machine's.
    """
    for port in (settings.thrift_port, settings.connect_port):
        try:
            if port is not None:
                _probe(settings.host, port)
        except (OSError, OverflowError) as exc:
            raise ServerPortError(
                f"The server cannot listen on {settings.host}, port {port}.",
                expected="an address of this machine, and a free port that this user may take",
                got=getattr(exc, "strerror", None) or str(exc),
                hint="--thrift-port 0 and --connect-port 0 take free ones.",
            ) from exc


def _probe(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def run(
    spark: SparkSession,
    folder: Folder,
    settings: Settings,
    stop: Event,
    ready: Callable[[Addresses], None],
    stopping: Callable[[], None],
) -> None:
    """Serve until ``stop`` is set; call ``ready`` once clients may come, and ``stopping`` when they may no more.

    Raises:
        ServerError: a server does not start, or Spark ends by itself.
    """
    log = log_path(folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    servers = _jvm.Servers(spark, str(log), read_only=settings.read_only)
    with tempfile.TemporaryDirectory(prefix="lakepredict-serve-") as scratch:
        try:
            addresses = _start(servers, settings, scratch)
            _note(log, "ready", read_only=settings.read_only, jdbc=addresses.jdbc, connect=addresses.connect)
            ready(addresses)
            _watch(spark, servers, log, stop)
            stopping()
        finally:
            servers.stop()
            _note(log, "stopped")


def _start(servers: _jvm.Servers, settings: Settings, scratch: str) -> Addresses:
    Path(scratch, "hive-local").mkdir()
    thrift = servers.start_thrift(hive_conf(settings, scratch), settings.users)
    connect = None
    if settings.connect_port is not None:
        connect = servers.start_connect(settings.host, settings.connect_port, settings.token)
    return Addresses(settings.host, thrift, connect)


def _watch(spark: SparkSession, servers: _jvm.Servers, log: Path, stop: Event) -> None:
    """Take in tables that others make, and note every minute that all is well.

    Raises:
        ServerError: Spark has ended.
    """
    noted = time.monotonic()
    while not stop.wait(REFRESH_SECONDS):
        if not servers.alive():
            raise ServerError(
                "Spark has ended.",
                expected="a running Spark application",
                got="none",
                hint="the log says why; start the server again.",
            )
        try:
            lakehouses.refresh(spark)
        except LakehouseUnreadableError as exc:
            _note(log, "unreadable", reason=str(exc))
        if time.monotonic() - noted >= HEALTH_SECONDS:
            noted = time.monotonic()
            _note(log, "healthy", statements=servers.running())


def _note(log: Path, event: str, **facts: Any) -> None:
    moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps({"time": moment, "event": event, "pid": os.getpid(), **facts})
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
