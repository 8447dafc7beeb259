"""A model on its way to the workers, and in them: packed once, loaded once per process, with its code to itself.

Runs in Python workers, so MLflow and the model's own library are imported when a model is loaded, not before.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from lakepredict._worker.form import Form, form_of
from lakepredict._worker.native import LOADERS, NativeModel
from lakepredict._worker.parts import lacking
from lakepredict._worker.probabilities import Classifier, classifier
from lakepredict._worker.row_by_row import answers_one_row, asked_row_by_row, has_arrays
from lakepredict.errors import ModelUnloadableError

_DIRECTORY = "lakepredict-model-"
_PACKAGES = {
    "sklearn": "scikit-learn",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
}
"""Modules whose packages have another name."""


class PackedModel:
    """A model directory as one archive, which loads at most once per Python worker process.

    Life-cycle: made on the driver from a memory-mapped archive, so that pickling it copies nothing into the
    driver's heap; travels as a Spark broadcast; a worker keeps the unpickled object, and with it the loaded
    model, across tasks until Spark drops the broadcast.

    Attributes:
        digest: of the archive.
        label: how messages name the model.
        notes: what scoring found out about the model in this process.
    """

    def __init__(self, archive: Any, digest: str, label: str) -> None:
        self._archive = archive
        self._path: str | None = None
        self._loaded: dict[Any, MlflowModel | NativeModel] = {}
        self.digest = digest
        self.label = label
        self.notes: dict[Any, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedModel, (pickle.PickleBuffer(self._archive), self.digest, self.label)

    def load(self, names: tuple[str | None, ...] | None = None) -> MlflowModel | NativeModel:
        """The model, which the first call of a process loads.

        Args:
            names: the names of its inputs, to have it without MLflow; or None.

        Raises:
            ModelUnloadableError: it cannot be loaded.
        """
        if names not in self._loaded:
            path = self._unpacked()
            try:
                self._loaded[names] = MlflowModel(path) if names is None else NativeModel(path, names)
            except (Exception, SystemExit) as exc:  # a module that calls sys.exit is not to end the worker
                raise ModelUnloadableError(
                    model=self.label, reason=f"{type(exc).__name__}: {exc}", hint=_hint(exc, path)
                ) from exc
            self._archive = None
        return self._loaded[names]

    def _unpacked(self) -> str:
        """The model's directory on this machine, which worker processes of one application share.

        It is kept for as long as one of them has the model.
        """
        if self._path is not None:
            return self._path
        root = _scratch_directory()
        path = os.path.join(root, f"{_DIRECTORY}{self.digest}")
        lock = _lock(path)
        if lock is None:
            for each in Path(root).glob(f"{_DIRECTORY}*"):
                _remove_unused(str(each))
        while lock is None:
            self._unpack(root, path)
            lock = _lock(path)
        weakref.finalize(self, _remove_unused, path, lock)
        self._path = path
        return path

    def _unpack(self, root: str, path: str) -> None:
        staging = tempfile.mkdtemp(dir=root, prefix="lakepredict-unpacking-")
        with tarfile.open(fileobj=io.BytesIO(self._archive), mode="r:") as archive:
            archive.extractall(staging, filter="data")
        try:
            os.rename(staging, path)
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(staging)


def _lock(path: str) -> int | None:
    """Keep other processes from removing a directory; None where there is none.

    The lock ends with the process, however that ends.
    """
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(lock, fcntl.LOCK_SH)
    if _is_at(path, lock):
        return lock
    os.close(lock)
    return None


def _remove_unused(path: str, lock: int | None = None) -> None:
    """Give up a lock on a directory, if there is one, and remove the directory, unless a process has it."""
    lock = _lock(path) if lock is None else lock
    if lock is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(path, lock):
            removed = tempfile.mkdtemp(dir=os.path.dirname(path), prefix="lakepredict-removing-")
            os.rename(path, removed)
            shutil.rmtree(removed)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def _is_at(path: str, lock: int) -> bool:
    return os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(lock))


def _scratch_directory() -> str:
    """A directory that Spark removes when the application ends."""
    from pyspark import SparkFiles

    return os.path.abspath(SparkFiles.getRootDirectory())


def _hint(exc: BaseException, path: str) -> str:
    """Return what to install, where a library is missing; else what the model was made with."""
    requirements = Path(path, "requirements.txt")
    wanted = requirements.read_text(encoding="utf-8").split() if requirements.exists() else []
    cause: BaseException | None = exc
    while cause is not None and not isinstance(cause, ModuleNotFoundError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        module = cause.name.partition(".")[0]
        package = _PACKAGES.get(module, module)
        pinned = next((each for each in wanted if _normalised(each).startswith(_normalised(package))), package)
        return f"install the missing package on each executor: pip install {pinned}"
    if wanted:
        return f"install on each executor what the model was logged with: {', '.join(wanted)}."
    return "see whether mlflow.pyfunc.load_model loads it on the driver."


def _normalised(package: str) -> str:
    return package.lower().replace("_", "-")


class MlflowModel:
    """A model of any flavor in this process, as MLflow loads it."""

    def __init__(self, path: str) -> None:
        import mlflow.pyfunc
        from mlflow.models import ModelSignature

        self._modules = OwnModules(Path(path))
        with self._modules.in_place():
            self._model = mlflow.pyfunc.load_model(path)
        # The plan has cast every argument already: no schema enforcement for each batch, but of the parameters.
        signature = self._model.metadata.signature
        params = signature and signature.params
        self._as_arrays = has_arrays(signature)
        self._model.metadata.signature = ModelSignature(params=params) if params else None
        self._classifier: Classifier | None = None
        self._one_row = answers_one_row(self._model)
        self._forms: dict[tuple[Any, ...], Form] = {}

    def form(self, names: Sequence[str | None], arrow_types: Sequence[pa.DataType]) -> Form:
        """Return the form in which it takes a batch: a data frame, but for some models of scikit-learn and its kin.

        Args:
            names: the names of the inputs.
            arrow_types: their types.

        Raises:
            FormError: there is none.
        """
        key = (*names, *arrow_types)
        if key not in self._forms:
            self._forms[key] = self._form(names, arrow_types)
        return self._forms[key]

    def _form(self, names: Sequence[str | None], arrow_types: Sequence[pa.DataType]) -> Form:
        # MLflow hands a data frame to these libraries as it is, and knows nothing of what they do with it.
        if LOADERS.get(self._model.loader_module, "onnx") == "onnx":
            return Form()
        function = self._model.metadata.flavors["python_function"].get("predict_fn", "predict")
        with self._modules.in_place():
            return form_of(self._model.get_raw_model(), function, names, arrow_types)

    def lacks(self, absent: Set[str]) -> set[str]:
        """Return which of the optional inputs that a call does not provide it needs, as far as it is known to."""
        if not absent:
            return set()
        try:
            return lacking(self._model.get_raw_model(), absent)
        except NotImplementedError:  # a custom model: it shows what it needs when it fails
            return set()

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Score one batch.

        Args:
            data: what the model takes.
            params: inference parameters, or None for the defaults of the signature.
        """
        with self._modules.in_place():
            ask = partial(self._model.predict, params=None if params is None else dict(params))
            if self._one_row:
                return asked_row_by_row(ask, data, as_arrays=self._as_arrays)
            if self._model.loader_module != "mlflow.prophet":
                return ask(data)
            order = _order_of_time(data)
            return ask(data.iloc[order]).iloc[order.argsort()].reset_index(drop=True)

    def probabilities(self, data: Any) -> Any:
        """The probability of each class for one batch, one column for each of the classifier's labels.

        Raises:
            NoProbabilitiesError: it is no classifier that gives probabilities.
        """
        with self._modules.in_place():
            return self.classifier().probabilities(data)

    def classifier(self) -> Classifier:
        """The classifier that the model is.

        Raises:
            NoProbabilitiesError: it is none.
        """
        if self._classifier is None:
            with self._modules.in_place():
                self._classifier = classifier(self._model)
        return self._classifier


