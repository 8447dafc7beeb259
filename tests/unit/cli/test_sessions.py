"""Commands that need a lakehouse refuse a folder that is none, and make nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lakepredict.cli import main
from lakepredict.cli._sessions import message

JOB = "model: sales\nversion: 1\ninput: {table: t}\noutput: {table: u, mode: append}\n"


@pytest.mark.parametrize("made", [False, True], ids=["no folder", "another folder"])
@pytest.mark.parametrize("command", ["serve", "report", "score"])
def test_no_lakehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, made: bool) -> None:
    """The error says which folder it was, and what is missing; the folder is as it was."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "job.yaml").write_text(JOB)
    folder = tmp_path / "photos"
    if made:
        folder.mkdir()
    arguments = {
        "serve": ["--thrift-port", "0", "--connect-port", "0"],
        "report": [str(tmp_path / "report.html")],
        "score": [str(tmp_path / "job.yaml")],
    }
    result = CliRunner().invoke(main, [command, *arguments[command], "--lakehouse", str(folder)])

    assert result.exit_code == 1
    assert f"[LAKEHOUSE_NOT_FOUND] There is no lakehouse {folder}.\n" in result.stderr
    assert ("a folder without Tables/" if made else "no such folder") in result.stderr
    assert sorted(each.name for each in tmp_path.rglob("*")) == sorted(["job.yaml", *["photos"] * made])


def test_no_java() -> None:
    """Where Spark's JVM does not start, the message leads to the command that says why."""
    from pyspark.errors import PySparkRuntimeError

    error = PySparkRuntimeError(errorClass="JAVA_GATEWAY_EXITED", messageParameters={})

    assert "lakepredict doctor" in (message(error) or "")
