"""What is said of models whose files or whose code are not there."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.linear_model import LinearRegression

from lakepredict import lakehouse
from lakepredict._registry import ModelReference, resolve
from lakepredict._unreadable import hint_for_code, hint_for_missing
from lakepredict.errors import ModelUnreadableError

PLACE = "artifacts/1/models/m-1/artifacts"


def test_moved_lakehouse(tmp_path: Path) -> None:
    """Where the files are in the lakehouse as it is now, the folder that it was in is known."""
    (tmp_path / "new" / PLACE).mkdir(parents=True)
    hint = hint_for_missing(tmp_path / "old" / PLACE, tmp_path / "new")

    assert hint.startswith(
        f"the lakehouse was moved here from {tmp_path}/old, and MLflow keeps absolute paths: move it"
    )
    assert hint.endswith(f"ln -s {tmp_path}/new {tmp_path}/old")


@pytest.mark.parametrize("lakehouse", [None, Path("/nowhere/lakehouse")])
def test_deleted_files(lakehouse: Path | None) -> None:
    """Where they are nowhere, the path is told, and both that may be the reason."""
    hint = hint_for_missing(Path("/old/lakehouse") / PLACE, lakehouse)

    assert hint.startswith("there is no /old/lakehouse/artifacts/1/models/m-1/artifacts. Where the lakehouse was moved")


def test_moved_lakehouse_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a lakehouse that was moved is refused with the way to read it, and is read that way."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    old, new = (lakehouse.locate(tmp_path / name) for name in ("old", "new"))
    signature = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double")]))
    try:
        lakehouse.create(old)
        mlflow.set_tracking_uri(old.mlflow_uri)
        experiment = MlflowClient().create_experiment("moved", old.artifacts)
        with mlflow.start_run(experiment_id=experiment):
            model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
            mlflow.sklearn.log_model(
                model, name="model", signature=signature, registered_model_name="moved", pip_requirements=[]
            )
        Path(old.root).rename(new.root)
        mlflow.set_tracking_uri(new.mlflow_uri)
        with pytest.raises(ModelUnreadableError) as caught:
            resolve(ModelReference("moved", 1))
        hint = str(caught.value).splitlines()[-1]
        Path(old.root).symlink_to(new.root)

        assert hint.endswith(f"let the old path lead here with ln -s {new.root} {old.root}")
        assert resolve(ModelReference("moved", 1)).version == 1
    finally:
        mlflow.set_tracking_uri(before)


@pytest.mark.parametrize(
    ("error", "java", "expected"),
    [
        (
            ModuleNotFoundError("No module named 'cleaning'", name="cleaning"),
            "",
            "the driver has no Python module cleaning",
        ),
        (AttributeError("module '__main__' has no attribute 'Doubled'"), "", "Python module __main__ has no Doubled"),
        (
            RuntimeError("an error"),
            "java.lang.ClassNotFoundException: com.example.Cleaner\n\tat x",
            "Java has no class com.example.Cleaner",
        ),
        (
            RuntimeError("an error"),
            "java.lang.NoClassDefFoundError: com/example/Cleaner\n",
            "class com.example.Cleaner,",
        ),
    ],
    ids=["module", "attribute", "class", "definition"],
)
def test_missing_code(error: Exception, java: str, expected: str) -> None:
    """The module or the class that a stage is of is named."""
    assert expected in (hint_for_code(error, java) or "")


def test_other_errors_of_stages() -> None:
    """An error that is of no missing code gets no such hint."""
    assert hint_for_code(ValueError("no such file"), "java.io.FileNotFoundException: x") is None
