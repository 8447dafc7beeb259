"""Which Delta Lake fits which Spark: by what delta-spark's metadata says, or by the name of a JAR; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from lakepredict.errors import DeltaVersionError

_ARTIFACT = re.compile(r"delta-spark_(\d+\.\d+)_\d+\.\d+[:-]\d+[\w.+-]*?(?=\.jar|$|[,!:])")
"""A JAR of Delta Lake, or its Maven coordinate, without its group, with the Spark that it was built for."""

_REGISTER = "PREDICT alone, by lakepredict.register(spark), needs no Delta Lake."


@dataclass(frozen=True)
class Delta:
    """A Delta Lake, and the releases of Spark that it was built for.

    Attributes:
        name: what it is, with its version.
        sparks: versions of Spark, as pip writes them; empty where it does not say.
    """

    name: str
    sparks: str

    @property
    def releases(self) -> str:
        """Return the releases of Spark as a person reads them."""
        return self.sparks.removeprefix("==").replace(",", ", ")

    def fits(self, spark: str) -> bool:
        """Return whether it was built for a release of Spark."""
        return SpecifierSet(self.sparks).contains(spark, prereleases=True)


def of_package(version: str, requires: Sequence[str]) -> Delta:
    """Return the Delta Lake of the Python package delta-spark.

    Args:
        version: the package's.
        requires: what its metadata says that it needs.
    """
    requirements = [Requirement(text) for text in requires]
    sparks = chain.from_iterable(needed.specifier for needed in requirements if needed.name == "pyspark")
    return Delta(f"delta-spark {version}", ",".join(sorted(map(_whole_line, sparks), reverse=True)))


def of_jars(text: str) -> Delta | None:
    """Return the Delta Lake that a list of JARs or Maven coordinates names; None if none is, or it does not say."""
    artifact = _ARTIFACT.search(text)
    if artifact is None:
        return None
    spark = artifact.group(1)
    return Delta(f"the JAR {artifact.group(0)}", f"=={spark}.*")


def require_fit(spark: str, delta: Delta) -> None:
    """Refuse a Delta Lake that was not built for a Spark: its classes call methods that the other does not have.

    Raises:
        DeltaVersionError: it was built for other releases.
    """
    if delta.fits(spark):
        return
    raise DeltaVersionError(
        "This Delta Lake was not built for this Spark.",
        expected=f"Spark {delta.releases}, which {delta.name} is built for",
        got=f"Spark {spark}",
        hint=f"{way_out(spark, delta)} {_REGISTER}",
    )


def way_out(spark: str, delta: Delta) -> str:
    """Return what to install where a Delta Lake does not fit a Spark."""
    line = ".".join(spark.split(".")[:2])
    if delta.name.startswith("delta-spark "):
        return f"pip install 'pyspark{delta.sparks}'; or install a delta-spark that is built for Spark {line}."
    return f"give Spark {line} the JAR io.delta:delta-spark_{line}_2.13 instead; or run Spark {delta.releases}."


def _whole_line(specifier: Specifier) -> str:
    """Return a limit with all patch releases of its Spark, for which the same JAR is built."""
    if specifier.operator == "<=":
        newest = Version(specifier.version)
        return f"<{newest.major}.{newest.minor + 1}"
    if specifier.operator == "==" and not specifier.version.endswith(".*"):
        only = Version(specifier.version)
        return f"=={only.major}.{only.minor}.*"
    return str(specifier)
