"""Catalyst expressions, made and changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakepredict._jvm.gateway import Gateway, class_name, identifier, items


def sql_of(gateway: Gateway, expression: Any) -> str:
    return str(gateway("catalyst.util.package").toPrettySQL(expression, False))


def literal(gateway: Gateway, value: str) -> Any:
    return gateway("catalyst.expressions.Literal").create(
        value, gateway("org.apache.spark.sql.types.DataTypes").StringType
    )


def new_struct(gateway: Gateway, values: Sequence[Any]) -> Any:
    fields = [part for at, each in enumerate(values) for part in (literal(gateway, f"c{at}"), each)]
    return gateway("catalyst.expressions.CreateNamedStruct")(gateway.seq(fields))


def struct_field(gateway: Gateway, struct: Any, at: int) -> Any:
    return gateway("catalyst.expressions.GetStructField")(struct, at, gateway.option())


def aliased(gateway: Gateway, expression: Any, column: Any) -> Any:
    """The expression under name and id of a column."""
    nothing = gateway.seq([])
    return gateway("catalyst.expressions.Alias")(
        expression, column.name(), column.exprId(), nothing, gateway.option(), nothing
    )


def substituted(gateway: Gateway, columns: Sequence[Any], aliases: Any) -> list[Any]:
    """The columns with the expressions of ``aliases``, a Scala Seq, in place of their names."""
    merge = gateway("catalyst.optimizer.CollapseProject").buildCleanedProjectList
    return items(merge(gateway.seq(columns), aliases))


def is_vector(expression: Any) -> bool:
    return class_name(expression.dataType()) == "VectorUDT"


def shaped(gateway: Gateway, given: Any, *, as_vector: bool) -> Any:
    """An ARRAY as a vector, or a vector as an ARRAY, where it is not what is wanted."""
    if is_vector(given) == as_vector:
        return given
    registry = getattr(gateway("catalyst.analysis.FunctionRegistry$"), "MODULE$").internal()
    name, others = ("array_to_vector", []) if as_vector else ("vector_to_array", [literal(gateway, "float64")])
    return registry.lookupFunction(identifier(gateway, registry, name), gateway.seq([given, *others]))


def is_whole(gateway: Gateway, given: Any) -> Any:
    """Whether a vector, or an ARRAY in place of one, is not NULL, and has no NULL."""
    there = gateway("catalyst.expressions.IsNotNull")(given)
    if is_vector(given) or not given.dataType().containsNull():
        return there
    null = gateway("catalyst.expressions.IsNull")
    element = new_variable(gateway, given.dataType().elementType())
    with_null = gateway("catalyst.expressions.ArrayExists")(given, new_lambda(gateway, [element], null(element)), False)
    return gateway("catalyst.expressions.And")(there, gateway("catalyst.expressions.Not")(with_null))


def new_variable(gateway: Gateway, kind: Any) -> Any:
    """A new variable of a lambda: one that another call in the query has would be overwritten by it."""
    new_id = gateway("catalyst.expressions.NamedExpression").newExprId()
    holder = gateway("java.util.concurrent.atomic.AtomicReference")()
    return gateway("catalyst.expressions.NamedLambdaVariable")("shared", kind, True, new_id, holder)


def new_lambda(gateway: Gateway, variables: Sequence[Any], body: Any) -> Any:
    return gateway("catalyst.expressions.LambdaFunction")(body, gateway.seq(variables), False)


def let(gateway: Gateway, variable: Any, value: Any, body: Any) -> Any:
    """``body`` with the variable bound to a value that is computed once: ``transform(array(value), x -> body)[0]``.

    Spark shares common parts of expressions by itself only where no condition keeps them from being computed.
    """
    # Whether a body may be NULL is said, not asked for: each let in it would double the time that the answer takes.
    body = gateway("catalyst.expressions.KnownNullable")(body)
    array = gateway("catalyst.expressions.CreateArray")(gateway.seq([value]))
    bodies = gateway("catalyst.expressions.ArrayTransform")(array, new_lambda(gateway, [variable], body))
    first = gateway("catalyst.expressions.Literal")(0, gateway("org.apache.spark.sql.types.DataTypes").IntegerType)
    return gateway("catalyst.expressions.GetArrayItem")(bodies, first, False)


def guarded(gateway: Gateway, expression: Any, conditions: Sequence[Any]) -> Any:
    """The expression where the first condition is true; where the second is, what it gives, or NULL if it fails.

    Two conditionals, neither with an alternative of its own: of what two alternatives have in common, Spark would
    compute a part before it, outside the attempt.
    """
    attempts = [expression, gateway("catalyst.expressions.TryEval")(expression)]
    null = gateway("catalyst.expressions.Literal")(None, expression.dataType())
    branch = gateway("catalyst.expressions.If")
    found = [branch(each, attempt, null) for each, attempt in zip(conditions, attempts, strict=False)]
    if len(found) > 1:
        return gateway("catalyst.expressions.Coalesce")(gateway.seq(found))
    return found[0] if found else expression


def titled(gateway: Gateway, expression: Any, title: str) -> Any:
    """The expression under a name that EXPLAIN shows, and that Spark does not compute twice for a filter over it.

    Spark pushes a filter below the projection that it filters by, and with it a copy of a Python UDF, but not of a
    Scala UDF, which it takes for expensive. This one returns what it is given: Scala's own serializable identity,
    without encoders. On its way days of October 1582 would move, so dates and times do without.
    """
    if any(each in expression.dataType().sql() for each in ("DATE", "TIMESTAMP")):
        return expression
    nothing = gateway.seq([])
    identity = getattr(getattr(gateway.java.scala, "$less$colon$less$"), "MODULE$").refl()
    return gateway("catalyst.expressions.ScalaUDF")(
        identity,
        expression.dataType(),
        gateway.seq([expression]),
        nothing,
        gateway.option(),
        gateway.option(title),
        True,
        True,
    )


def deterministic(gateway: Gateway, expression: Any) -> Any:
    """The expression with its UDFs marked deterministic.

    Spark ML marks some of its own otherwise (VectorAssembler), only to keep them from being evaluated twice,
    and Spark forbids non-deterministic expressions inside aggregates.
    """
    if expression.deterministic():
        return expression
    children = gateway.seq([deterministic(gateway, child) for child in items(expression.children())])
    if class_name(expression) != "ScalaUDF":
        return expression.withNewChildren(children)
    return expression.copy(
        expression.function(),
        expression.dataType(),
        children,
        expression.inputEncoders(),
        expression.outputEncoder(),
        expression.udfName(),
        expression.nullable(),
        True,
    )
