"""A packed model: its journey to a worker, loading it once, and its own Python modules."""

from __future__ import annotations

import gc
import io
import mmap
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

from lakepredict._worker import packed_model
from lakepredict._worker.packed_model import OwnModules, PackedModel
from lakepredict.errors import ModelUnloadableError

LABEL = "the model 'sales' version 3"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mmap.mmap]:
    """The archive of a model that predicts 2x + 1 and refuses NaN, mapped into memory."""
    folder = tmp_path_factory.mktemp("packed")
    inputs = pd.DataFrame({"x": [0.0, 1.0]})
    model = LinearRegression().fit(inputs, [1.0, 3.0])
    signature = infer_signature(inputs, np.array([1.0, 3.0]))
    mlflow.sklearn.save_model(model, folder / "model", signature=signature, pip_requirements=[])
    with tarfile.open(folder / "model.tar", "w") as tar:
        tar.add(folder / "model", arcname=".")
    with (folder / "model.tar").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that the application's workers share."""
    monkeypatch.setattr(packed_model, "_scratch_directory", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that models are loaded from."""
    found: list[str] = []
    load = mlflow.pyfunc.load_model

    def noted(path: str) -> Any:
        found.append(path)
        return load(path)

    monkeypatch.setattr(mlflow.pyfunc, "load_model", noted)
    return found


@pytest.fixture
def packed(archive: mmap.mmap) -> PackedModel:
    """The packed model on the driver."""
    return PackedModel(archive, "d1235", LABEL)


def shipped(packed: PackedModel) -> PackedModel:
    """The packed model as a worker gets it."""
    return pickle.loads(pickle.dumps(packed, protocol=5))


def test_packed_model(packed: PackedModel, scratch: Path, loads: list[str]) -> None:
    """A packed model survives its journey to a worker and loads once, when it predicts for the first time."""
    arrived = shipped(packed)
    loads_before = list(loads)
    found = [arrived.load().predict(pd.DataFrame({"x": [x]}))[0] for x in (1.0, 2.0, 3.0)]
    expected = pytest.approx([3.0, 5.0, 7.0])

    assert expected == found
    assert not loads_before
    assert [str(scratch / "lakepredict-model-d1235")] == loads
    assert packed.digest == arrived.digest
    assert packed.label == arrived.label


def test_packed_model_is_not_copied(packed: PackedModel, archive: mmap.mmap) -> None:
    """Pickling leaves the archive where it is, for a pickler that takes buffers out of band."""
    buffers: list[pickle.PickleBuffer] = []
    text = pickle.dumps(packed, protocol=5, buffer_callback=buffers.append)

    assert len(text) < 1000
    assert [len(archive)] == [buffer.raw().nbytes for buffer in buffers]


def test_unpacked_once(packed: PackedModel, scratch: Path, loads: list[str]) -> None:
    """Workers of one application share the unpacked files, so the second one needs no archive."""
    data = pd.DataFrame({"x": [1.0]})
    first, second = shipped(packed), PackedModel(b"", packed.digest, LABEL)
    expected = pytest.approx([3.0])

    assert expected == first.load().predict(data)
    assert expected == second.load().predict(data)
    assert [str(scratch / "lakepredict-model-d1235")] * 2 == loads
    assert [scratch / "lakepredict-model-d1235"] == list(scratch.iterdir())


def test_unpacked_by_two_at_once(packed: PackedModel, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that unpacks while another one finishes takes the other's files and removes its own."""
    unpacked = PackedModel._unpacked
    make = packed_model.tempfile.mkdtemp
    first, second = shipped(packed), shipped(packed)

    def make_late(**options: Any) -> str:
        monkeypatch.setattr(packed_model.tempfile, "mkdtemp", make)
        unpacked(first)
        return make(**options)

    monkeypatch.setattr(packed_model.tempfile, "mkdtemp", make_late)
    expected = pytest.approx([3.0])

    assert expected == second.load().predict(pd.DataFrame({"x": [1.0]}))
    assert [scratch / "lakepredict-model-d1235"] == list(scratch.iterdir())


def test_two_models(packed: PackedModel, archive: mmap.mmap, scratch: Path, loads: list[str]) -> None:
    """Models of other content have directories of their own."""
    data = pd.DataFrame({"x": [1.0]})
    other = PackedModel(archive, "other", LABEL)
    packed.load().predict(data)
    other.load().predict(data)

    assert {"lakepredict-model-d1235", "lakepredict-model-other"} == {path.name for path in scratch.iterdir()}


def test_removed_with_the_last_model(packed: PackedModel, scratch: Path) -> None:
    """The unpacked files go when the last model that was loaded from them goes."""
    data = pd.DataFrame({"x": [1.0]})
    models = [shipped(packed), shipped(packed)]
    for model in models:
        model.load().predict(data)
    del model, models[0]
    gc.collect()

    assert len(list(scratch.iterdir())) == 1
    models.clear()
    gc.collect()
    assert list(scratch.iterdir()) == []


def test_no_schema_enforcement(packed: PackedModel, scratch: Path) -> None:
    """MLflow, which would refuse a boolean here, does not check a batch against the signature again."""
    expected = pytest.approx([3.0])

    assert expected == packed.load().predict(pd.DataFrame({"x": [True]}))


def test_archive_that_leaves_its_directory(scratch: Path) -> None:
    """An archive cannot write beside its directory."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))

    with pytest.raises(tarfile.OutsideDestinationError):
        PackedModel(written.getvalue(), "d1235", LABEL).load()

    assert not (scratch / "outside").exists()


def save(folder: Path, constant: int, *, lazy: bool) -> Path:
    """Save a model whose own module ``constants`` has the number that it predicts."""
    code = folder / "constants.py"
    code.parent.mkdir(parents=True)
    code.write_text(f"CONSTANT = {constant}\n")
    early, late = "from constants import CONSTANT", "pass"
    if lazy:
        early, late = late, early
    model = folder / "model.py"
    model.write_text(
        f"""
import mlflow
{early}
class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float]):
        {late}
        return [CONSTANT] * len(model_input)
