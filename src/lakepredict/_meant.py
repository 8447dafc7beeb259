"""What is meant by a model or a version that is written as other programs write it; pure."""

from __future__ import annotations

import re

from lakepredict._sql import literal

_PARTS = (
    re.compile(r"(?:models:/+)?(?P<name>[^/:@]+)/(?P<version>[^/:@]+)/?"),  # Fabric's, and MLflow's address
    re.compile(r"(?:models:/+)?(?P<name>[^/:@]+)@(?P<version>[^/:@]+)"),
    re.compile(r"models:/+(?P<name>[^/:@]+)/?"),
)
"""How a model may be written that has its version in its name."""

_UNREGISTERED = re.compile(r"(?:runs:/|models:/+m-[0-9a-f]{32}\b|mlflow-artifacts:|dbfs:|file:|[a-z][a-z0-9]*://)")
"""How addresses begin of models that are logged, but have no name in the registry."""

_NUMBER = re.compile(r"(?:v|version)?[\s_-]*0*(?P<number>[1-9][0-9]{0,8})(?:\.0*)?", re.IGNORECASE)
"""How the number of a version may be written."""

_ALIAS = re.compile(r"(?!v[0-9]+$)[\w-]+", re.IGNORECASE)
"""What MLflow takes for an alias."""

STAGES = ("Staging", "Production", "Archived")
"""MLflow's stages, which came before aliases."""


def is_no_name(text: str) -> bool:
    """Tell whether MLflow refuses a text as the name of a registered model."""
    return "/" in text or ":" in text


def of_model(name: str, function: str) -> str | None:
    """Return what to write in place of a model that has its version in its name, or is an address; else None."""
    text = name.strip()
    if _UNREGISTERED.match(text):
        return (
            "register the model, and write its name and the number: mlflow.register_model(model_uri, 'sales_forecast')."
        )
    if not re.search(r"[/:@]", text):
        return None
    match = next(filter(None, (parts.fullmatch(text) for parts in _PARTS)), None)
    if match is None:
        return f"write name and version: {function}('sales_forecast', 'champion', ...)."
    version = match.groupdict().get("version")
    written = of_version(version) or literal(version) if version else "'champion'"
    return f"the version is an argument of its own: {function}({literal(match['name'])}, {written}, ...)."


def is_no_alias(text: str) -> bool:
    """Tell whether MLflow refuses a text as an alias, so that no model has it."""
    return not _ALIAS.fullmatch(text) or text.lower() == "latest"


def of_version(text: str) -> str | None:
    """Return the number that is meant by ``v1``, ``1.0`` or ``version 1``, or the word by ``LATEST``; else None."""
    match = _NUMBER.fullmatch(text.strip())
    if match is not None:
        return match["number"]
    return "'latest'" if text.strip().lower() == "latest" else None


def stage_of(alias: str) -> str | None:
    """Return the stage of MLflow's that an alias has the name of, or None."""
    return next((stage for stage in STAGES if stage.lower() == alias.lower()), None)
