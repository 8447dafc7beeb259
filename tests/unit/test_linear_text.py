"""The sums of a linear form as SQL text."""

from __future__ import annotations

import re

import pytest

from lakepredict._sql import in_pairs
from lakepredict.engines._linear_text import parts, score, too_many, weights_of_texts
from lakepredict.engines._sklearn_linear import LinearForm, Term


def form(classes: int, inputs: int) -> LinearForm:
    """A form of that many scores over that many numbers."""
    weights = tuple(tuple(float(row + place) for place in range(inputs)) for row in range(classes))
    return LinearForm(tuple(Term(place) for place in range(inputs)), weights, (0.5,) * classes)


def test_terms() -> None:
    """A term is scaled as scikit-learn scales it, and a text has the weight that was looked up for it."""
    terms = (
        Term(0),
        Term(1, 2.0, 4.0),
        Term(2, text="a", strict=True),
        Term(2, text="b", strict=True),
        Term(3, text="c"),
    )
    mixed = LinearForm(terms, ((1.5, -2.0, 3.0, 4.0, 5.0),), (-0.25,))

    assert parts(mixed, 0) == {"p0_0": "((f0 * 1.5D + (f1 - 2.0D) / 4.0D * -2.0D) + (w0_2 + coalesce(w0_3, 0.0D)))"}
    assert score(mixed, 0) == "p0_0 + -0.25D"
    assert weights_of_texts(mixed, 0, 2) == {"a": 3.0, "b": 4.0}


def test_parts_are_small() -> None:
    """A long sum comes in parts that the JVM compiles."""
    long = parts(form(1, 70), 0)

    assert list(long) == ["p0_0", "p0_1", "p0_2"]
    assert [sql.count("*") for sql in long.values()] == [32, 32, 6]
    assert score(form(1, 70), 0) == "p0_0 + p0_1 + p0_2 + 0.5D"


@pytest.mark.parametrize("classes", [2, 20, 200])
def test_sums_grow_with_classes_times_inputs(classes: int) -> None:
    """The sums have one product for each class and input."""
    linear = form(classes, 10)
    products = sum(sql.count("*") for row in range(classes) for sql in parts(linear, row).values())

    assert products == classes * 10


@pytest.mark.parametrize(
    ("classes", "inputs", "probabilities", "reason"),
    [
        (1, 1000, True, None),
        (1, 1001, False, "it has 1,001 terms, where the plan takes 1,000"),
        (80, 10, False, None),
        (214, 10, False, "it has 2,140 terms, where the plan takes 1,000"),
        (10, 10, True, None),
        (3, 34, True, "it has 102 terms, where the plan takes 100"),
    ],
)
def test_bound(classes: int, inputs: int, probabilities: bool, reason: str | None) -> None:
    """A long sum is for a Python worker, and the probabilities of many classes sooner than their prediction."""
    assert too_many(form(classes, inputs), probabilities=probabilities) == reason


def test_pairs_are_shallow() -> None:
    """Two thousand operands are joined within eleven levels, each of them once."""
    sql = in_pairs("AND", [f"c{place}" for place in range(2000)])
    depth, deepest = 0, 0
    for bracket in re.findall(r"[()]", sql):
        depth += 1 if bracket == "(" else -1
        deepest = max(deepest, depth)

    assert re.findall(r"c\d+", sql) == [f"c{place}" for place in range(2000)]
    assert deepest == 11


def test_one_operand_is_itself() -> None:
    """There is nothing to join one operand with."""
    assert in_pairs("+", ["a"]) == "a"