def _order_of_time(data: Any) -> Any:
    """The places of the rows by time: Prophet gives its forecasts in this order, whatever order the rows come in."""
    import pandas as pd

    moments = data["ds"].astype(str) if data["ds"].dtype.kind == "i" else data["ds"]
    return pd.to_datetime(moments).to_numpy().argsort(kind="stable")


class OwnModules:
    """The Python modules in a model's directory, known to the interpreter only while that model works.

    MLflow puts the code that a model was logged with on ``sys.path`` and leaves it there. Of two models, or two
    versions of one, that bring a module of the same name, the second would get the first one's.
    """

    def __init__(self, directory: Path) -> None:
        code = directory / "code"
        self._directory = directory
        self._names = {each.stem for each in code.iterdir()} if code.is_dir() else set()
        self._modules: dict[str, ModuleType] = {}
        self._path: list[str] = []

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let ``import`` find this model's modules, ahead of all others of their names."""
        if not self._names:
            yield
            return
        path = sys.path
        shadowed = [name for name in sys.modules if name.partition(".")[0] in self._names]
        hidden = {name: sys.modules.pop(name) for name in shadowed}
        others = set(sys.modules)
        sys.modules.update(self._modules)
        sys.path = [*self._path, *path]
        try:
            yield
        finally:
            self._path = [each for each in sys.path if self._holds(each)]
            added = {name: sys.modules[name] for name in sys.modules.keys() - others}
            self._modules = {name: module for name, module in added.items() if self._is_own(module)}
            for name in self._modules:
                del sys.modules[name]
            sys.modules.update(hidden)
            sys.path = path

    def _is_own(self, module: ModuleType) -> bool:
        own = getattr(module, "__dict__", {})
        places = [own.get("__file__"), *_search_path(own.get("__path__"))]
        return any(isinstance(each, str) and self._holds(each) for each in places)

    def _holds(self, place: str) -> bool:
        return place.startswith(f"{self._directory}{os.sep}")


def _search_path(found: object) -> list[Any]:
    """Where a package looks for its modules; a namespace package has nothing but that.

    Not everything in ``sys.modules`` has a list there: ``torch.classes`` gives an object for any name.
    """
    return list(found) if isinstance(found, Iterable) else []
