"""What ``lakepredict doctor`` can tell by itself: each check needs nothing that another one looks at.

Only the standard library and packaging are imported here, and what a check is about not at all: its metadata is read,
so that a package that cannot be imported hides nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lakepredict import _delta_fit, _jars
from lakepredict._place import Folder

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"

_OLDEST_PYTHON = (3, 10)
_OLDEST_SPARK, _FIRST_UNKNOWN_SPARK = (4, 1), (5,)
_JAVAS = (17, 21)
_GIB = 1 << 30
_SECONDS = 30.0
"""How long a program may take to tell its version."""


@dataclass(frozen=True)
class Check:
    """What a check has found.

    Attributes:
        name: what was checked.
        status: ``ok``, ``warning``, ``failed`` or ``skipped``.
        found: what there is.
        hint: what to do, where it is not ``ok``.
    """

    name: str
    status: str
    found: str
    hint: str = ""


def checked(name: str, check: Callable[[], Check]) -> Check:
    """What a check finds; one that cannot be made has failed."""
    try:
        return check()
    except Exception as exc:  # whatever is broken here is what doctor is to tell
        text = str(exc).strip().partition("\n")[0]
        return Check(name, FAILED, f"{type(exc).__name__}: {text}", "this is unexpected; reinstall lakepredict.")


def python(numbers: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """The Python that runs this."""
    found = f"{'.'.join(map(str, numbers))} ({sys.executable})"
    if numbers < _OLDEST_PYTHON:
        return Check("Python", FAILED, found, "install Python 3.10 or newer, and lakepredict in it.")
    return Check("Python", OK, found)


def java() -> Check:
    """The Java that Spark will take: that of JAVA_HOME, else the first in PATH."""
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home, "bin", "java")) if home else shutil.which("java")
    hint = "install Java 17 or 21, for example with apt-get install openjdk-17-jre-headless or brew install openjdk@17"
    hint += ", and set JAVA_HOME to it." if home else ", or set JAVA_HOME to one."
    if command is None:
        return Check("Java", FAILED, "none in PATH, and no JAVA_HOME", hint)
    where = f"JAVA_HOME={home}" if home else command
    try:
        done = subprocess.run(
            [command, "-version"], capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return Check("Java", FAILED, f"{where} has none that runs: {_reason(exc)}", hint)
    found, major = java_version(done.stderr + done.stdout)
    if major is None:
        return Check("Java", FAILED, f"{where} does not tell its version", hint)
    if major < min(_JAVAS):
        return Check("Java", FAILED, f"{found} ({where}) is too old", hint)
    if major not in _JAVAS:
        return Check("Java", WARNING, f"{found} ({where})", "Spark is made for Java 17 and 21; take one of them.")
    return Check("Java", OK, f"{found} ({where})")


def java_version(output: str) -> tuple[str, int | None]:
    """The version that ``java -version`` prints, and its first part; 8 calls itself 1.8."""
    found = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', output)
    return (found.group(1), int(found.group(2))) if found else ("", None)


def spark() -> Check:
    """Return PySpark's version, by its metadata, and whether the Spark that runs is of the same."""
    upgrade = "pip install --upgrade pyspark delta-spark."
    try:
        found = version("pyspark")
    except PackageNotFoundError:
        return Check("PySpark", FAILED, "not installed", "pip install pyspark delta-spark.")
    if not _OLDEST_SPARK <= _numbers(found) < _FIRST_UNKNOWN_SPARK:
        return Check("PySpark", FAILED, f"{found}, which is not from 4.1 to 4.x", upgrade)
    home = os.environ.get("SPARK_HOME")
    if home:
        other = _jars.spark_in(Path(home))
        if other is None or _numbers(other)[:2] != _numbers(found)[:2]:
            what = f"{found}, but SPARK_HOME={home} is {'no Spark' if other is None else f'Spark {other}'}"
            return Check("PySpark", FAILED, what, "unset SPARK_HOME, or set it to a Spark of PySpark's version.")
    return Check("PySpark", OK, f"{found} (SPARK_HOME={home})" if home else found)


def delta() -> Check:
    """Return whether Delta Lake fits Spark, and has its JARs where a session looks for them; none are fetched."""
    name = "Delta Lake"
    try:
        coordinate, folder = _jars.delta_coordinate(), _jars.folder()
        spark, package = _jars.spark_version(), _jars.installed_delta()
    except PackageNotFoundError as exc:
        return Check(name, FAILED, f"{exc.name} is not installed", "pip install pyspark delta-spark.")
    if not package.fits(spark):
        found = f"{package.name} is built for Spark {package.releases}, and this is Spark {spark}"
        return Check(name, FAILED, found, _delta_fit.way_out(spark, package))
    jars = list(folder.glob("*.jar"))
    if any(each.name.startswith("io.delta_delta-spark") for each in jars):
        return Check(name, OK, f"{coordinate} (in {folder})")
    fetch = f"{sys.executable} -m lakepredict._jars fetches them, where a Maven repository can be reached."
    if folder.is_dir():
        return Check(name, FAILED, f"{folder} has not the JARs of {coordinate}", f"remove that folder; {fetch}")
    return Check(name, FAILED, f"the JARs of {coordinate} are not in {folder}", fetch)


def lakehouse(folder: Folder) -> Check:
    """Whether the folder is there and can be written, or can be made."""
    name = "lakehouse"
    if not folder.local:
        return Check(name, OK, f"{folder.root}, on another file system, which Spark is asked for below")
    hint = "give another folder with --lakehouse or LAKEPREDICT_LAKEHOUSE, or mend this one's rights."
    root = Path(folder.root)
    there = next(each for each in (root, *root.parents) if each.exists())
    if not there.is_dir():
        return Check(name, FAILED, f"{root} cannot be a folder, as {there} is a file", hint)
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as exc:
        return Check(name, FAILED, f"{there} cannot be written: {exc.strerror}", hint)
    free = shutil.disk_usage(there).free / _GIB
    if free < 1:
        return Check(name, WARNING, f"{root}, with {free:.1f} GiB free on its disk", "make room on that disk.")
    if there != root:
        return Check(name, WARNING, f"{root} is not there yet", "it can be made: lakepredict demo, or a session, does.")
    return Check(name, OK, f"{root} can be written, {free:,.0f} GiB free")


def memory() -> Check:
    """How much memory is free, as far as the system tells."""
    name = "memory"
    free = free_memory(*(_text(path) for path in ("/proc/meminfo", _GROUP + "memory.max", _GROUP + "memory.current")))
    if free is None:
        return Check(name, SKIPPED, "this system does not tell")
    found = f"{free / _GIB:.1f} GiB free"
    if free < 2 * _GIB:
        hint = "Spark takes 1 GiB and more, and each Python worker the size of its model: end other programs."
        return Check(name, WARNING, found, hint)
    return Check(name, OK, found)


_GROUP = "/sys/fs/cgroup/"


def free_memory(system: str, limit: str, used: str) -> int | None:
    """The bytes that are free on the machine, or in its control group if that has a limit; None if nothing is told."""
    found = re.search(r"MemAvailable:\s*(\d+) kB", system)
    free = [int(found.group(1)) * 1024] if found else []
    if limit.strip().isdigit() and used.strip().isdigit():
        free.append(max(int(limit) - int(used), 0))
    return min(free, default=None)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""


def _reason(exc: OSError | subprocess.TimeoutExpired) -> str:
    if isinstance(exc, OSError):
        return exc.strerror or str(exc)
    return f"no answer in {_SECONDS:g} seconds"


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(each) for each in found.group().split(".")) if found else ()
