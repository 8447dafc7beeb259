"""Which Delta Lake fits which Spark, decided from texts."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest

from lakepredict import _delta_fit, _jars
from lakepredict.errors import DeltaVersionError

PACKAGE = _delta_fit.of_package("4.4.0", ["pyspark<=4.2.0,>=4.0.1", "importlib_metadata<=8.7.1,>=1.0.0"])


@pytest.mark.parametrize(
    ("spark", "fits"),
    [
        ("3.5.8", False),
        ("4.0.1", True),
        ("4.1.0", True),
        ("4.2.0", True),
        ("4.2.1", True),
        ("4.2.0.dev1", True),
        ("4.3.0", False),
        ("4.10.0", False),
        ("5.0.0", False),
    ],
)
def test_a_package_names_the_newest_spark(spark: str, fits: bool) -> None:
    """All patch releases of the newest Spark that delta-spark names fit, and no later release does."""
    assert (PACKAGE.sparks, PACKAGE.fits(spark)) == (">=4.0.1,<4.3", fits)


@pytest.mark.parametrize(
    ("requirement", "sparks"),
    [
        ("pyspark<4.1.0,>=4.0.1", ">=4.0.1,<4.1.0"),
        ("pyspark==4.1.0", "==4.1.*"),
        ("pyspark==4.1.*", "==4.1.*"),
        ("pyspark", ""),
        ("numpy<3", ""),
    ],
)
def test_other_ways_to_say_it(requirement: str, sparks: str) -> None:
    """Limits of other kinds are taken as they are; a package that says nothing fits."""
    delta = _delta_fit.of_package("9", [requirement])

    assert (delta.sparks, delta.fits("4.1.2")) == (sparks, sparks != ">=4.0.1,<4.1.0")


@pytest.mark.parametrize(
    "text",
    [
        "io.delta:delta-spark_4.2_2.13:4.4.0",
        "org.apache.hadoop:hadoop-aws:3.5.0,io.delta:delta-spark_4.2_2.13:4.4.0,a:b:1",
        "/jars/a.jar,/jars/delta-spark_4.2_2.13-4.4.0.jar",
        "jar:file:/jars/io.delta_delta-spark_4.2_2.13-4.4.0.jar!/io/delta/sql/DeltaSparkSessionExtension.class",
        "delta-spark_4.2_2.13-4.4.0-SNAPSHOT.jar",
    ],
)
def test_jars(text: str) -> None:
    """The name of a JAR says for which Spark it was built."""
    delta = _delta_fit.of_jars(text)

    assert delta is not None
    assert delta.name.removesuffix("-SNAPSHOT").replace(":", "-") == "the JAR delta-spark_4.2_2.13-4.4.0"
    assert [delta.fits(spark) for spark in ("4.1.2", "4.2.0", "4.2.1", "4.3.0")] == [False, True, True, False]


@pytest.mark.parametrize("text", ["", "io.delta:delta-core_2.12:2.4.0", "/jars/delta-spark_2.13-4.0.0.jar"])
def test_jars_that_do_not_say(text: str) -> None:
    """Nothing is decided about a JAR whose name has no Spark in it."""
    assert _delta_fit.of_jars(text) is None


@pytest.mark.parametrize(
    ("name", "delta"),
    [("delta_package", PACKAGE), ("delta_jar", _delta_fit.of_jars("/x/delta-spark_4.2_2.13-4.4.0.jar"))],
)
def test_texts(golden: Callable[[str, str], None], name: str, delta: _delta_fit.Delta) -> None:
    """The refusal says what fits what, and what to install."""
    with pytest.raises(DeltaVersionError) as error:
        _delta_fit.require_fit("4.3.0", delta)

    golden(f"errors/{name}.txt", str(error.value))


def test_the_installed_ones_fit() -> None:
    """What is installed here fits, and its metadata is read as it is."""
    assert _jars.installed_delta().fits(version("pyspark"))
    assert "<" in _jars.installed_delta().sparks


def test_jars_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that name a Delta Lake get no other one, and are compared with the Spark that runs."""
    monkeypatch.delenv("SPARK_HOME", raising=False)
    line = ".".join(version("pyspark").split(".")[:2])

    assert _jars.jars_for({"spark.jars.packages": f"io.delta:delta-spark_{line}_2.13:9.9.9"}) == []
    with pytest.raises(DeltaVersionError, match=r"delta-spark_3\.5_2\.13-3\.3\.2"):
        _jars.jars_for({"spark.jars": "/jars/delta-spark_3.5_2.13-3.3.2.jar"})
