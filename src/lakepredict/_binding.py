"""Which argument feeds which input of a model, and as what type: decided before anything runs; pure.

Rules: by name when every argument carries a name and together they cover the required inputs, with surplus arguments
ignored, and a column too whose name is given by ``name => expression``; otherwise by position, on an exact count, and
never where an argument's name is the name of another input. Position means something only where arguments were written
one by one: a column that came of ``*`` or of a struct never takes the place of an input of another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pyspark.sql import types as T

from lakepredict._casts import (
    FieldAmbiguousError,
    FieldMissingError,
    FieldUnsafeError,
    Matcher,
    has_struct,
    without_places,
)
from lakepredict._names import cut
from lakepredict._registry import ModelReference, ResolvedModel
from lakepredict._signature import Input
from lakepredict._sql import sql_type
from lakepredict.errors import (
    ArgumentCountError,
    ArgumentUnknownError,
    ColumnAmbiguousError,
    ColumnMissingError,
    ColumnSwappedError,
    TypeUnsafeError,
)


@dataclass(frozen=True)
class Argument:
    """One feature argument of a PREDICT call.

    Attributes:
        type: its Spark type.
        name: the name of the column or field, or the one given by ``name => expression``; None if it has none.
        explicit: whether the name was given by ``name => expression``.
        sql: the argument as SQL text, for messages.
        source: where the value comes from: the argument's index in the call, and the field's index if the
            argument is a field of a struct that was passed whole.
    """

    type: T.DataType
    name: str | None = None
    explicit: bool = False
    sql: str = "?"
    source: tuple[int, int | None] = (0, None)


@dataclass(frozen=True)
class BoundInput:
    """An input of the model, the argument that feeds it, and the type to cast that to (None: no cast)."""

    input: Input
    source: tuple[int, int | None]
    cast_to: T.DataType | None


@dataclass(frozen=True)
class Binding:
    """A PREDICT call that is known to be right.

    Attributes:
        model: what the call's model and version resolved to.
        inputs: the inputs that an argument feeds, in the order of the signature.
        absent: the optional inputs that none feeds.
    """

    model: ResolvedModel
    inputs: tuple[BoundInput, ...]
    absent: tuple[Input, ...] = ()


def bind(
    reference: ModelReference,
    model: ResolvedModel,
    arguments: Sequence[Argument],
    *,
    case_sensitive: bool,
    one_by_one: bool,
) -> Binding:
    """Bind a call's feature arguments to the model's inputs.

    Args:
        reference: the model as the query names it, for messages.
        model: what the query's model and version resolved to.
        arguments: the feature arguments in the order of the call, ``*`` already expanded.
        case_sensitive: the session's ``spark.sql.caseSensitive``.
        one_by_one: whether each argument is known to have been written, and none to have come of a ``*``.

    Raises:
        ColumnMissingError, ColumnAmbiguousError, ColumnSwappedError, ArgumentCountError,
        ArgumentUnknownError, TypeUnsafeError: the arguments do not fit.
    """
    given = _expand_struct(model, arguments)
    written = one_by_one and given == list(arguments)
    call = _Call(reference, model, _inputs(model, given), given, case_sensitive, written)
    pairs = call.pair()
    fed = {column.name for column, _ in pairs}
    bound = tuple(call.check_type(position, column, argument) for position, (column, argument) in enumerate(pairs, 1))
    return Binding(model, bound, tuple(column for column in call.inputs if column.name not in fed))


def _expand_struct(model: ResolvedModel, arguments: Sequence[Argument]) -> list[Argument]:
    """A single struct binds by its fields, unless the model's one input is a struct itself."""
    inputs = model.signature.inputs
    alone = arguments[0].type if len(arguments) == 1 and not arguments[0].explicit else None
    takes_struct = len(inputs) == 1 and isinstance(inputs[0].type, T.StructType)
    if not isinstance(alone, T.StructType) or takes_struct:
        return list(arguments)
    whole = arguments[0]
    return [
        Argument(field.dataType, field.name, False, f"{whole.sql}.{field.name}", (whole.source[0], position))
        for position, field in enumerate(alone.fields)
    ]


def _inputs(model: ResolvedModel, arguments: Sequence[Argument]) -> tuple[Input, ...]:
    """The inputs to bind: a matrix of n columns takes n scalars, or one array of n values."""
    inputs = model.signature.inputs
    one_array = len(arguments) == 1 and isinstance(arguments[0].type, T.ArrayType)
    if not model.signature.tensor or len(inputs) == 1 or not one_array:
        return inputs
    return (Input(None, T.ArrayType(inputs[0].type), True, inputs[0].dtype, (len(inputs),)),)


