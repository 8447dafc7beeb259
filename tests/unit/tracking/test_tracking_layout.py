"""What the tracking package promises of its parts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lakepredict import errors, tracking

PACKAGE = Path(tracking.__file__).parent
ON_SPARK = {
    "_describe.py",
    "_evaluate.py",
    "_fitting.py",
    "_progress.py",
    "_record.py",
    "_stages.py",
    "_tables.py",
    "_track.py",
}
IMPORT = re.compile(r"^\s*(?:from|import) pyspark", re.MULTILINE)


@pytest.mark.parametrize("path", [path for path in PACKAGE.glob("*.py") if path.name not in ON_SPARK], ids=str)
def test_no_spark(path: Path) -> None:
    """Comparing, registering, formats and plots know nothing of Spark."""
    assert not IMPORT.search(path.read_text("utf-8"))


def test_the_rule_can_fail() -> None:
    """The rule above finds the imports of the part that is on Spark."""
    assert all(IMPORT.search((PACKAGE / name).read_text("utf-8")) for name in ON_SPARK)


@pytest.mark.parametrize("name", tracking.__all__)
def test_public_names_resolve(name: str) -> None:
    """Everything in ``__all__`` can be had from the package, and says what it does."""
    assert getattr(tracking, name).__doc__


@pytest.mark.parametrize("error", errors.TrackingError.__subclasses__(), ids=lambda error: error.name)
def test_errors_have_the_house_form(error: type[errors.TrackingError]) -> None:
    """Errors of tracking have the house form too, each under a name of its own."""
    expected = f"[{error.name}] It failed.\n  expected: a\n  got:      b\n  hint: c."
    others = [each.name for each in errors.TrackingError.__subclasses__() if each is not error]

    assert expected == str(error("It failed.", expected="a", got="b", hint="c."))
    assert error.name not in others


def test_comparing_does_not_wait_for_spark_ml() -> None:
    """The package's parts on Spark ML are imported when they are asked for."""
    code = (
        "import sys, lakepredict.tracking as tracking;"
        "before = {'pyspark.ml', 'delta', 'matplotlib'} & set(sys.modules);"
        "print(sorted(before), tracking.fit_and_log.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[] fit_and_log"
