"""How commands end that are interrupted, or that lose their Java process, its memory or their disk: real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakepredict.lakehouse import Folder
from test_cluster import plain_environment

ENDLESS = "SELECT sum(sqrt(id)) AS s FROM range(1000000000000)"
JOB = f"""
model: revenue
version: 1
input: {{query: "SELECT price, visits, s FROM sales CROSS JOIN ({ENDLESS})"}}
output: {{table: never_written, mode: append}}
"""
SECONDS = 180


def heed_ctrl_c() -> None:
    """Undo what a shell does for a process in the background, which ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def command(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``lakepredict`` in a process group of its own, as a shell does; nothing of it is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lakepredict.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**plain_environment(), "SPARK_LOCAL_DIRS": str(folder / "local"), **environment},
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=SECONDS)


def wait_for(known: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + SECONDS
    while not known():
        assert time.monotonic() < until
        time.sleep(0.05)


def java_of(process: subprocess.Popen[str]) -> int | None:
    """Return the id of the Java process of a command, once there is one."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return next((int(child) for child in children if is_java(int(child))), None)


def is_java(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "java"
    except OSError:
        return False


def interrupt(process: subprocess.Popen[str]) -> None:
    """Do what a terminal does for Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)


def kill_java(process: subprocess.Popen[str]) -> None:
    """Do what Linux does where memory runs out."""
    pid = java_of(process)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def commands(spark: SparkSession, models: None, sales: str, folder: Folder) -> dict[str, list[str]]:
    """Commands that would run for hours."""
    spark.sql(f"CREATE VIEW endless_made AS SELECT DATE '2024-01-01' AS day, 1 AS shop, s AS forecast FROM ({ENDLESS})")
    spark.sql("CREATE VIEW endless_sold AS SELECT day, shop, forecast AS sold FROM endless_made")
    lakehouse = ["--lakehouse", folder.root]
    return {
        "sql": ["sql", f"SELECT 1 AS done; {ENDLESS}", *lakehouse],
        "score": ["score", "job.yaml", *lakehouse],
        "report": ["report", "r.html", "--forecast", "endless_made", "--history", "endless_sold", *lakehouse],
        "demo": ["demo", "--lakehouse", "new"],
    }


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell the children of a process")
@pytest.mark.parametrize(
    ("name", "act", "status", "expected"),
    [
        ("sql", interrupt, 130, "Interrupted. A query can be run again; a statement that writes"),
        ("demo", interrupt, 130, "Interrupted. Run it again: it begins anew."),
        ("score", interrupt, 130, "Interrupted. Run it again: each row is scored once."),
        ("report", kill_java, 1, "Error: [JVM_ENDED] Spark's Java process was killed (SIGKILL), as Linux does"),
        ("score", kill_java, 1, "Error: [JVM_ENDED] Spark's Java process was killed (SIGKILL), as Linux does"),
    ],
    ids=["sql_interrupted", "demo_interrupted", "score_interrupted", "report_killed", "score_killed"],
)
def test_end_of_a_running_command(
    commands: dict[str, list[str]],
    tmp_path: Path,
    name: str,
    act: Callable[[subprocess.Popen[str]], None],
    status: int,
    expected: str,
) -> None:
    """One line says what happened and whether to run it again; the Java process ends too."""
    (tmp_path / "job.yaml").write_text(JOB)
    with command(tmp_path, *commands[name]) as process:
        wait_for(lambda: list(tmp_path.glob("local/*/blockmgr-*")) or list(tmp_path.glob("local/blockmgr-*")))
        time.sleep(4)
        java = java_of(process)
        assert java is not None
        act(process)
        _, err = process.communicate(timeout=60)
    wait_for(lambda: not is_java(java))

    assert (process.returncode, len(err.splitlines())) == (status, 1), err
    assert err.startswith(expected)
    assert not (tmp_path / "r.html").exists()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell the children of a process")
def test_interrupt_while_spark_starts(tmp_path: Path) -> None:
    """Ctrl-C ends the command, and the Java process that has not yet answered."""
    with command(tmp_path, "sql", "SELECT 1", "--lakehouse", "new") as process:
        wait_for(lambda: java_of(process))
        java = java_of(process)
        assert java is not None
        interrupt(process)
        out, err = process.communicate(timeout=60)
    wait_for(lambda: not is_java(java))

    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("Interrupted. ")
    assert "Traceback" not in err


def test_no_memory(tmp_path: Path) -> None:
    """Where Java's memory is too small for a result, the line says how to give it more."""
    query = "SELECT size(collect_list(repeat(CAST(id AS STRING), 1000))) AS n FROM range(1000000)"
    with command(tmp_path, "sql", query, "--lakehouse", "new", SPARK_DRIVER_MEMORY="480m") as process:
        _, err = process.communicate(timeout=SECONDS)

    last = err.splitlines()[-1]
    assert process.returncode == 1, err
    assert last.startswith("Error: [JVM_OUT_OF_MEMORY] Spark's Java process had too little memory")
    assert "SPARK_DRIVER_MEMORY=4g before the command" in last
    assert "Traceback" not in err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield place
    # The Java process may write its last lines there.
    wait_for(lambda: not subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode)


def test_full_disk(small_disk: Path) -> None:
    """The line names the disk that is full."""
    query = "CREATE TABLE t AS SELECT id, rand() AS r FROM range(1000000)"
    with command(small_disk.parent, "sql", query, "--lakehouse", str(small_disk)) as process:
        _, err = process.communicate(timeout=SECONDS)

    assert process.returncode == 1, err
    assert err.splitlines()[-1].startswith(f"Error: [DISK_FULL] No space is left on the disk of {small_disk}. Free")
    assert "Traceback" not in err
