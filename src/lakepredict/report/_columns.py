"""Which columns of the two tables a report is about; decided from their schemas, pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from lakepredict._names import cut
from lakepredict._sql import sql_type
from lakepredict.errors import ReportColumnError
from lakepredict.lakehouse._plan import FACTS

_DATES = (T.DateType, T.TimestampType, T.TimestampNTZType)
_CLASSES = (T.StringType, T.BooleanType)

_OF_CLASSES = (
    "a report adds up numbers; predictions that are classes are judged by lakehouse.evaluate(..., problem="
    "'classification'), and a probability of one class can be reported on, as a column of a view."
)
"""What to do about predictions that are no numbers."""


@dataclass(frozen=True)
class Table:
    """A table that a report reads.

    Attributes:
        name: the table's name.
        schema: its columns.
    """

    name: str
    schema: T.StructType

    def field(self, column: str) -> T.StructField | None:
        """A column by its name, as Spark compares names unless it is told otherwise: capitals do not matter."""
        return next((each for each in self.schema.fields if each.name.lower() == column.lower()), None)


@dataclass(frozen=True)
class Columns:
    """The columns of a report, by their names in the tables.

    Attributes:
        key: what tells series apart, as the stores; in both tables.
        time: the date that a forecast is for; in both tables.
        prediction: the forecast's value.
        actual: the history's value.
    """

    key: tuple[str, ...]
    time: str
    prediction: str
    actual: str


def choose(
    forecast: Table,
    history: Table,
    *,
    key: Sequence[str] = (),
    time: str | None = None,
    prediction: str | None = None,
    actual: str | None = None,
) -> Columns:
    """The columns that are asked for, and for the others those that the schemas leave no doubt about.

    The time is the date that both tables have; the prediction the number of the forecast that the history does not
    have; the key every other column of the forecast that the history has too; the actual value the number of the
    history that is called as the table, or the only one.

    Raises:
        ReportColumnError: a column is missing or of another type, or there are several that it could be.
    """
    when = _time(forecast, history, time)
    predicted = _prediction(forecast, history, prediction, taken=(when, *key))
    keys = _key(forecast, history, key, taken=(when, predicted))
    return Columns(keys, when, predicted, _actual(history, actual, taken=(when, *keys)))


def require(table: Table, column: str, option: str, kinds: tuple[type[T.DataType], ...] | None = None) -> str:
    """The name of a column as the table has it.

    Raises:
        ReportColumnError: the table has no such column, or one of another type.
    """
    found = table.field(column)
    if found is None:
        raise ReportColumnError(
            f"The table `{table.name}` has no column `{column}`.",
            expected=f"`{column}`",
            got=_listed(table.schema.fields),
            hint=f"name the column with {option}.",
        )
    if kinds is not None and not isinstance(found.dataType, kinds):
        raise ReportColumnError(
            f"The column `{column}` of `{table.name}` is of another type.",
            expected="a number" if kinds == (T.NumericType,) else "DATE or TIMESTAMP",
            got=sql_type(found.dataType),
            hint=_OF_CLASSES
            if option == "--prediction" and _is_class(found)
            else f"name another column with {option}, or cast it in a view.",
        )
    return found.name


def _time(forecast: Table, history: Table, asked: str | None) -> str:
    if asked is not None:
        require(history, asked, "--time", _DATES)
        return require(forecast, asked, "--time", _DATES)
    found = [each for each in _own(forecast, _DATES) if _in(history, each, _DATES)]
    hint = None if found else _hint_without_time(forecast, history)
    return _only(forecast, found, "--time", f"one DATE or TIMESTAMP that `{history.name}` has too", hint)


def _hint_without_time(forecast: Table, history: Table) -> str:
    """Return what to do where the two tables have no time of one name."""
    made, happened = _own(forecast, _DATES), _own(history, _DATES)
    if made and happened:
        return (
            f"the time has one name in both tables: give a view of `{history.name}` in which `{happened[0].name}` is"
            f" called `{made[0].name}`."
        )
    lacking = history if made else forecast
    return (
        f"a report tells of forecasts over time, and `{lacking.name}` has no DATE or TIMESTAMP. Cast a text or a number"
        " to DATE in a view; predictions without a time are judged by lakehouse.evaluate."
    )


def _prediction(forecast: Table, history: Table, asked: str | None, taken: Iterable[str]) -> str:
    if asked is not None:
        return require(forecast, asked, "--prediction", (T.NumericType,))
    used = _lower(taken)
    found = [
        each
        for each in _own(forecast, (T.NumericType,))
        if each.name.lower() not in used and history.field(each.name) is None
    ]
    usual = [each for each in found if each.name.lower() in ("forecast", "prediction")]
    classes = not found and any(_is_class(each) and each.name.lower() not in used for each in _own(forecast, _CLASSES))
    expected = f"one number that `{history.name}` does not have"
    return _only(forecast, usual or found, "--prediction", expected, _OF_CLASSES if classes else None)


def _key(forecast: Table, history: Table, asked: Sequence[str], taken: Iterable[str]) -> tuple[str, ...]:
    for each in asked:
        require(history, each, "--key")
    if asked:
        return tuple(require(forecast, each, "--key") for each in asked)
    used = _lower((*taken, *FACTS))
    found = tuple(
        each.name for each in forecast.schema.fields if each.name.lower() not in used and history.field(each.name)
    )
    if not found:
        raise ReportColumnError(
            f"The tables `{forecast.name}` and `{history.name}` have no key in common.",
            expected="a column in both besides the time, for example the store",
            got=f"{_listed(forecast.schema.fields)} and {_listed(history.schema.fields)}",
            hint="name it with --key.",
        )
    return found


def _actual(history: Table, asked: str | None, taken: Iterable[str]) -> str:
    if asked is not None:
        return require(history, asked, "--actual", (T.NumericType,))
    used = _lower(taken)
    found = [each for each in _own(history, (T.NumericType,)) if each.name.lower() not in used]
    own_name = history.name.replace("`", "").rpartition(".")[2].lower()
    same = [each for each in found if each.name.lower() == own_name]
    return _only(history, same or found, "--actual", f"one number, or one that is called `{own_name}`")


def _own(table: Table, kinds: tuple[type[T.DataType], ...]) -> list[T.StructField]:
    """The columns of some types that do not say where a forecast comes from."""
    return [each for each in table.schema.fields if isinstance(each.dataType, kinds) and each.name.lower() not in FACTS]


def _in(table: Table, column: T.StructField, kinds: tuple[type[T.DataType], ...]) -> bool:
    found = table.field(column.name)
    return found is not None and isinstance(found.dataType, kinds)


def _is_class(column: T.StructField) -> bool:
    return isinstance(column.dataType, _CLASSES)


def _only(table: Table, found: Sequence[T.StructField], option: str, expected: str, hint: str | None = None) -> str:
    if len(found) == 1:
        return found[0].name
    raise ReportColumnError(
        f"It is not clear which column of `{table.name}` {_MEANT[option]}.",
        expected=expected,
        got=_listed(found) if found else f"none among {_listed(table.schema.fields)}",
        hint=hint or f"name it with {option}.",
    )


_MEANT = {
    "--time": "says which date a row is for",
    "--prediction": "is the forecast",
    "--actual": "is the actual value",
}


def _lower(names: Iterable[str]) -> set[str]:
    return {each.lower() for each in names}


def _listed(fields: Iterable[T.StructField]) -> str:
    return cut(f"{each.name} {sql_type(each.dataType)}" for each in fields)
