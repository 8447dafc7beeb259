"""The arguments of a table function: constant STRINGs, by position or by name; pure."""

from __future__ import annotations

from collections.abc import Sequence

from lakepredict._call import CallArgument
from lakepredict._sql import literal
from lakepredict.errors import ArgumentInvalidError, ArgumentNotConstantError


def constants(
    function: str, names: Sequence[str], given: Sequence[CallArgument], optional: Sequence[str] = ()
) -> dict[str, str]:
    """The values of a call's arguments, by their names; those that are optional and not given are left out.

    Args:
        function: the function's name, for messages.
        names: the arguments that it needs, in their order.
        given: those of the call.
        optional: the arguments that may follow.

    Raises:
        ArgumentInvalidError: there are too many or too few, or one is no STRING.
        ArgumentNotConstantError: one depends on a row.
    """
    form = f"{function}({', '.join(literal(each) for each in names)})"
    order = [*names, *optional]
    places = [each.name.lower() if each.explicit and each.name else _nth(order, n) for n, each in enumerate(given)]
    wrong = len(set(places)) < len(places) or not set(names) <= set(places) <= set(order)
    if wrong:
        raise ArgumentInvalidError(
            argument="list of arguments",
            function=function,
            expected=form if not optional else f"{form}, and {', '.join(f'{each} => ...' for each in optional)}",
            got=_shown(given),
            hint=f"write {form}.",
        )
    return {name: _text(function, name, each, form) for name, each in zip(places, given, strict=True)}


def _nth(order: Sequence[str], place: int) -> str:
    return order[place] if place < len(order) else f"argument {place + 1}"


def _shown(given: Sequence[CallArgument]) -> str:
    if any(each.explicit for each in given):
        return ", ".join(f"{each.name} => {each.sql}" if each.explicit else each.sql for each in given)
    return f"{len(given)} arguments" if given else "no argument"


def _text(function: str, name: str, given: CallArgument, form: str) -> str:
    if not given.constant:
        raise ArgumentNotConstantError(
            argument=name,
            function=function,
            example=f"{function}('sales')",
            expression=given.sql,
            hint="call it once for each, and unite what it gives with UNION ALL.",
        )
    value = given.value()
    if not isinstance(value, str) or not value.strip():
        raise ArgumentInvalidError(
            argument=name,
            function=function,
            expected="a STRING",
            got="NULL" if value is None else repr(value),
            hint=f"write {form}.",
        )
    return value
