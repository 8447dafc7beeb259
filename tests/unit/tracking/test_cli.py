"""The commands on MLflow's store, as they print: tables, JSON and errors. Ids and times are masked."""

from __future__ import annotations

import json
import math
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from tracking_store import Experiment, mlflow_at

from lakepredict import tracking
from lakepredict.cli import main

INPUTS = pd.DataFrame({"price": [1.0, 2.0, 4.0], "visits": [1, 1, 3]})
TARGET = INPUTS["price"] * 2


@dataclass(frozen=True)
class Store:
    """A lakehouse with runs and models.

    Attributes:
        folder: the lakehouse.
        runs: a run's name -> its id.
    """

    folder: Path
    runs: dict[str, str]

    def masked(self, text: str) -> str:
        """A text without what differs each time: the folder, ids, and the times at which versions were made."""
        text = text.replace(str(self.folder), "<lakehouse>")
        for name, run_id in self.runs.items():
            text = text.replace(run_id, f"<{name}>".ljust(32, ".")).replace(run_id[:8], "<run id>")
        text = re.sub(r"models:/m-[0-9a-f]{32}", "models:/<model>", text)
        text = re.sub(r"\b20[2-9]\d-[01]\d-[0-3]\d [0-2]\d:[0-5]\d", "YYYY-MM-DD HH:MM", text)
        return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


@pytest.fixture(scope="module")
def store(lakehouse: Path) -> Store:
    """Runs of all kinds, and a registered model of three versions."""
    sales = Experiment("weekly_sales", lakehouse / "artifacts")
    runs = {
        "ridge": sales.run("ridge", {"rmse": 12.5, "mae": 8}, {"alpha": "1.0", "model": "linear", "seed": "7"}),
        "forest": sales.run("forest", {"rmse": 1234.5678, "mae": 900}, {"depth": "3", "model": "trees", "seed": "7"}),
        "broken": sales.run("broken", {"rmse": 0.1}, {"model": "linear"}, status="FAILED"),
        "empty": sales.run("empty", {"rmse": math.nan}),
        "search": sales.run("search", {"rmse": 20.0}, {"model": "search", "seed": "7"}),
        "running": sales.run("running", status=None),
    }
    runs["child"] = sales.run("child", {"rmse": 5.0}, parent=runs["search"])
    _log_models(sales, runs)
    MlflowClient().create_registered_model("churn", description="No version yet.")
    runs["only"] = Experiment("plain", lakehouse / "artifacts").run("only", {"profit": 1.0})
    Experiment("nothing", lakehouse / "artifacts")
    return Store(lakehouse, runs)


def _log_models(sales: Experiment, runs: dict[str, str]) -> None:
    models = {"ridge": LinearRegression(), "forest": RandomForestRegressor(2, random_state=0)}
    source = DeltaDatasetSource(delta_table_name="weekly_features", delta_table_version=3)
    dataset = mlflow.data.from_pandas(INPUTS.astype(float), source=source, name="features")
    for name, model in models.items():
        with mlflow.start_run(run_id=runs[name]):
            fitted = model.fit(INPUTS, TARGET)
            mlflow.sklearn.log_model(fitted, name="model", **tracking.for_predict(fitted, INPUTS), pip_requirements=[])
            mlflow.log_input(dataset, context="training")
            mlflow.log_text("a" * 2000, "notes/readme.txt")
            mlflow.set_tag("team", "sales")
        sales.end(runs[name])
    for name in ("forest", "ridge", "forest"):
        tracking.register(runs[name], "sales_forecast")
    tracking.promote("sales_forecast", 2, "champion")
    tracking.promote("sales_forecast", 3, "challenger")
    sales.client.update_registered_model("sales_forecast", "Sales of the next week.")
    matrix = INPUTS.to_numpy()
    with mlflow.start_run(experiment_id=sales.id, run_name="matrix") as run:
        fitted = LinearRegression().fit(matrix, TARGET)
        mlflow.sklearn.log_model(fitted, name="model", **tracking.for_predict(fitted, matrix), pip_requirements=[])
        mlflow.sklearn.log_model(fitted, name="unsigned", pip_requirements=[])
    runs["matrix"] = run.info.run_id
    tracking.register(run, "by_position", model="model")
    unsigned = tracking._register.models_of(MlflowClient().get_run(run.info.run_id))["unsigned"]
    mlflow.register_model(unsigned, "unsigned")
    sales.client.delete_run(run.info.run_id)


