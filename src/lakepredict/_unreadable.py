"""What to do about a model whose files, or whose code, cannot be had."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

from mlflow import MlflowClient, get_registry_uri
from mlflow.exceptions import MlflowException

_CLASS = re.compile(r"ClassNotFoundException: ([\w.$]+)|NoClassDefFoundError: ([\w./$]+)")
"""How Java says that it lacks a class."""

_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
"""How Python says that a module is another one than the stage was written with."""


def hint_for_files(name: str, version: int) -> str | None:
    """Return what to do where a version's files are not at the path that the registry has; None if they are there.

    Only a registry that is a file is asked: another may be what does not answer.
    """
    if not get_registry_uri().startswith(("sqlite:", "file:")):
        return None
    try:
        address = MlflowClient().get_model_version_download_uri(name, str(version))
    except (MlflowException, OSError):
        return None  # then it is the registry that does not answer, which the error says
    place = _local(address)
    return None if place is None or place.exists() else hint_for_missing(place, _folder_of(get_registry_uri()))


def hint_for_missing(place: Path, lakehouse: Path | None) -> str:
    """Return what to do about a folder that is not there; pure but for a look at the lakehouse.

    Args:
        place: where the registry has the files.
        lakehouse: the folder with the registry's own file, if it is a file.
    """
    old = _moved_from(place, lakehouse) if lakehouse is not None else None
    if old is not None:
        return (
            f"the lakehouse was moved here from {old}, and MLflow keeps absolute paths: move it back, or let the old"
            f" path lead here with ln -s {lakehouse} {old}"
        )
    return (
        f"there is no {place}. Where the lakehouse was moved, move it back, or let the old path lead to it with ln -s;"
        " where the files were deleted, log the model again."
    )


def _moved_from(place: Path, lakehouse: Path) -> Path | None:
    """Return the folder that a lakehouse had when the files were written, if it has them at their old place in it."""
    # The longest path below a folder first: many a folder has an "artifacts" in it.
    for folder in reversed([*place.parents]):
        if folder != lakehouse and (lakehouse / place.relative_to(folder)).exists():
            return folder
    return None


def _local(address: str) -> Path | None:
    parsed = urlparse(address)
    if parsed.scheme not in ("", "file") or parsed.netloc not in ("", "localhost"):
        return None
    return Path(unquote(parsed.path) if parsed.scheme else address)


def _folder_of(registry: str) -> Path | None:
    """Return the folder with the database of a registry that is a file."""
    return Path(registry.removeprefix("sqlite:///")).parent if registry.startswith("sqlite:///") else None


def hint_for_code(error: BaseException, java: str) -> str | None:
    """Return what to do where the code of a stage of Spark ML is not there; None for any other error.

    Args:
        error: what its loading raised.
        java: what Java says of it, if it is one of Java's.
    """
    match = _CLASS.search(java)
    if match is not None:
        name = (match[1] or match[2]).replace("/", ".")
        return f"Java has no class {name}, which a stage is of: start Spark with its JAR (spark.jars.packages)."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (
            f"the driver has no Python module {error.name}, which a stage is of: install its package here, or log the"
            " model with code_paths=[...], which brings its code along."
        )
    attribute = _ATTRIBUTE.search(str(error))
    if attribute is None:
        return None
    return (
        f"the driver's Python module {attribute[1]} has no {attribute[2]}, which a stage is of: log the model with"
        " code_paths=[...], which brings its code along; a class of a notebook or a script is not found elsewhere."
    )
