"""A lakehouse: one folder with Delta tables and MLflow's store; scoring its tables, and judging what was scored."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lakepredict.lakehouse._attach import Changes, attach, refresh
from lakepredict.lakehouse._folder import Folder, create, locate, use_mlflow

if TYPE_CHECKING:
    from lakepredict.lakehouse._evaluate import Challenge, challenge, evaluate
    from lakepredict.lakehouse._score import Scoring, score

__all__ = [
    "Challenge",
    "Changes",
    "Folder",
    "Scoring",
    "attach",
    "challenge",
    "create",
    "evaluate",
    "locate",
    "refresh",
    "score",
    "use_mlflow",
]

_SCORING = {
    "Challenge": "_evaluate",
    "Scoring": "_score",
    "challenge": "_evaluate",
    "evaluate": "_evaluate",
    "score": "_score",
}
"""What the session itself does not need, and needs the session's modules."""


def __getattr__(name: str) -> Any:
    if name not in _SCORING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_SCORING[name]}"), name)
