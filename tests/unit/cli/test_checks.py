"""What the checks of ``lakepredict doctor`` make of what they are told; the checks are made in test_doctor.py."""

from __future__ import annotations

import pytest

from lakepredict.cli._checks import Check, checked, free_memory, java_version, python
from lakepredict.cli._doctor import verdict
from lakepredict.cli._examine import spark_checks, store_check
from lakepredict.cli._probes import spark_reason
from lakepredict.cli._workers import Packages, differing, models

HERE = {"scikit-learn": "1.7.1", "numpy": "2.1.0", "mlflow": "3.17.2", "pandas": "2.3.3"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('openjdk version "17.0.12" 2024-07-16\nOpenJDK Runtime Environment', ("17.0.12", 17)),
        ('openjdk version "21" 2023-09-19', ("21", 21)),
        ('java version "1.8.0_412"', ("1.8.0_412", 8)),
        ('openjdk version "24-ea" 2025-03-18', ("24-ea", 24)),
        ("java: not found", ("", None)),
    ],
)
def test_java_version(output: str, expected: tuple[str, int | None]) -> None:
    """The version is what stands in quotes, and Java 8 calls itself 1.8."""
    assert expected == java_version(output)


def test_python_version() -> None:
    """Python 3.10 will do, and 3.9 will not."""
    assert [python((3, 10, 0)).status, python((3, 9, 20)).status] == ["ok", "failed"]


@pytest.mark.parametrize(
    ("system", "limit", "used", "expected"),
    [
        ("MemTotal: 9 kB\nMemAvailable:  4 kB\n", "", "", 4096),
        ("MemAvailable: 4 kB", "max", "1", 4096),
        ("MemAvailable: 4 kB", "3000", "1000", 2000),
        ("MemAvailable: 4 kB", "3000", "4000", 0),
        ("", "", "", None),
    ],
)
def test_free_memory(system: str, limit: str, used: str, expected: int | None) -> None:
    """A container has no more than its own limit leaves."""
    assert expected == free_memory(system, limit, used)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("scikit-learn==1.7.1", []),
        ("scikit_learn>=1.5,<2", []),
        ("scikit-learn==1.5.2", ["scikit-learn 1.7.1 instead of ==1.5.2"]),
        ("xgboost==3.0", ["no xgboost"]),
        ("mlflow==3.1.0", []),
        ("numpy==1.26; python_version < '3'", []),
        ("numpy[extra]==2.1.0  # a comment", []),
        ("# a comment", []),
        ("--extra-index-url https://example.com/simple", []),
        ("./wheels/own.whl", []),
        ("", []),
    ],
)
def test_requirements(line: str, expected: list[str]) -> None:
    """A package that is missing, or of another version than the model was logged with, is told."""
    assert expected == differing([line], HERE)


def test_models() -> None:
    """At most three models are named, with what is different for each."""
    found = Packages("3.12.1", HERE)
    few = models({"a v1": ["numpy==2.1.0"], "b v2": ["xgboost", "pandas==2.2.0"]}, found)
    many = models({f"m{at} v1": ["xgboost"] for at in range(5)}, found)

    assert (few.status, few.found) == ("warning", "b v2: no xgboost, pandas 2.3.3 instead of ==2.2.0")
    assert many.found == "m0 v1: no xgboost; m1 v1: no xgboost; m2 v1: no xgboost; 2 more models"
    assert models({"a v1": ["numpy"]}, found) == Check("model packages", "ok", "as 1 registered model had")
    assert models({}, found).status == "ok"


def test_check_that_breaks() -> None:
    """A check that cannot be made has failed, and the others are made all the same."""

    def broken() -> Check:
        raise ImportError("no such thing\nat all")

    assert (checked("x", broken).status, checked("x", broken).found) == ("failed", "ImportError: no such thing")


@pytest.mark.parametrize(
    ("told", "status", "found"),
    [
        ([{"step": "store", "address": "sqlite:///a", "models": 1}], "ok", "sqlite:///a, 1 registered model"),
        ([{"step": "store", "missing": "sqlite:///a", "given": False}], "warning", "sqlite:///a is not there yet"),
        ([{"step": "store", "missing": "sqlite:///a", "given": True}], "failed", "sqlite:///a is not there"),
        ([{"step": "store", "error": "x gives no usable answer"}], "failed", "x gives no usable answer"),
        ([], "failed", "no answer in 45 seconds"),
    ],
)
def test_store(told: list[dict[str, object]], status: str, found: str) -> None:
    """A store that the lakehouse has not made yet is no failure; one that was named, or is silent, is."""
    check = store_check(told, "no answer in 45 seconds")

    assert (status, found) == (check.status, check.found)
    assert bool(check.hint) == (status != "ok")


def test_spark_that_ends_early() -> None:
    """What was told before the end stands; the step that did not answer has failed, those after it were not tried."""
    told = [{"step": "session", "version": "4.2.0", "master": "local[*]", "seconds": 4.0}]
    checks = list(spark_checks(told, "it ended with status -9: killed", temporary=False))

    assert [(each.status, each.found) for each in checks] == [
        ("ok", "Spark 4.2.0 on local[*] starts in 4.0 s"),
        ("failed", "it ended with status -9: killed"),
        ("skipped", "not tried, since Python worker fails"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "An error occurred while calling o1.collectToPython.\n: org.apache.spark.SparkException: Job aborted: Lost"
            " task 0.0 in stage 0.0 (TID 0) (host executor driver): java.io.IOException: Cannot run program"
            ' "/no/python": error=2, No such file or directory\n\tat x',
            'Cannot run program "/no/python": error=2, No such file or directory',
        ),
        (
            "... Lost task 0.0 in stage 0.0 (TID 0) (host executor driver): org.apache.spark.SparkException: \n"
            "Error from python worker:\n  Traceback (most recent call last):\n  ModuleNotFoundError: No module\n"
            "PYTHONPATH was:\n  /x\n",
            "ModuleNotFoundError: No module",
        ),
        (
            "An exception was thrown from the Python worker.\nTraceback (most recent call last):\n  File x\n    y\n"
            "ImportError: PyArrow >= 18.0.0 must be installed\n",
            "ImportError: PyArrow >= 18.0.0 must be installed",
        ),
        (
            "[JAVA_GATEWAY_EXITED] Java gateway process exited.\nmore",
            "[JAVA_GATEWAY_EXITED] Java gateway process exited.",
        ),
        ("An error occurred while calling o1.sql.\n: java.io.IOException: Disk full\n\tat x", "Disk full"),
    ],
)
def test_reason(text: str, expected: str) -> None:
    """Of what Spark says, the line that names the cause is told."""
    assert expected == spark_reason(text)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ("oos", "All is well."),
        ("owwo", "Nothing fails. 2 warnings."),
        ("ofo", "1 of 3 checks fails."),
        ("fwf", "2 of 3 checks fail. 1 warning."),
    ],
)
def test_verdict(statuses: str, expected: str) -> None:
    """The last line counts what fails and what warns."""
    names = {"o": "ok", "w": "warning", "f": "failed", "s": "skipped"}

    assert expected == verdict([Check("x", names[each], "") for each in statuses])
