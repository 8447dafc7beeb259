"""The packages of Python workers, beside what registered models were logged with; for ``lakepredict doctor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lakepredict.cli._checks import FAILED, OK, WARNING, Check

_LISTING = """
import json, sys
from importlib.metadata import distributions
from re import sub
packages = {sub("[-_.]+", "-", each.metadata["Name"]).lower(): each.version for each in distributions()}
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "packages": packages}))
"""
_SECONDS = 60.0
_NEEDED = ("numpy", "pandas", "pyarrow")
_MLFLOW = {"mlflow", "mlflow-skinny"}
"""Of MLflow any version will do: most models are loaded without it, and it loads those of older versions."""

_SHOWN = 3
"""Models that are named at most."""


@dataclass(frozen=True)
class Packages:
    """What is installed in a Python.

    Attributes:
        python: its version.
        versions: package -> version, names as pip compares them.
    """

    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def installed(command: str) -> Packages:
    """What a Python has, told by itself.

    Raises:
        OSError, subprocess.SubprocessError: it does not run.
    """
    done = subprocess.run(
        [command, "-c", _LISTING],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    told = json.loads(done.stdout)
    return Packages(told["python"], told["packages"])


def command() -> str:
    """The Python of workers on this machine: that of PYSPARK_PYTHON, else the one that runs this."""
    return os.environ.get("PYSPARK_PYTHON") or sys.executable


def packages() -> tuple[Check, Packages | None]:
    """Whether workers have what each model needs; and all that they have."""
    name, python = "worker packages", command()
    try:
        found = installed(python)
    except (OSError, subprocess.SubprocessError) as exc:
        hint = "unset PYSPARK_PYTHON, or set it to a Python with the same packages."
        return Check(name, FAILED, f"{python} does not run: {_reason(exc)}", hint), None
    missing = [each for each in _NEEDED if each not in found.versions]
    if missing:
        return Check(name, FAILED, f"{python} has no {', '.join(missing)}", f"pip install {' '.join(missing)}."), found
    if found.python.split(".")[:2] != [str(each) for each in sys.version_info[:2]]:
        here = "{}.{}".format(*sys.version_info[:2])
        text = f"{python} is Python {found.python}, and the driver's is {here}"
        return Check(name, FAILED, text, f"set PYSPARK_PYTHON to a Python {here}, or unset it."), found
    shown = ", ".join(f"{each} {found.versions[each]}" for each in _NEEDED)
    return Check(name, OK, shown if python == sys.executable else f"{shown} (PYSPARK_PYTHON={python})"), found


def models(requirements: Mapping[str, Iterable[str]], found: Packages) -> Check:
    """Whether workers have what models were logged with; other versions may do, so this warns.

    Args:
        requirements: a model and its version -> the lines of its ``requirements.txt``.
        found: what workers have.
    """
    name = "model packages"
    if not requirements:
        return Check(name, OK, "no model is registered")
    unlike = {model: gaps for model, lines in requirements.items() if (gaps := differing(lines, found.versions))}
    if not unlike:
        return Check(name, OK, f"as {len(requirements)} registered model{'s' * (len(requirements) > 1)} had")
    shown = [f"{model}: {', '.join(gaps)}" for model, gaps in list(unlike.items())[:_SHOWN]]
    more = [f"{len(unlike) - _SHOWN} more models"] if len(unlike) > _SHOWN else []
    hint = "a model may fail or predict otherwise; install these versions, or log the model anew with those here."
    return Check(name, WARNING, "; ".join(shown + more), hint)


def differing(lines: Iterable[str], versions: Mapping[str, str]) -> list[str]:
    """What of a model's ``requirements.txt`` is not installed, or in another version."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    gaps = []
    for line in lines:
        try:
            wanted = Requirement(line.partition(" #")[0].strip())
        except InvalidRequirement:
            continue  # an option, a path or a comment
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        name = canonicalize_name(wanted.name)
        here = versions.get(name)
        if here is None:
            gaps.append(f"no {wanted.name}")
        elif name not in _MLFLOW and not wanted.specifier.contains(here, prereleases=True):
            gaps.append(f"{wanted.name} {here} instead of {wanted.specifier}")
    return gaps


def _reason(exc: OSError | subprocess.SubprocessError) -> str:
    if isinstance(exc, subprocess.CalledProcessError):
        said = str(exc.stderr).strip().splitlines()
        return f"it ends with status {exc.returncode}{': ' + said[-1] if said else ''}"
    if isinstance(exc, subprocess.TimeoutExpired):
        return f"no answer in {exc.timeout:g} seconds"
    return getattr(exc, "strerror", None) or str(exc)
