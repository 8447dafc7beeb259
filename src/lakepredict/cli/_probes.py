"""What ``lakepredict doctor`` asks in processes of their own: MLflow's store, and a session of Spark.

``python -m lakepredict.cli._probes store LAKEHOUSE`` and ``... spark FOLDER`` print a line of JSON for each thing they
have found. They may hang, crash or be ended; what they have printed by then is known.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from lakepredict._place import Folder, locate
from lakepredict.errors import StoreNotFoundError

_SETTINGS = {
    # What MLflow tries again takes several times as long as a person waits for here.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_MODELS = 50
"""How many models are asked for their requirements at most."""


def main(what: str, place: str) -> None:
    """Ask for one of the two."""
    {"store": store, "spark": spark}[what](place)


def store(lakehouse: str) -> None:
    """Tell whether MLflow's store answers, then what the registered models need. No store is made."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    folder, given = locate(lakehouse), os.environ.get("MLFLOW_TRACKING_URI", "")
    try:
        from lakepredict import _registry
        from lakepredict.cli._sessions import require_store
        from lakepredict.lakehouse import use_mlflow
    except Exception as exc:  # a broken installation fails in any way
        _tell(step="store", error=f"MLflow cannot be imported: {_first_line(exc)}")
        return
    if not folder.local and not given:
        _tell(step="store", error="a lakehouse on another file system has no store, and MLFLOW_TRACKING_URI is not set")
        return
    try:
        require_store(folder)
        use_mlflow(folder)
        _ask_store()
    except StoreNotFoundError:
        _tell(step="store", missing=_registry._without_password(given or folder.mlflow_uri), given=bool(given))
    except Exception as exc:  # each kind of store fails with the errors of a library of its own
        address = _registry._without_password(given or folder.mlflow_uri).partition("?")[0]
        _tell(step="store", error=f"{address} gives no usable answer: {_registry.first_line(_first_cause(exc))}")


def _ask_store() -> None:
    """Tell where the store is, then for each model what its champion, else its latest version, was logged with."""
    import mlflow

    from lakepredict import _catalogs, _registry

    client = mlflow.MlflowClient()
    client.search_experiments(max_results=1)
    models = list(_registry.pages(lambda token: client.search_registered_models(page_token=token)))
    address = _registry._without_password(mlflow.get_tracking_uri()).partition("?")[0]
    registry = _registry.registry_address()
    others = "" if registry == address else f", models in {registry}"
    _tell(step="store", address=address + others, models=len(models))
    for model in models[:_MODELS]:
        # The latest version of a model is not in its own record, as its aliases are.
        versions = _registry.model_versions(model.name)
        number = _catalogs.whole_model(model).aliases.get("champion") or (versions[0].version if versions else None)
        if number is not None:
            _tell(step="model", model=f"{model.name} v{number}", requirements=_requirements(model.name, int(number)))
    _tell(step="models")


def _requirements(name: str, version: int) -> list[str]:
    """The lines of what a version was logged with; none where no such file was logged, or it cannot be read."""
    from mlflow.exceptions import MlflowException

    from lakepredict import _registry

    with tempfile.TemporaryDirectory(prefix="lakepredict-") as scratch:
        try:
            return _registry.download(name, version, scratch, "requirements.txt").read_text("utf-8").splitlines()
        except (MlflowException, OSError):
            return []


def spark(place: str) -> None:
    """Tell whether a session starts, a Python worker answers, and a Delta table can be written, read and removed.

    Args:
        place: a folder for the session's tables, which is removed in the end.
    """
    from lakepredict import _jars
    from lakepredict._session_conf import session_conf

    folder = Folder(place, local="://" not in place)
    session: Any = None

    def start() -> dict[str, Any]:
        nonlocal session
        from pyspark.sql import SparkSession

        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.appName("lakepredict doctor")
        jars = [str(jar) for jar in _jars.delta_jars()]
        for key, value in session_conf(folder, None, {"spark.ui.enabled": "false"}, jars).items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        return {"version": session.version, "master": session.sparkContext.master}

    try:
        if (
            _step("session", start)
            and _step("worker", lambda: _ask_worker(session))
            and _step("table", lambda: _use_table(session))
        ):
            return
    finally:
        if session is not None:
            if not folder.local:
                from lakepredict._jvm import delete_folder

                delete_folder(session, place)
            session.stop()


def _ask_worker(session: Any) -> dict[str, Any]:
    """Have a worker say which Python it is, in a query that takes pandas and pyarrow."""
    import pandas as pd
    from pyspark.sql.pandas.functions import pandas_udf

    def python(batch: Any) -> Any:
        import sys

        return batch.map(lambda _: "{}.{}.{}".format(*sys.version_info[:3]))

    python.__annotations__ = {"batch": pd.Series, "return": pd.Series}
    made: Any = pandas_udf  # its type asks for hints that are read from the source
    session.udf.register("lakepredict_doctor", made(python, "string"))
    return {"python": session.sql("SELECT lakepredict_doctor(id) FROM range(1)").first()[0]}


def _use_table(session: Any) -> dict[str, Any]:
    session.sql("CREATE TABLE doctor USING delta AS SELECT id FROM range(3)")
    rows = session.table("doctor").count()
    session.sql("DROP TABLE doctor")
    return {"rows": rows}


def _step(name: str, work: Callable[[], dict[str, Any]]) -> bool:
    """Tell what a step has given and how long it took, or why it failed; then those after it are not tried."""
    begun = time.monotonic()
    try:
        facts = work()
    except Exception as exc:
        ours = type(exc).__module__ == "builtins"
        _tell(step=name, error=_first_line(exc) if ours else spark_reason(str(exc)))
        return False
    _tell(step=name, seconds=round(time.monotonic() - begun, 1), **facts)
    return True


def spark_reason(text: str) -> str:
    """The line that says what went wrong, of the many that Spark says it with."""
    worker = re.search(r"Error from python worker:\s*(.*?)\s*PYTHONPATH was:", text, re.DOTALL)
    trace = re.search(r"^Traceback \(most recent call last\):.*?^(\w[^\n]*)", text, re.DOTALL | re.MULTILINE)
    task = re.search(r"\(TID \d+\)[^:]*: (?:[\w.$]+: )?(\S.*)", text)
    if worker or trace or task:
        return next(each.group(1).splitlines()[-1].strip() for each in (worker, trace, task) if each)
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):
        lines = lines[1:]
    return re.sub(r"^(?:: )?(?:[a-z]\w*\.)+[\w$]+: ", "", lines[0]) if lines else ""


def _first_cause(exc: BaseException) -> BaseException:
    """What an error was raised for in the first place: behind MLflow's it is the network's, or the database's."""
    while (cause := exc.__cause__ or exc.__context__) is not None:
        exc = cause
    return exc


def _first_line(exc: Exception) -> str:
    """What kind of error it is, and the first line that it says."""
    return f"{type(exc).__name__}: {str(exc).strip().splitlines()[0] if str(exc).strip() else ''}".rstrip(": ")


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
