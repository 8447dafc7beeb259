"""Delta Lake's JARs: fetched once by Spark's own resolution into the user's cache, found there ever after.

``delta.configure_spark_with_delta_pip`` resolves them anew at every start, which takes seconds, needs the
network's answer for snapshots of the repository, and prints a hundred lines. ``python -m lakepredict._jars``
fetches them ahead of the first session.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from lakepredict.errors import DeltaJarsError

DELTA_CLASS = "io.delta.sql.DeltaSparkSessionExtension"
_SCALA = "2.13"


def delta_coordinate() -> str:
    """The Maven coordinate of the Delta Lake that fits the installed delta-spark and pyspark."""
    spark = ".".join(version("pyspark").split(".")[:2])
    return f"io.delta:delta-spark_{spark}_{_SCALA}:{version('delta-spark')}"


def delta_jars() -> list[Path]:
    """The JARs to put on ``spark.jars``; fetches them if they are not in the cache.

    JARs that Spark ships itself are left out: Delta works with Spark's, and a second copy of Hadoop would only
    be sent to each executor.

    Raises:
        DeltaJarsError: they cannot be fetched.
    """
    home = folder()
    if not home.is_dir():
        _fetch(home)
    return sorted(home.glob("*.jar"))


def folder() -> Path:
    """Where the JARs are, or will be, kept."""
    return _cache() / delta_coordinate().replace(":", "_")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "lakepredict", "jars")


def _fetch(home: Path) -> None:
    """Resolve into a directory beside ``home`` and rename, so that ``home`` is either whole or not there."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="fetching-") as scratch:
        _resolve(Path(scratch))
        wanted = Path(scratch, "wanted")
        wanted.mkdir()
        for jar in _missing_in_spark(Path(scratch, "ivy", "jars")):
            shutil.move(jar, wanted / jar.name)
        try:
            wanted.rename(home)
        except OSError:
            if not home.is_dir():
                raise


def _resolve(scratch: Path) -> None:
    """Let ``spark-submit --packages`` run a program that does nothing."""
    program = scratch / "nothing.py"
    program.write_text("")
    command = [
        str(spark_home() / "bin" / "spark-submit"),
        *("--packages", delta_coordinate(), "--conf", f"spark.jars.ivy={scratch / 'ivy'}"),
        str(program),
    ]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeltaJarsError(
            "Delta Lake's JARs cannot be fetched.",
            expected=f"{delta_coordinate()} and what it depends on",
            got=_reason(done.stderr) or f"spark-submit ended with status {done.returncode}",
            hint="connect to a Maven repository once, or name one in spark.jars.ivySettings or"
            " spark.jars.repositories, or put the JARs on spark.jars yourself.",
        )


def _reason(output: str) -> str:
    """The line of Ivy's or Java's output that says what went wrong."""
    found = re.search(r"unresolved dependenc.*|.*not found.*|Exception in.*|.*[Ee]rror.*", output)
    return found.group(0).strip() if found else ""


def _missing_in_spark(jars: Path) -> list[Path]:
    shipped = {_artifact(jar.name) for jar in (spark_home() / "jars").glob("*.jar")}
    return [jar for jar in jars.glob("*.jar") if _artifact(jar.name.partition("_")[2]) not in shipped]


def _artifact(file_name: str) -> str:
    """``jackson-core`` of ``jackson-core-2.13.5.jar``."""
    return re.sub(r"-\d.*", "", file_name)


def spark_home() -> Path:
    """The Spark that runs: that of ``SPARK_HOME``, else PySpark's own."""
    import pyspark

    return Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)


if __name__ == "__main__":
    try:
        delta_jars()
    except DeltaJarsError as exc:
        sys.exit(str(exc))
