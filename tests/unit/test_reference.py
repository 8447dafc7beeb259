"""The pages that are written from the code."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from lakepredict import errors

ROOT = Path(__file__).parents[2]
REFERENCE = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
GOLDEN = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests" / "golden").glob("*/*.txt"))

each_error = pytest.mark.parametrize("error", REFERENCE["all_errors"](), ids=lambda error: error.__name__)


@pytest.mark.parametrize("path", REFERENCE["PAGES"], ids=lambda path: path.name)
def test_pages_are_up_to_date(path: Path) -> None:
    """The tables in the pages are those that ``scripts/reference.py`` writes."""
    assert path.read_text("utf-8") == REFERENCE["updated"](path.read_text("utf-8"))


def test_every_block_is_in_a_page() -> None:
    """Each table that is generated has its place, and each place a table."""
    found = [
        name for path in REFERENCE["PAGES"] for name in re.findall(r"generated: ([\w-]+)", path.read_text("utf-8"))
    ]

    assert sorted(found) == sorted(REFERENCE["BLOCKS"])


def test_every_class_is_an_error_of_the_page() -> None:
    """Each public class of the tree that has a name of its own is among the errors of the page."""
    public = [each for name, each in vars(errors).items() if isinstance(each, type) and not name.startswith("_")]
    named = [each for each in public if {"name", "condition"} & set(vars(each))]

    assert set(named) == set(REFERENCE["all_errors"]())


@each_error
def test_error_is_in_the_page(error: type[errors.LakepredictError]) -> None:
    """Each error has a place in docs/errors.md, with its meaning."""
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    name = getattr(error, "condition", getattr(error, "name", None))

    assert f"`{name}`" in page
    assert REFERENCE["meaning"](error) in page


@pytest.mark.parametrize(
    "error", [*errors.predict_errors(), *errors.scoring_errors()], ids=lambda error: error.condition
)
def test_condition_has_a_golden_text(error: type[errors.PredictError]) -> None:
    """Each condition has a golden text with all its placeholders filled."""
    text = REFERENCE["example"](error)

    assert f"[{error.condition}] " in GOLDEN
    assert text in GOLDEN


RARE = {
    "predict_internal_error": errors.PredictInternalError(reason="KeyError: 'analyzed'"),
    "predict_model_unsupported": errors.ModelUnsupportedError(
        call="PREDICT('churn', 'champion', ...)",
        expected="a pipeline that computes each row's prediction from that row alone",
        got="a step that does more: Filter (country#1 = CH)",
        hint="score with the model itself: mlflow.spark.load_model('models:/churn/3').transform(df).",
    ),
}
"""Golden text -> an error that needs a JVM to be raised."""


@pytest.mark.parametrize("name", RARE)
def test_texts_of_rare_errors(golden: Callable[[str, str], None], name: str) -> None:
    """The text of an error that no unit test raises."""
    golden(f"errors/{name}.txt", str(RARE[name]))
