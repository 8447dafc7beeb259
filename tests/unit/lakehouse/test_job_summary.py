"""What a scoring job tells at its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from lakepredict import job
from lakepredict.lakehouse import Scoring

BEGUN = datetime(2026, 11, 24, 6, 0, tzinfo=timezone.utc)
SCORED = Scoring(
    status="scored",
    scoring_run_id="0c1f6b3e9a474c7f8d0e5b7a2c94d118",
    job="next_week",
    model_name="sales_forecast",
    model_version=3,
    run_id="4f0c11d2aa474c7f8d0e5b7a2c94d118",
    input="next_week",
    input_version=2,
    output="sales_forecast",
    output_version=4,
    mode="merge",
    rows_in=12045,
    rows_scored=12000,
    null_predictions=45,
    seconds=8.234,
    started_at=BEGUN,
    finished_at=BEGUN + timedelta(seconds=9),
)


def test_summary(golden: Callable[[str, str], None]) -> None:
    """For people, a fact a line."""
    golden("cli/score.txt", job.summary(SCORED))


def test_facts(golden: Callable[[str, str], None]) -> None:
    """For programs, all of it as JSON."""
    golden("cli/score_json.txt", json.dumps(job.facts(SCORED), indent=1))