@pytest.fixture
def cli(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs a command on the lakehouse, as a new process would."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def run(*arguments: str, **environment: str) -> Result:
        with mlflow_at(None):
            monkeypatch.setenv("LAKEPREDICT_LAKEHOUSE", str(store.folder))
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            result = CliRunner().invoke(main, arguments, prog_name="lakepredict")
        for name in environment:
            monkeypatch.delenv(name)
        return result

    yield run
    monkeypatch.undo()
    time.tzset()


def told(result: Result) -> str:
    """What a command printed that did what it should."""
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def facts(result: Result) -> dict[str, Any]:
    """What a command printed as JSON, which has no NaN."""
    found: dict[str, Any] = json.loads(told(result), parse_constant=pytest.fail)
    return found


# --- what is printed -----------------------------------------------------------------------------------------

TABLES = {
    "runs": ["runs", "weekly_sales"],
    "runs_metric": ["runs", "weekly_sales", "--metric", "mae", "--limit", "1"],
    "runs_children": ["runs", "weekly_sales", "--children"],
    "runs_unranked": ["runs", "plain"],
    "runs_none": ["runs", "nothing"],
    "run": ["run", "ridge"],
    "run_failed": ["run", "broken"],
    "models": ["models"],
    "model": ["model", "sales_forecast"],
    "model_version": ["model", "sales_forecast", "--version", "3", "--limit", "2"],
    "model_by_position": ["model", "by_position"],
    "model_unsigned": ["model", "unsigned"],
    "model_without_versions": ["model", "churn"],
}
"""Golden text -> a command; the name of a run stands for its id."""


@pytest.mark.parametrize("name", TABLES)
def test_tables(cli: Callable[..., Result], store: Store, golden: Callable[[str, str], None], name: str) -> None:
    """A command prints what it knows as tables."""
    command, *others = TABLES[name]
    arguments = [store.runs.get(each, each) for each in others] if command == "run" else others

    golden(f"cli/{name}.txt", store.masked(told(cli(command, *arguments))))


@pytest.mark.parametrize("columns", [60, 90])
def test_narrow_terminal(
    cli: Callable[..., Result], store: Store, golden: Callable[[str, str], None], columns: int
) -> None:
    """On a narrow terminal the least columns are left out, and how many is told; no line is broken."""
    result = cli("runs", "weekly_sales", TTY_COMPATIBLE="1", COLUMNS=str(columns), TERM="xterm", NO_COLOR="1")
    text = store.masked(re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", result.stdout))

    assert max(map(len, text.splitlines()[:-1])) <= columns
    golden(f"cli/runs_{columns}_columns.txt", text)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help(golden: Callable[[str, str], None], command: str) -> None:
    """Each command says what it does and what it takes."""
    golden(
        f"cli/help_{command}.txt", told(CliRunner().invoke(main, [command, "--help"], prog_name="lakepredict")).rstrip()
    )


def test_help_of_all(golden: Callable[[str, str], None]) -> None:
    """The program lists its commands."""
    golden("cli/help.txt", told(CliRunner().invoke(main, ["--help"], prog_name="lakepredict")).rstrip())


# --- JSON ----------------------------------------------------------------------------------------------------


def test_runs_as_json(cli: Callable[..., Result], store: Store) -> None:
    """The runs are ranked best first, those that cannot be compared come after, the newest first."""
    found = facts(cli("runs", "weekly_sales", "--json"))
    ranks = {each["name"]: each["rank"] for each in found["runs"]}

    assert (found["experiment"]["name"], found["metric"], found["mode"]) == ("weekly_sales", "rmse", "min")
    assert list(ranks.items()) == [
        *[("ridge", 1), ("search", 2), ("forest", 3)],
        *[("running", None), ("empty", None), ("broken", None)],
    ]
    assert found["differing_params"] == ["alpha", "depth", "model"]
    assert found["total"] == 6
    assert found["runs"][0] == {
        "rank": 1,
        "run_id": store.runs["ridge"],
        "name": "ridge",
        "parent_run_id": None,
        "status": "FINISHED",
        "started": "2023-11-14T22:13:21Z",
        "seconds": 1.5,
        "metrics": {"mae": 8.0, "rmse": 12.5},
        "params": {"alpha": "1.0", "model": "linear", "seed": "7"},
    }
    assert found["runs"][4]["metrics"] == {"rmse": None}


def test_run_as_json(cli: Callable[..., Result], store: Store) -> None:
    """A run says what it learnt from, and which models and files it left."""
    found = facts(cli("run", store.runs["forest"][:6], "--json"))

    assert found["datasets"] == [
        {
            "name": "features",
            "context": "training",
            "source_type": "delta_table",
            "table": "weekly_features",
            "version": 3,
            "digest": found["datasets"][0]["digest"],
        }
    ]
    assert found["registered"] == [{"name": "sales_forecast", "version": 1}, {"name": "sales_forecast", "version": 3}]
    assert found["artifacts"] == [{"path": "notes/readme.txt", "bytes": 2000}]
    assert [each["name"] for each in found["models"]] == ["model"]
    assert mlflow.models.get_model_info(found["models"][0]["uri"]).signature is not None
    assert found["tags"] == {"team": "sales"}


def test_models_as_json(cli: Callable[..., Result]) -> None:
    """Each registered model has its newest version and its aliases."""
    found = {each["name"]: each for each in facts(cli("models", "--json"))["models"]}

    assert list(found) == ["by_position", "churn", "sales_forecast", "unsigned"]
    assert found["sales_forecast"]["latest"] == found["sales_forecast"]["version_count"] == 3
    assert found["sales_forecast"]["aliases"] == {"challenger": 3, "champion": 2}
    assert (found["churn"]["latest"], found["churn"]["version_count"]) == (None, 0)


def test_model_as_json(cli: Callable[..., Result], store: Store) -> None:
    """A model has its versions, newest first, and the champion's signature and statement."""
    found = facts(cli("model", "sales_forecast", "--json"))
    shown = found["shown"]

    assert [(each["version"], each["run_id"]) for each in found["versions"]] == [
        (3, store.runs["forest"]),
        (2, store.runs["ridge"]),
        (1, store.runs["forest"]),
    ]
    assert (shown["reference"], shown["version"], shown["result"]) == ("champion", 2, "DOUBLE")
    assert shown["training"] == {"table": "weekly_features", "version": 3}
    assert shown["inputs"] == [{"name": name, "type": "DOUBLE", "required": True} for name in INPUTS.columns]
    assert shown["predict"] == (
        "SELECT *, PREDICT('sales_forecast', 'champion', *) AS prediction\nFROM weekly_features"
    )


@pytest.mark.parametrize(
    ("version", "expected"), [("3", "3"), ("latest", "'latest'"), ("challenger", "'challenger'"), ("@champion", None)]
)
def test_statement_names_the_version_as_asked(cli: Callable[..., Result], version: str, expected: str | None) -> None:
    """The statement has the number, the alias or 'latest', as it was given."""
    shown = facts(cli("model", "sales_forecast", "--version", version, "--json"))["shown"]

    assert f"'sales_forecast', {expected or repr('champion')}, *" in shown["predict"]


def test_primary_metric_is_the_default(cli: Callable[..., Result], store: Store) -> None:
    """Where MLflow's tag names the experiment's metric, the runs are compared by it."""
    experiment = MlflowClient().get_experiment_by_name("weekly_sales")
    tag = "mlflow.experiment.primaryMetric.name"
    MlflowClient().set_experiment_tag(experiment.experiment_id, tag, "mae")
    found = facts(cli("runs", "weekly_sales", "--json"))
    MlflowClient().delete_experiment_tag(experiment.experiment_id, tag)

    assert found["metric"] == "mae"


def test_where(cli: Callable[..., Result]) -> None:
    """Only the runs that a filter lets through are shown, with and without a metric."""
    for options in ([], ["--metric", "rmse"]):
        found = facts(cli("runs", "weekly_sales", "--where", "params.model = 'trees'", "--json", *options))

        assert [each["name"] for each in found["runs"]] == ["forest"]


# --- errors --------------------------------------------------------------------------------------------------

ERRORS = {
    "error_experiment": ["runs", "weekly_sale"],
    "error_metric": ["runs", "weekly_sales", "--metric", "rsme"],
    "error_mode": ["runs", "plain", "--metric", "profit"],
    "error_filter": ["runs", "weekly_sales", "--where", "model: trees"],
    "error_run": ["run", "ffff0000"],
    "error_run_name": ["run", "ridge"],
    "error_model": ["model", "sales_forcast"],
    "error_version": ["model", "sales_forecast", "--version", "9"],
    "error_alias": ["model", "sales_forecast", "--version", "winner"],
}
"""Golden text -> a command that asks for what is not there."""


@pytest.mark.parametrize("name", ERRORS)
def test_errors(cli: Callable[..., Result], store: Store, golden: Callable[[str, str], None], name: str) -> None:
    """A wrong name ends a command with status 1 and an error in the house form, and prints nothing else."""
    result = cli(*ERRORS[name])

    assert (result.exit_code, result.stdout) == (1, "")
    golden(f"cli/{name}.txt", store.masked(result.stderr))


def test_ambiguous_run(cli: Callable[..., Result], store: Store) -> None:
    """The beginning of several ids is refused with those that begin so."""
    experiment = Experiment("many", store.folder / "artifacts")
    known: dict[str, str] = {}
    beginning = ""
    while not beginning:  # a few hundred runs at most, until two ids share four characters
        run_id = experiment.client.create_run(experiment.id).info.run_id
        beginning = run_id[:4] if run_id[:4] in known else ""
        known.setdefault(run_id[:4], run_id)
    result = cli("run", beginning)
    experiment.client.delete_experiment(experiment.id)

    assert result.exit_code == 1
    assert f"2 runs begin with {beginning}" in result.stderr
    assert known[beginning][:8] in result.stderr


def test_no_lakehouse(cli: Callable[..., Result], store: Store, tmp_path: Path) -> None:
    """A folder that does not exist is an error, and is not made."""
    for command in (["runs", "x"], ["run", "abcd"], ["models"], ["model", "x"], ["ui"]):
        result = cli(*command, "--lakehouse", str(tmp_path / "lakehouse"))

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: [STORE_NOT_FOUND] There is no lakehouse {tmp_path}/lakehouse.\n")
    assert list(tmp_path.iterdir()) == []


def test_lakehouse_without_a_store(cli: Callable[..., Result], tmp_path: Path) -> None:
    """A folder without MLflow's database is an error, and no database is made."""
    result = cli("models", "--lakehouse", str(tmp_path))

    assert result.exit_code == 1
    assert "got:      a folder without mlflow.db" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_lakehouse_that_is_a_file(cli: Callable[..., Result], tmp_path: Path) -> None:
    """A file is no lakehouse."""
    (tmp_path / "sales.csv").write_text("store,sales\n")
    result = cli("models", "--lakehouse", str(tmp_path / "sales.csv"))

    assert result.exit_code == 1
    assert "[STORE_NOT_FOUND]" in result.stderr


def test_damaged_store(cli: Callable[..., Result], tmp_path: Path) -> None:
    """A database that cannot be read is an error without a traceback."""
    (tmp_path / "mlflow.db").write_text("no database " * 100)
    result = cli("models", "--lakehouse", str(tmp_path))

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: [STORE_UNAVAILABLE]")
    assert "got:      (sqlite3.DatabaseError) file is not a database" in result.stderr


def test_tracking_uri_wins(cli: Callable[..., Result], store: Store, tmp_path: Path) -> None:
    """A store that MLFLOW_TRACKING_URI names is read, whatever the lakehouse is."""
    shutil.copy(store.folder / "mlflow.db", tmp_path / "other.db")
    uri = f"sqlite:///{tmp_path}/other.db"
    found = facts(cli("models", "--json", "--lakehouse", str(tmp_path / "none"), MLFLOW_TRACKING_URI=uri))

    assert len(found["models"]) == 4
    assert not (tmp_path / "none").exists()


def test_tracking_uri_without_a_store(cli: Callable[..., Result], tmp_path: Path) -> None:
    """A database that MLFLOW_TRACKING_URI names and that does not exist is not made."""
    result = cli("models", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/typo.db")

    assert result.exit_code == 1
    assert f"[STORE_NOT_FOUND] There is no MLflow store {tmp_path}/typo.db" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_registry_uri_wins(cli: Callable[..., Result], store: Store, empty_database: Path) -> None:
    """Models come from the registry that MLFLOW_REGISTRY_URI names, runs from the lakehouse."""
    registry = f"sqlite:///{empty_database}"

    assert facts(cli("models", "--json", MLFLOW_REGISTRY_URI=registry)) == {"models": []}
    assert facts(cli("runs", "weekly_sales", "--json", MLFLOW_REGISTRY_URI=registry))["total"] == 6


def test_server_that_does_not_answer(store: Store) -> None:
    """A tracking server that is not there is an error after seconds, without its password, in a process of its own."""
    environment = {"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": "http://me:secret@127.0.0.1:9"}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "lakepredict.cli", "models"], env=environment, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: [STORE_UNAVAILABLE]")
    assert "127.0.0.1:9" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 60


def test_no_spark_starts(store: Store) -> None:
    """The commands need no Java: a process without any lists the models, and writes nothing to standard error."""
    environment = {"PATH": "/nowhere", "JAVA_HOME": "/nowhere", "LAKEPREDICT_LAKEHOUSE": str(store.folder)}
    done = subprocess.run(
        [sys.executable, "-m", "lakepredict.cli", "models", "--json"], env=environment, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["models"]) == 4


# --- ui, where nothing is started ------------------------------------------------------------------------------


def test_port_that_is_taken(cli: Callable[..., Result], golden: Callable[[str, str], None]) -> None:
    """A port at which another program listens is an error that says how to take a free one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = cli("ui", "--port", port)

    assert (result.exit_code, result.stdout) == (1, "")
    golden("cli/error_port.txt", result.stderr.rstrip().replace(port, "<port>"))


def test_server_has_its_own(cli: Callable[..., Result], tmp_path: Path) -> None:
    """Where MLflow is pointed to a server, its address is printed without the password."""
    uri = "http://me:secret@mlflow.example:5000"
    output = told(cli("ui", "--lakehouse", str(tmp_path / "none"), MLFLOW_TRACKING_URI=uri))

    assert output == "MLflow's server has the user interface: http://mlflow.example:5000\n"
    assert list(tmp_path.iterdir()) == []
