"""The architecture's promises that a look at the source can hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lakepredict

PACKAGE = Path(lakepredict.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
DOORS = [path for path in MODULES if path.parts[0] == "_jvm" or path == Path("serve/_jvm.py")]
"""The modules that may name py4j and Spark's private members: the package for it, and the servers' for BI tools."""

PRIVATE = re.compile(
    r"\bpy4j\b|\b_jvm\.(?:java|org|scala|PythonUtils)|\._jvm\b(?!\s*import)|\b_jsparkSession\b|\b_jdf\b|\b_judf\b"
    r"|\b_jsc\b|\b_gateway\b|\b_jc\b|\b_jconf\b|org\.apache\.spark\.(?!sql\.delta)|\bcatalyst\b"
)


@pytest.mark.parametrize("module", [path for path in MODULES if path not in DOORS], ids=str)
def test_one_door_to_the_jvm(module: Path) -> None:
    """py4j and Spark's private names occur behind the doors alone."""
    found = [line for line in (PACKAGE / module).read_text("utf-8").splitlines() if PRIVATE.search(line)]

    assert found == []


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_the_door_is_where_it_is_said_to_be(door: Path) -> None:
    """The rule above would find something in each door, so it can fail."""
    assert PRIVATE.search((PACKAGE / door).read_text("utf-8"))


def test_workers_import_little() -> None:
    """What a Python worker imports brings neither pyspark nor mlflow nor pandas along."""
    code = (
        "import sys, lakepredict._worker.scorer;"
        "print(sorted({'pyspark', 'mlflow', 'pandas', 'sklearn', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_help_imports_little() -> None:
    """``lakepredict --help`` does not wait for pyspark and mlflow."""
    code = "import sys, lakepredict.cli;print(sorted({'pyspark', 'mlflow', 'pandas', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", lakepredict.__all__)
def test_public_names_resolve(name: str) -> None:
    """Everything in ``__all__`` can be had from the package."""
    assert getattr(lakepredict, name) is not None


def test_both_log_settings_are_the_same() -> None:
    """``conf/log4j2.properties`` is the package's own, for those who start Spark themselves."""
    ours = (PACKAGE / "log4j2.properties").read_text("utf-8")
    theirs = (PACKAGE.parents[1] / "conf" / "log4j2.properties").read_text("utf-8")

    assert ours == theirs
