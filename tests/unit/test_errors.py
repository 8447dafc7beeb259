"""What every error has: a name, what was expected, what was given, a hint."""

import re

import pytest

from lakepredict import errors
from lakepredict.errors import (
    ArgumentInvalidError,
    DataFileError,
    LakepredictError,
    ModelNotFoundError,
    PredictError,
    ScoringError,
    SessionError,
    predict_errors,
    scoring_errors,
)

PLACEHOLDER = re.compile(r"<([a-zA-Z]+)>")
INVALID = {"function": "PREDICT", "argument": "model", "expected": "a name", "got": "NULL", "hint": "give a name."}


def subclasses(error: type[Exception]) -> list[type[Exception]]:
    """All classes below one, at any depth."""
    return [each for child in error.__subclasses__() for each in [child, *subclasses(child)]]


def public_base(error: type[Exception]) -> type[Exception]:
    """The nearest class above one whose name has no underscore in front."""
    return next(base for base in error.__mro__[1:] if not base.__name__.startswith("_"))


def filled(error: type[PredictError | ScoringError], value: str = "x") -> PredictError | ScoringError:
    """An error with the same value for each of its parameters."""
    return error(**dict.fromkeys(PLACEHOLDER.findall(error.template), value))


each_predict_error = pytest.mark.parametrize("error", predict_errors(), ids=lambda error: error.condition.lower())
each_condition = pytest.mark.parametrize(
    "error", [*predict_errors(), *scoring_errors()], ids=lambda error: error.condition.lower()
)


# --- the classes -------------------------------------------------------------------------------------------


def test_all_conditions_are_listed():
    """The lists have every condition of an error of a query, sorted."""
    expected = sorted(subclasses(PredictError), key=lambda error: error.condition)
    scoring = [error for error in subclasses(ScoringError) if "condition" in vars(error)]

    assert expected == predict_errors()
    assert sorted(scoring, key=lambda error: error.condition) == scoring_errors()
    assert ArgumentInvalidError in expected


def test_conditions_are_unique():
    """No two errors share a condition."""
    conditions = [error.condition for error in [*predict_errors(), *scoring_errors()]]

    assert sorted(set(conditions)) == sorted(conditions)


@each_condition
def test_condition(error):
    """A condition starts with PREDICT_ and is written in capitals."""
    assert re.fullmatch("PREDICT(_[A-Z]+)+", error.condition)


@each_predict_error
def test_sqlstate(error):
    """An SQLSTATE is five digits or capital letters, and not one of success or warning."""
    assert re.fullmatch("[0-9A-Z]{5}", error.sqlstate)
    assert error.sqlstate[:2] not in {"00", "01", "02"}


@each_condition
def test_template(error):
    """A template says in four lines what happened, what was expected, what was given, and what to do."""
    starts = [line.split(":")[0] for line in error.template.split("\n")[1:]]
    expected = ["  expected", "  got", "  hint"]

    assert expected == starts


@each_condition
def test_docstring(error):
    """A class says in one sentence what it stands for."""
    assert error.__doc__ not in (None, PredictError.__doc__)
    assert error.__doc__.endswith(".")


def test_tree_in_the_docstring():
    """The tree at the top of the module draws every class below its parent, with its condition."""
    branches = {0: LakepredictError.__name__}
    found = {}
    for line in errors.__doc__.splitlines():
        if "──" in line:
            indent, name, note = re.fullmatch(r"([ │]+)[├└]── (\w+) *(.*)", line).groups()
            level = len(indent) // 4
            branches[level] = name
            found[name] = (branches[level - 1], note if note.startswith(("PREDICT_", "SERVER_")) else None)
    public = [each for each in subclasses(LakepredictError) if each.__module__ == errors.__name__]
    expected = {
        each.__name__: (public_base(each).__name__, getattr(each, "condition", None))
        for each in public
        if not each.__name__.startswith("_")
    }

    assert expected == found


# --- texts -------------------------------------------------------------------------------------------------


@each_condition
def test_text(error):
    """The text of an error starts with its condition and has no placeholder left."""
    text = str(filled(error))

    assert text.startswith(f"[{error.condition}] ")
    assert PLACEHOLDER.search(text) is None


def test_whole_text():
    """Every parameter stands where the template says."""
    expected = (
        "[PREDICT_ARGUMENT_INVALID] The model of PREDICT is not usable.\n"
        "  expected: a name\n"
        "  got:      NULL\n"
        "  hint: give a name."
    )

    assert expected == str(ArgumentInvalidError(**INVALID))


@each_condition
def test_parameters_are_kept(error):
    """The parameters are at hand as they were given, for the AnalysisException that is made of them."""
    expected = dict.fromkeys(PLACEHOLDER.findall(error.template), "x")

    assert expected == filled(error).parameters


@pytest.mark.parametrize("value", ["<x>", "<hint>", "<got> and <got>", "${x}", "${hint}", "\\1", "%s", "{x}"])
def test_values_are_not_templates(value):
    """A value that looks like a placeholder stays as it is."""
    expected = (
        f"[PREDICT_ARGUMENT_INVALID] The model of PREDICT is not usable.\n"
        f"  expected: a name\n"
        f"  got:      {value}\n"
        f"  hint: give a name."
    )

    assert expected == str(ArgumentInvalidError(**{**INVALID, "got": value}))


@each_condition
def test_missing_parameter(error):
    """An error without one of its parameters cannot be made."""
    first, *others = sorted(set(PLACEHOLDER.findall(error.template)))

    with pytest.raises(TypeError, match=f"{error.__name__} takes .*{first}"):
        error(**dict.fromkeys(others, "x"))


@each_condition
def test_surplus_parameter(error):
    """An error with a parameter that it does not have cannot be made."""
    parameters = dict.fromkeys(PLACEHOLDER.findall(error.template), "x")

    with pytest.raises(TypeError, match=r"got .*surplus"):
        error(**parameters, surplus="x")


@pytest.mark.parametrize("error", [DataFileError, *[SessionError, *subclasses(SessionError)]])
def test_described_errors(error):
    """Errors outside of queries have the house form too: name, what happened, expected, got, hint."""
    expected = f"[{error.name}] It failed.\n  expected: a\n  got:      b\n  hint: c."

    assert expected == str(error("It failed.", expected="a", got="b", hint="c."))


def test_names_are_unique():
    """No two errors outside of queries share a name."""
    names = [error.name for error in [DataFileError, SessionError, *subclasses(SessionError)]]

    assert sorted(set(names)) == sorted(names)


def test_one_base():
    """Everything can be caught as one error; each PREDICT error, as a PREDICT error."""
    assert issubclass(PredictError, LakepredictError)
    assert issubclass(ModelNotFoundError, PredictError)
    assert issubclass(SessionError, LakepredictError)
    assert not issubclass(SessionError, PredictError)