@dataclass(frozen=True)
class _Call:
    reference: ModelReference
    model: ResolvedModel
    inputs: tuple[Input, ...]
    arguments: list[Argument]
    case_sensitive: bool
    one_by_one: bool

    def pair(self) -> list[tuple[Input, Argument]]:
        pairs = self._pair()
        if not pairs:
            raise self.missing(self.inputs)
        return pairs

    def _pair(self) -> list[tuple[Input, Argument]]:
        self._check_explicit_names()
        named = all(argument.name is not None for argument in self.arguments)
        if named and all(each.name is not None for each in self.inputs):
            missing = [each for each in self.inputs if each.required and not self.called(each.name)]
            if not missing:
                return self._pair_by_name(self.inputs, self.arguments)
            if not self.one_by_one or (not self._explicit and len(self.arguments) != len(self.inputs)):
                raise self.missing(missing)
        return self._pair_mixed() if self._explicit else self._pair_by_position()

    @property
    def _explicit(self) -> list[Argument]:
        return [argument for argument in self.arguments if argument.explicit]

    def _check_explicit_names(self) -> None:
        known = {self._key(column.name) for column in self.inputs if column.name is not None}
        for argument in self._explicit:
            if self._key(str(argument.name)) not in known:
                raise ArgumentUnknownError(
                    call=str(self.reference),
                    argument=str(argument.name),
                    expected=self._expected(),
                    uri=self.model.uri,
                )

    def _pair_by_name(self, inputs: Sequence[Input], arguments: Sequence[Argument]) -> list[tuple[Input, Argument]]:
        pairs, missing = [], []
        by_name = self._by_name(arguments)
        for each in inputs:
            candidates = [] if each.name is None else by_name.get(self._key(each.name), [])
            # price => expression says which of the columns called price is meant, or that none is.
            candidates = [argument for argument in candidates if argument.explicit] or candidates
            if len(candidates) > 1:
                raise ColumnAmbiguousError(
                    call=str(self.reference),
                    input=str(each.name),
                    got=", ".join(f"{argument.sql} {sql_type(argument.type)}" for argument in candidates),
                )
            if candidates:
                pairs.append((each, candidates[0]))
            elif each.required:
                missing.append(each)
        if missing:
            raise self.missing(missing)
        return pairs

    def _pair_by_position(self) -> list[tuple[Input, Argument]]:
        if len(self.arguments) != len(self.inputs):
            raise self._wrong_count()
        for each, argument in zip(self.inputs, self.arguments, strict=True):
            self._check_place(each, argument)
        return list(zip(self.inputs, self.arguments, strict=True))

    def _pair_mixed(self) -> list[tuple[Input, Argument]]:
        """As SQL does it: positional arguments first, then ``name => expression`` for the rest."""
        explicit = self._explicit
        positional = [argument for argument in self.arguments if not argument.explicit]
        first = list(zip(self.inputs, positional, strict=False))
        named = self._by_name(explicit)
        for each, argument in first:
            self._check_place(each, argument)
            if each.name is not None and self._key(each.name) in named:
                raise ColumnAmbiguousError(call=str(self.reference), input=str(each.name), got=self._got())
        return first + self._pair_by_name(self.inputs[len(first) :], explicit)

    def _wrong_count(self) -> ArgumentCountError:
        by_name = "" if self.inputs[0].name is None else ", or pass * (or name => expression) to bind by name"
        return ArgumentCountError(
            call=str(self.reference),
            reason="since not every argument has a name" if by_name else "since the model's inputs have no names",
            expected=_counted(self._expected(), len(self.inputs)),
            got=_counted(self._got(), len(self.arguments)),
            hint=f"pass one argument for each input in this order{by_name}.",
        )

    def _check_place(self, each: Input, argument: Argument) -> None:
        # Also where names are case-sensitive: a name that differs in case alone is no reason to take another's place.
        if argument.name is None or each.name is None or _alike(argument.name, each.name):
            return
        if not self.one_by_one:
            raise self.missing([column for column in self.inputs if not self.called(column.name)] or [each])
        if argument.name.casefold() in self._folded_inputs:
            raise ColumnSwappedError(
                call=str(self.reference),
                argument=argument.name,
                input=each.name,
                expected=self._expected(),
                got=self._got(),
                uri=self.model.uri,
            )

    def check_type(self, position: int, each: Input, argument: Argument) -> BoundInput:
        same_fields = has_struct(each.type) and without_places(argument.type) == each.type
        if argument.type == each.type or same_fields:
            return BoundInput(each, argument.source, None)
        root = each.name or str(position)
        try:
            plan_type = Matcher(each.optional, self._same_name, root).plan_type(argument.type, each.type)
        except FieldMissingError as exc:
            raise self._missing(f"the field `{exc.path}` ({sql_type(exc.wanted)})") from exc
        except FieldAmbiguousError as exc:
            call, got = str(self.reference), f"{argument.sql} {sql_type(argument.type)}"
            raise ColumnAmbiguousError(call=call, input=str(exc), got=got) from exc
        except FieldUnsafeError as exc:
            raise self._unsafe(root, each, argument, exc) from exc
        taken = without_places(plan_type)
        bound = each if taken == each.type else replace(each, type=taken)
        return BoundInput(bound, argument.source, plan_type)

    def _unsafe(self, root: str, each: Input, argument: Argument, reason: FieldUnsafeError) -> TypeUnsafeError:
        return TypeUnsafeError(
            call=str(self.reference),
            argument=f"`{argument.name}`" if argument.name else argument.sql,
            input=reason.path or root,
            expected=sql_type(reason.wanted),
            got=sql_type(reason.given),
            hint=_conversion(argument, each.type, reason),
            uri=self.model.uri,
        )

    def called(self, name: str | None) -> bool:
        return name is not None and self._key(name) in self._all_by_name

    @cached_property
    def _all_by_name(self) -> dict[str, list[Argument]]:
        return self._by_name(self.arguments)

    @cached_property
    def _folded_inputs(self) -> frozenset[str]:
        return frozenset(column.name.casefold() for column in self.inputs if column.name is not None)

    def _by_name(self, arguments: Sequence[Argument]) -> dict[str, list[Argument]]:
        """Return the arguments that have names, by them: looking through all for each input would take N x N looks."""
        found: dict[str, list[Argument]] = {}
        for argument in arguments:
            if argument.name is not None:
                found.setdefault(self._key(argument.name), []).append(argument)
        return found

    def _same_name(self, left: str, right: str) -> bool:
        return self._key(left) == self._key(right)

    def _key(self, name: str) -> str:
        """Return what two names have in common exactly when the session takes them for the same."""
        return name if self.case_sensitive else name.casefold()

    def missing(self, missing: Sequence[Input]) -> ColumnMissingError:
        noun = "the input" if len(missing) == 1 else "the inputs"
        names = cut(f"`{each.name}` ({sql_type(each.type)})" for each in missing)
        return self._missing(f"{noun} {names}")

    def _missing(self, missing: str) -> ColumnMissingError:
        return ColumnMissingError(
            call=str(self.reference),
            missing=missing,
            expected=self._expected(),
            got=self._got(),
            uri=self.model.uri,
        )

    def _expected(self) -> str:
        return cut(
            f"{each.name or position} {sql_type(each.type)}{'' if each.required else ' (optional)'}"
            for position, each in enumerate(self.inputs, 1)
        )

    def _got(self) -> str:
        if not self.arguments:
            return "no arguments"
        return cut(f"{argument.name or argument.sql} {sql_type(argument.type)}" for argument in self.arguments)


