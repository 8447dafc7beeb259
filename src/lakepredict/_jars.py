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
from collections.abc import Mapping
from importlib.metadata import requires, version
from pathlib import Path

from lakepredict import _delta_fit
from lakepredict.errors import DeltaJarsError, SessionError

DELTA_CLASS = "io.delta.sql.DeltaSparkSessionExtension"
_SCALA = "2.13"


def delta_coordinate() -> str:
    """Return the Maven coordinate of the Delta Lake that the installed delta-spark names for the Spark that runs."""
    spark = ".".join(spark_version().split(".")[:2])
    return f"io.delta:delta-spark_{spark}_{_SCALA}:{version('delta-spark')}"


def installed_delta() -> _delta_fit.Delta:
    """Return the Delta Lake of the installed delta-spark, with the releases of Spark that its metadata names."""
    return _delta_fit.of_package(version("delta-spark"), requires("delta-spark") or [])


def jars_for(conf: Mapping[str, str]) -> list[str]:
    """Return the JARs to add to the settings of a new session: none where these name a Delta Lake themselves.

    Raises:
        DeltaVersionError: the Delta Lake was built for another Spark.
        DeltaJarsError: it cannot be fetched.
    """
    own = _delta_fit.of_jars(",".join(conf.get(key, "") for key in ("spark.jars", "spark.jars.packages")))
    if own is None:
        return [str(jar) for jar in delta_jars()]
    _delta_fit.require_fit(spark_version(), own)
    return []


def delta_jars() -> list[Path]:
    """Return the JARs to put on ``spark.jars``; they are fetched if they are not in the cache.

    JARs that Spark ships itself are left out: Delta works with Spark's, and a second copy of Hadoop would only
    be sent to each executor.

    Raises:
        DeltaVersionError: delta-spark was built for another Spark.
        DeltaJarsError: they cannot be fetched.
    """
    _delta_fit.require_fit(spark_version(), installed_delta())
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


def spark_version() -> str:
    """Return the version of the Spark that runs."""
    home = os.environ.get("SPARK_HOME")
    return (home and spark_in(Path(home))) or version("pyspark")


def spark_in(home: Path) -> str | None:
    """Return the version of the Spark in a folder, by the name of one of its JARs; None if it is no Spark."""
    names = [re.fullmatch(r"spark-core_[\d.]+-(\d[\w.-]*)\.jar", jar.name) for jar in home.glob("jars/*.jar")]
    return next((name.group(1) for name in names if name), None)


if __name__ == "__main__":
    try:
        delta_jars()
    except SessionError as exc:
        sys.exit(str(exc))
