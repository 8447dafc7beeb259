"""The pages on tracking and on commands are true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from click.testing import CliRunner
from tracking_store import mlflow_at

from lakepredict.cli import main

ROOT = Path(__file__).parents[3]
TRACKING, COMMANDS, README = (
    (ROOT / name).read_text("utf-8") for name in ("docs/tracking.md", "docs/cli.md", "README.md")
)
KEY = re.compile(r"`(\w+)`")


@pytest.fixture(scope="module")
def example(lakehouse: Path) -> dict[str, Any]:
    """What the names in docs/tracking.md stand for after its code has run."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", str(lakehouse / "artifacts"))
        mlflow.set_tracking_uri(f"sqlite:///{lakehouse}/mlflow.db?")  # a store that has not read the variable yet
        exec(compile(re.findall(r"^```python\n(.*?)^```$", TRACKING, re.M | re.S)[0], "tracking.md", "exec"), names)
    return names


def test_example(example: dict[str, Any]) -> None:
    """The deeper forest is better, and becomes version 1."""
    loaded = mlflow.pyfunc.load_model("models:/store_sales@champion")

    assert list(example["compared"]["run_name"]) == ["depth_8", "depth_2"]
    assert example["version"] == 1
    assert len(loaded.predict(example["sales"][["store", "visits"]].astype("float64"))) == 100


@pytest.mark.parametrize("page", [COMMANDS, README], ids=["cli", "readme"])
def test_every_command_is_listed(page: str) -> None:
    """Each command has its line in the table, and no other has one."""
    assert set(re.findall(r"^\| \[?`lakepredict (\w+)", page, re.M)) == set(main.commands)


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("arguments", ["runs store_sales", "run depth_8", "models", "model store_sales"])
def test_keys_are_documented(example: dict[str, Any], lakehouse: Path, arguments: str) -> None:
    """Each key of the JSON that a command prints is in docs/cli.md, but for names of metrics, parameters and such."""
    run_id = example["compared"]["run_id"][0]
    with mlflow_at(None):
        words = [*arguments.replace("depth_8", run_id).split(), "--json", "--lakehouse", str(lakehouse)]
        result = CliRunner().invoke(main, words)
    documented = set(KEY.findall(COMMANDS[COMMANDS.index("## JSON") :]))
    found = set(keys(json.loads(result.stdout)))

    assert len(found) > 5
    assert found - documented == set()


def keys(value: object) -> Iterator[str]:
    """The keys of objects at any depth, without those whose keys are names that people gave."""
    if isinstance(value, list):
        for each in value:
            yield from keys(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            if key not in ("metrics", "params", "tags", "aliases"):
                yield from keys(each)