def _conversion(argument: Argument, wanted: T.DataType, reason: FieldUnsafeError) -> str:
    """Return what to write for a value of another type; no CAST that would mix fields up, since it goes by position."""
    if _same_fields(argument.type, wanted):
        return f"if that is what you want, write CAST({argument.sql} AS {sql_type(wanted)})."
    if reason.path and not has_struct(reason.wanted):
        return f"if that is what you want, build the value with CAST(... AS {sql_type(reason.wanted)}) in this field."
    return f"build a value of the type {sql_type(reason.wanted)}."


def _same_fields(given: T.DataType, wanted: T.DataType) -> bool:
    if isinstance(given, T.StructType) and isinstance(wanted, T.StructType):
        pairs = zip(given.fields, wanted.fields, strict=False)
        return given.names == wanted.names and all(_same_fields(left.dataType, right.dataType) for left, right in pairs)
    if isinstance(given, T.ArrayType) and isinstance(wanted, T.ArrayType):
        return _same_fields(given.elementType, wanted.elementType)
    if isinstance(given, T.MapType) and isinstance(wanted, T.MapType):
        return _same_fields(given.valueType, wanted.valueType)
    return not has_struct(given) and not has_struct(wanted)


def _counted(listed: str, count: int) -> str:
    return f"{count} ({listed})" if count else listed


def _alike(left: str, right: str | None) -> bool:
    return right is not None and left.casefold() == right.casefold()
