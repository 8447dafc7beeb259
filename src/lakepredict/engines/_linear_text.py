"""The sums of a linear form as SQL; pure.

Spark parses a text of a thousand products sooner than it makes three columns by one call for each operator.

The text names what it is computed from: ``f3`` is the number of the fourth input, ``w2_3`` the weight that the third
score gives the text of the fourth input, NULL where that has none. ``p2_0`` is the first part of the third score.
"""

from __future__ import annotations

from lakepredict._sql import in_pairs
from lakepredict.engines._sklearn_linear import LinearForm, Term

_PART = 32
"""How many terms are added up in one part. The JVM compiles no method of more than 8,000 bytes of code."""

_MOST = 1000
"""How many terms all scores may have. Each query analyses and compiles them anew: a thousand take about as long as a
Python worker takes to start, and from there on NumPy adds up a row's terms no slower than the JVM."""

_MOST_OF_PROBABILITIES = 100
"""The same for probabilities of three or more classes. The JVM interprets these, at 0.1 microseconds for each term: at
a hundred, that is what a row costs in a Python worker."""


def too_many(form: LinearForm, *, probabilities: bool) -> str | None:
    """Return why the sums are left to a Python worker, or None if they are few enough for a plan."""
    terms = len(form.terms) * len(form.weights)
    most = _MOST_OF_PROBABILITIES if probabilities and len(form.weights) > 1 else _MOST
    return f"it has {terms:,} terms, where the plan takes {most:,}" if terms > most else None


def parts(form: LinearForm, row: int) -> dict[str, str]:
    """Return the parts of a score, each the SQL of a sum of some of its terms, by their names."""
    summands = [*_products(form, row), *_lookups(form, row)]
    starts = range(0, len(summands), _PART)
    return {f"p{row}_{at}": in_pairs("+", summands[start : start + _PART]) for at, start in enumerate(starts)}


def score(form: LinearForm, row: int) -> str:
    """Return the SQL of a score, over the names of its parts."""
    return " + ".join([*parts(form, row), f"{form.intercepts[row]!r}D"])


def encoded(form: LinearForm) -> dict[int, bool]:
    """Return the places of the inputs that are texts, and whether scikit-learn refuses a text without a term."""
    return {term.input: term.strict for term in form.terms if term.text is not None}


def weights_of_texts(form: LinearForm, row: int, place: int) -> dict[str, float]:
    """Return the weight that a score gives each text of an input."""
    pairs = zip(form.terms, form.weights[row], strict=True)
    return {term.text: weight for term, weight in pairs if term.input == place and term.text is not None}


def _products(form: LinearForm, row: int) -> list[str]:
    pairs = zip(form.terms, form.weights[row], strict=True)
    return [f"{_value(term)} * {weight!r}D" for term, weight in pairs if term.text is None]


def _value(term: Term) -> str:
    value = f"f{term.input}"
    if term.offset is not None:
        value = f"({value} - {term.offset!r}D)"
    return value if term.scale is None else f"{value} / {term.scale!r}D"


def _lookups(form: LinearForm, row: int) -> list[str]:
    """Return what each text adds to a score: nothing for an unknown one, where scikit-learn ignores those."""
    names = {f"w{row}_{place}": strict for place, strict in encoded(form).items()}
    return [name if strict else f"coalesce({name}, 0.0D)" for name, strict in names.items()]
