"""The pandas engine: any MLflow flavor, called with a pandas data frame in a Python worker.

The model travels once per executor as a Spark broadcast and is loaded once per Python worker process.
Executors need neither the registry nor the artifact store nor a credential of theirs.
"""

from __future__ import annotations

import hashlib
import mmap
import tarfile
import tempfile
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql.pandas.types import to_arrow_type

from lakepredict._binding import Binding
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._worker import PackedModel, Scorer
from lakepredict.engines._files import fetch
from lakepredict.engines.base import PythonFunction


def build(
    context: SparkContext, reference: ModelReference, binding: Binding, *, timezone: str, lenient: bool
) -> PythonFunction:
    """Ship the model to the executors and describe the function that scores with it.

    Raises:
        ModelUnreadableError: the model's files cannot be read from the artifact store.
    """
    model = binding.model
    tensor = binding.inputs[0].input.dtype if model.signature.tensor else None
    scorer = Scorer(
        model=context.broadcast(_pack(reference, model)),
        names=tuple(bound.input.name for bound in binding.inputs),
        tensor=tensor,
        result=to_arrow_type(model.signature.result, timezone="UTC"),
        timezone=timezone,
        vector=model.signature.vector,
        width=len(model.signature.inputs) if len(model.signature.inputs) > 1 else None,
        lenient=lenient,
    )
    return PythonFunction(
        scorer, f"{reference.function.lower()}[{model.name} v{model.version}]", model.signature.result
    )


def _pack(reference: ModelReference, model: ResolvedModel) -> PackedModel:
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as scratch:
        files = fetch(reference, model, scratch)
        return _archive(files, f"the model '{model.name}' version {model.version}")


def _archive(source: Path, label: str) -> PackedModel:
    """One uncompressed archive in an unnamed temporary file, mapped into memory but never read into it."""
    with tempfile.TemporaryFile(prefix="lakepredict-") as file:
        with tarfile.open(fileobj=file, mode="w:") as archive:
            archive.add(source, arcname=".")
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return PackedModel(mapped, hashlib.sha256(mapped).hexdigest(), label)
