"""A chain of projections, such as a Spark ML pipeline adds to a data frame, as one expression inside a query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from lakepredict._jvm.expressions import (
    aliased,
    deterministic,
    guarded,
    is_vector,
    is_whole,
    let,
    new_struct,
    new_variable,
    shaped,
    sql_of,
    struct_field,
    substituted,
)
from lakepredict._jvm.gateway import Gateway, class_name, items, type_of_json

_MOST_FIELDS = 10
"""Of a step of a plan that an error shows."""


_TRANSPARENT = ("SubqueryAlias", "View")
"""Plan nodes that only give their child a name."""


def obstacle(frame: DataFrame, inputs: DataFrame) -> str | None:
    """What keeps the computation of ``frame`` from ``inputs`` from being spliced into a query, or None.

    Only projections of ``inputs`` can be, whose expressions have a value that depends on the row alone.
    """
    gateway = Gateway.of(frame.sparkSession)
    plan = frame._jdf.queryExecution().analyzed()
    while plan.children().nonEmpty():
        if class_name(plan) == "Project":
            for computed in items(_computed(plan)):
                found = _beyond_the_row(gateway, computed)
                if found is not None:
                    return found
        elif class_name(plan) not in _TRANSPARENT:
            return _step(plan)
        plan = plan.children().head()
    given = inputs._jdf.queryExecution().analyzed()
    return None if plan.outputSet().equals(given.outputSet()) else _step(plan)


def _step(plan: Any) -> str:
    """What a node of a plan does, without the numbers that Spark gives to columns."""
    return re.sub(r"#\d+L?", "", str(plan.simpleString(_MOST_FIELDS))).strip()


def _beyond_the_row(gateway: Gateway, expression: Any) -> str | None:
    """What in an expression needs more than its row and the JVM, or gives another value each time."""
    patterns = gateway("catalyst.trees.TreePattern")
    if expression.containsPattern(patterns.PLAN_EXPRESSION()):
        return f"a subquery, {sql_of(gateway, expression)}"
    if expression.containsPattern(patterns.PYTHON_UDF()):
        return f"a Python function, {sql_of(gateway, expression)}"
    while not expression.deterministic():
        changing = [each for each in items(expression.children()) if not each.deterministic()]
        if not changing and not _is_of_spark_ml(expression):
            return f"a value that changes each time, {sql_of(gateway, expression)}"
        if not changing:
            return None
        found = [_beyond_the_row(gateway, each) for each in changing]
        return next((each for each in found if each is not None), None)
    return None


def _is_of_spark_ml(expression: Any) -> bool:
    if class_name(expression) != "ScalaUDF":
        return False
    return str(expression.function().getClass().getName()).startswith("org.apache.spark.ml.")


def collapsed(frame: DataFrame, guards: DataFrame) -> DataFrame:
    """``frame`` and, beside its columns, those of ``guards``, in as few projections as compute nothing twice.

    Both are projections of one data frame without rows; ``obstacle`` has found nothing in ``frame``.
    """
    gateway = Gateway.of(frame.sparkSession)
    project = gateway("catalyst.plans.logical.Project")
    projections, plan = _projections(frame)
    own = plan.output()
    for projection in reversed(projections):
        computed = _computed(projection)
        columns = gateway.seq([deterministic(gateway, column) for column in items(computed)])
        passed = projection.projectList().diff(computed)
        plan = project(columns.appendedAll(passed).appendedAll(own.diff(passed)), plan)
    ours = frame._jdf.queryExecution().analyzed().output()
    conditions = guards._jdf.queryExecution().analyzed().projectList()
    plan = project(ours.appendedAll(conditions), plan)
    for rule in ("ColumnPruning", "CollapseProject"):
        plan = gateway(f"catalyst.optimizer.{rule}").apply(plan)
    return _frame(frame.sparkSession, plan)


def merged(frame: DataFrame) -> DataFrame:
    """Return ``frame`` with its projections merged into one, whatever that computes twice.

    Each column of a lower projection takes the place of its name in the ones above it.
    """
    gateway = Gateway.of(frame.sparkSession)
    merge = gateway("catalyst.optimizer.CollapseProject").buildCleanedProjectList
    plan = frame._jdf.queryExecution().analyzed()
    columns, below = plan.projectList(), plan.child()
    while class_name(below) == "Project":
        columns, below = merge(columns, below.projectList()), below.child()
    return _frame(frame.sparkSession, gateway("catalyst.plans.logical.Project")(columns, below))


def _frame(spark: SparkSession, plan: Any) -> DataFrame:
    gateway = Gateway.of(spark)
    return DataFrame(gateway("org.apache.spark.sql.classic.Dataset").ofRows(spark._jsparkSession, plan), spark)


def _computed(projection: Any) -> Any:
    """Return the columns of a projection that it does not pass on as they are, a Scala Seq.

    Looking at each of thousands of columns from here would take seconds.
    """
    return projection.projectList().diff(projection.child().output())


def _projections(frame: DataFrame) -> tuple[list[Any], Any]:
    """Return the projections of a plan, the last one first, and the plan that they start from."""
    projections, plan = [], frame._jdf.queryExecution().analyzed()
    while plan.children().nonEmpty():
        if class_name(plan) == "Project":
            projections.append(plan)
        plan = plan.children().head()
    return projections, plan


def inlined(gateway: Gateway, builder: Any, frame: DataFrame, inputs: Any) -> Any:
    """The first column of ``frame`` as an expression over ``inputs``, which stand for the columns it starts from.

    A column after it is a condition on the inputs: where the second is not true, the expression is NULL. A third says
    for which of those rows it is tried all the same, and NULL only where it fails.

    What a lower projection computes is bound to a variable, since what is above it uses it more than once.
    """
    projections, leaf = _projections(frame)
    columns, *lower = (items(projection.projectList()) for projection in projections)
    parts, variables = columns, []
    for level in lower:
        aliases = [each for each in level if class_name(each) == "Alias"]
        computed = [each for each in aliases if each.child().children().nonEmpty()]
        names = [each for each in aliases if each.child().children().isEmpty()]
        if computed:
            shared = new_struct(gateway, [each.child() for each in computed])
            variables.append(new_variable(gateway, shared.dataType()))
            names += [
                aliased(gateway, struct_field(gateway, variables[-1], at), each) for at, each in enumerate(computed)
            ]
            parts = [*substituted(gateway, parts, gateway.seq(names)), aliased(gateway, shared, computed[0])]
        else:
            parts = substituted(gateway, parts, gateway.seq(names))
    if leaf.output().size() > inputs.size() or any(
        isinstance(each, (VectorUDT, T.ArrayType)) for each in _leaf_types(leaf)
    ):
        stand_ins = gateway.seq(_stand_ins(gateway, items(leaf.output()), items(inputs)))
    else:
        stand_ins = builder.aliased(leaf.output(), inputs)
    parts = substituted(gateway, parts, stand_ins)
    found, *others = (deterministic(gateway, each.child() if class_name(each) == "Alias" else each) for each in parts)
    conditions, definitions = others[: len(columns) - 1], others[len(columns) - 1 :]
    for variable, each in zip(variables, definitions, strict=True):
        found = let(gateway, variable, each, found)
    return guarded(gateway, found, conditions)


def _leaf_types(leaf: Any) -> list[T.DataType]:
    kind = type_of_json(leaf.schema().json())
    return [each.dataType for each in kind] if isinstance(kind, T.StructType) else []


def _stand_ins(gateway: Gateway, leaves: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """What the call gives for each column that a data frame starts from.

    A vector may be given as an ARRAY. After the inputs, there is a column for each vector among them that says whether
    it is there with all its elements.
    """
    columns = list(zip(leaves, inputs, strict=False))
    vectors = [given for leaf, given in columns if is_vector(leaf)]
    found = [aliased(gateway, shaped(gateway, given, as_vector=is_vector(leaf)), leaf) for leaf, given in columns]
    whole = zip(leaves[len(inputs) :], vectors, strict=True)
    return found + [aliased(gateway, is_whole(gateway, given), leaf) for leaf, given in whole]


def titled_part(inputs: Sequence[T.DataType], frame: DataFrame) -> int | None:
    """The place of the input that gets the title instead of the result, or None.

    A title costs a conversion of what is under it, which is dear for a STRUCT or an ARRAY and cheap for a number.
    """
    if isinstance(frame.schema[0].dataType, T.AtomicType):
        return None
    cheap = [at for at, each in enumerate(inputs) if isinstance(each, T.NumericType)]
    return cheap[0] if cheap else None
