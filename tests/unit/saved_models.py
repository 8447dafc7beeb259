"""Models saved by MLflow and scored as a Python worker does, without Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakepredict._worker.batch import Feature
from lakepredict._worker.native import NativeModel
from lakepredict._worker.packed_model import MlflowModel
from lakepredict._worker.scorer import Scorer

ENGINES = ("arrow", "pandas")
"""The engines in Python workers: the model's own library, and MLflow's loader."""


@dataclass
class Loaded:
    """Stands in for a broadcast and the packed model in it: a directory that is loaded once for each engine."""

    path: Path
    label: str = "the model 'm' version 1"
    notes: dict[Any, Any] = field(default_factory=dict)
    models: dict[Any, Any] = field(default_factory=dict)

    @property
    def value(self) -> Loaded:
        """Itself, as it came."""
        return self

    def load(self, names: tuple[str | None, ...] | None = None) -> Any:
        """The model, without MLflow where the names of its inputs are given."""
        if names not in self.models:
            path = str(self.path)
            self.models[names] = MlflowModel(path) if names is None else NativeModel(path, names)
        return self.models[names]


def scorer_of(
    save: Callable[..., Any], model: Any, path: Path, names: Iterable[str | None], engine: str = "arrow", **options: Any
) -> Scorer:
    """Save a model and return what scores with it in a worker."""
    if not path.exists():
        save(model, path, pip_requirements=[])
    features = tuple(Feature(name, options.pop("dtype", None), options.pop("shape", ())) for name in names)
    options.setdefault("result", pa.float64())
    return Scorer(model=Loaded(path), features=features, timezone="UTC", native=engine == "arrow", **options)
