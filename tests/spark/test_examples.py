"""The examples, run as their pages and docs/operations.md say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyspark

from lakepredict.lakehouse import locate
from test_cluster import plain_environment
from test_serve import Server, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "pipeline"
PROGRAM = Path(__file__).with_name("programs") / "pipeline_tables.py"


def run_pipeline(server: Server, spec: Path) -> str:
    """What Spark's own command prints; it has to succeed."""
    command = [Path(pyspark.__file__).parent / "bin" / "spark-pipelines", "--remote", server.ready["connect"], "run"]
    environment = {**plain_environment(), "PYSPARK_PYTHON": sys.executable}
    environment["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    done = subprocess.run(
        [*command, "--spec", spec], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_pipeline(tmp_path: Path) -> None:
    """A pipeline with PREDICT completes at its first run and at later ones; the streaming table gets what is new."""
    folder = locate(tmp_path / "lakehouse")
    subprocess.run([sys.executable, PROGRAM, folder.root], env=plain_environment(), check=True, capture_output=True)
    pipeline = shutil.copytree(EXAMPLE, tmp_path / "pipeline")
    spec = pipeline / "spark-pipeline.yml"
    text = spec.read_text("utf-8")
    assert "file:///tmp/lakepredict-pipeline" in text
    spec.write_text(text.replace("/tmp/lakepredict-pipeline", str(tmp_path / "storage")), "utf-8")
    with serving(folder, "--read-write") as server:
        assert "COMPLETED" in run_pipeline(server, spec)
        first = {table: server.ask(f"SELECT store, forecast FROM {table}") for table in ("forecasts", "scored_weeks")}
        server.ask("INSERT INTO weekly_features VALUES (1, date'2026-02-02', 20D)")
        server.ask("INSERT INTO next_week VALUES (2, date'2026-02-09', 21D)")
        assert "COMPLETED" in run_pipeline(server, spec)
        second = {table: server.ask(f"SELECT store, forecast FROM {table}") for table in ("forecasts", "scored_weeks")}

    assert rounded(first["forecasts"]) == [(0, 90), (1, 100), (2, 110)]
    assert rounded(second["forecasts"]) == [(0, 90), (1, 100), (2, 110), (2, 210)]
    assert len(first["scored_weeks"]) == 9
    assert rounded(second["scored_weeks"]) == sorted([*rounded(first["scored_weeks"]), (1, 200)])


def rounded(rows: list[tuple[Any, ...]]) -> list[tuple[int, int]]:
    """Stores and whole forecasts, in order."""
    return sorted((store, round(forecast)) for store, forecast in rows)
