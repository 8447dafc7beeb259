"""A model version's files on the driver."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakepredict import _registry
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._unreadable import hint_for_files
from lakepredict.errors import ModelUnreadableError


@contextmanager
def fetched(reference: ModelReference, model: ResolvedModel) -> Iterator[Path]:
    """The model's files, in a directory that is removed afterwards.

    Raises:
        ModelUnreadableError: they cannot be read from the artifact store.
    """
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as directory:
        try:
            files = _registry.download(model.name, model.version, directory)
        except Exception as exc:  # each kind of store fails with the errors of a library of its own
            reason = _registry.first_line(exc)
            hint = hint_for_files(model.name, model.version)
            raise ModelUnreadableError(call=str(reference), source=model.uri, reason=reason, hint=hint) from exc
        yield files