mlflow.models.set_model(Model())
"""
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, "constants", raising=False)
        mlflow.pyfunc.save_model(folder / "saved", python_model=str(model), code_paths=[str(code)], pip_requirements=[])
        sys.modules.pop("constants", None)
    return folder / "saved"


@pytest.mark.parametrize("lazy", [False, True], ids=["at the top", "in predict"])
def test_modules_of_one_name(tmp_path: Path, lazy: bool) -> None:
    """Two models with modules of the same name each have their own, whichever was loaded or called first."""
    saved = [save(tmp_path / str(constant), constant, lazy=lazy) for constant in (1, 2)]
    path = list(sys.path)
    models = [packed_model.MlflowModel(str(each)) for each in saved]

    assert [model.predict([0.0], None) for model in models * 2] == [[1], [2], [1], [2]]
    assert "constants" not in sys.modules
    assert sys.path == path


def test_module_that_the_program_has_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's module goes before one of the same name that the process has, and leaves it as it was."""
    other = type(sys)("constants")
    saved = save(tmp_path / "model", 7, lazy=True)
    monkeypatch.setitem(sys.modules, "constants", other)
    model = packed_model.MlflowModel(str(saved))

    assert model.predict([0.0], None) == [7]
    assert sys.modules["constants"] is other


def test_modules_of_a_package(tmp_path: Path) -> None:
    """A package and a namespace package in a model's code are the model's own, with all that is in them."""
    code = tmp_path / "code"
    for name in ("plain/inner.py", "spaced/inner.py"):
        (code / name).parent.mkdir(parents=True)
        (code / name).write_text("VALUE = 1\n")
    (code / "plain/__init__.py").touch()
    own = OwnModules(tmp_path)
    with own.in_place():
        sys.path.insert(0, str(code))
        import plain.inner  # type: ignore[import-not-found]
        import spaced.inner  # type: ignore[import-not-found]

        found = plain.inner.VALUE + spaced.inner.VALUE

    assert found == 2
    assert [name for name in sys.modules if name.startswith(("plain", "spaced"))] == []


def test_module_that_answers_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that has an object for every name, as ``torch.classes``, is nobody's, and loaded while a model works."""

    class Answering(ModuleType):
        """Has every attribute."""

        def __getattr__(self, name: str) -> object:
            """Answer."""
            return object()

    (tmp_path / "code").mkdir()
    (tmp_path / "code/own.py").touch()
    with OwnModules(tmp_path).in_place():
        monkeypatch.setitem(sys.modules, "answering", Answering("answering"))

    assert "answering" in sys.modules


def test_missing_library() -> None:
    """A library that is missing is named, as the package to install, in the version that the model was logged with."""
    code = """
import sys, tempfile
from pathlib import Path
import mlflow
from sklearn.linear_model import LinearRegression
from lakepredict._worker import packed_model

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

folder = Path(tempfile.mkdtemp())
model = LinearRegression().fit([[1], [2]], [1, 2])
wanted = ["scikit-learn==1.5.0"]
mlflow.sklearn.save_model(model, folder / "m", pip_requirements=wanted, serialization_format="cloudpickle")
for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
    del sys.modules[name]
sys.meta_path.insert(0, Missing())
try:
    packed_model.MlflowModel(str(folder / "m"))
except Exception as exc:
    print(packed_model._hint(exc, str(folder / "m")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "install the missing package on each executor: pip install scikit-learn==1.5.0"


def test_model_that_leaves_the_program(packed: PackedModel, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose code calls sys.exit when it is loaded cannot be loaded; it does not end the worker."""
    monkeypatch.setattr(mlflow.pyfunc, "load_model", lambda path: sys.exit(2))
    with pytest.raises(ModelUnloadableError, match="SystemExit: 2"):
        shipped(packed).load()


def test_damaged_model(scratch: Path, golden: Callable[[str, str], None]) -> None:
    """A directory without a model is an error that has the model's name."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w"):
        pass

    with pytest.raises(ModelUnloadableError, match="sales") as raised:
        PackedModel(written.getvalue(), "empty", LABEL).load()

    golden("errors/predict_model_unloadable.txt", str(raised.value).replace(str(scratch), "<folder>"))
