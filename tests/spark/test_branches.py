"""Models in the branches of CASE and its kin: each is called for the rows whose branch reaches it, once for each."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.ml import Pipeline
from pyspark.ml.feature import Bucketizer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression as SklearnRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from conftest import log_model, register_model
from pages import BLOCKS
from test_distribution import explained

CALLS = Path(tempfile.gettempdir(), "own_rows")
FACTORS = {"a": 2.0, "b": 3.0, "c": 5.0}
OWNERS = (*"aabbbc", None)

by_pickle = partial(mlflow.sklearn.log_model, serialization_format="cloudpickle")

Scored = Callable[[], dict[str, int]]


@pytest.fixture(scope="module")
def owners(spark: SparkSession) -> None:
    """The models ``own_a``, ``own_b`` and ``own_c``, which fail on rows of another owner, and the table ``owned``.

    It has 70 rows: 20 of a, 30 of b, 10 of c and 10 without an owner.
    """
    inputs = Schema([ColSpec("string", "owner"), ColSpec("double", "x")])
    for owner, factor in FACTORS.items():
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("models") / "own_rows.py"),
                model_config={"owner": owner, "factor": factor},
                signature=ModelSignature(inputs, Schema([ColSpec("double")])),
                pip_requirements=["mlflow"],
                registered_model_name=f"own_{owner}",
            )
    rows = [(number, OWNERS[number % 7], float(number)) for number in range(70)]
    spark.createDataFrame(rows, "id INT, owner STRING, x DOUBLE").write.saveAsTable("owned")


@pytest.fixture
def scored(owners: None) -> Scored:
    """How many rows the model of each owner has scored since the test began."""
    CALLS.mkdir(exist_ok=True)
    for file in CALLS.iterdir():
        file.unlink()

    def count() -> dict[str, int]:
        counts: Counter[str] = Counter()
        for name in os.listdir(CALLS):
            owner, rows, _ = name.split("-")
            counts[owner] += int(rows)
        return dict(counts)

    return count


A, B, C = (f"PREDICT('own_{owner}', 1, owner, x)" for owner in FACTORS)
OWN_A, OWN_B, OWN_C = (
    f"CASE WHEN owner = '{owner}' THEN {call} END" for owner, call in zip(FACTORS, (A, B, C), strict=True)
)
BY_OWNER = f"CASE WHEN owner = 'a' THEN {A} WHEN owner = 'b' THEN {B} WHEN owner = 'c' THEN {C} END"

BRANCHES = {
    "CASE": (f"SELECT id, CASE WHEN owner = 'a' THEN {A} WHEN owner = 'b' THEN {B} END AS p FROM owned", "ab"),
    "CASE of a value": (f"SELECT CASE owner WHEN 'a' THEN {A} WHEN 'b' THEN {B} ELSE 0 END AS p FROM owned", "ab"),
    "ELSE": (f"SELECT CASE WHEN owner = 'b' THEN 0 ELSE {A} END AS p FROM owned WHERE owner IN ('a', 'b')", "a"),
    "IF": (f"SELECT if(owner = 'a', {A}, if(owner = 'b', {B}, x)) AS p FROM owned", "ab"),
    "coalesce": (f"SELECT coalesce({OWN_A}, {OWN_B}, {OWN_C}) AS p FROM owned", "abc"),
    "coalesce of the same call": (
        f"SELECT coalesce(if(x < 20, {OWN_A}, NULL), {OWN_B}, {OWN_A}) AS p FROM owned",
        "ab",
    ),
    "nvl, nvl2, nullif": (
        f"SELECT nvl({OWN_A}, {OWN_B}) AS p, nvl2(if(owner = 'a', 1, NULL), {A}, 0) AS q, nullif({OWN_C}, 5D) AS r"
        " FROM owned",
        "abc",
    ),
    "nanvl": (f"SELECT nanvl(if(owner = 'a', double('NaN'), x), {A}) AS p FROM owned", "a"),
    "nested": (
        f"SELECT CASE WHEN owner IN ('a', 'b') THEN if(owner = 'a', {A}, {B}) WHEN owner = 'c' THEN {C} END AS p"
        " FROM owned",
        "abc",
    ),
    "the same call in two branches": (
        f"SELECT CASE WHEN x < 20 AND owner = 'a' THEN {A} WHEN owner = 'b' THEN {B} WHEN owner = 'a' THEN -{A} END"
        " AS p FROM owned",
        "ab",
    ),
    "the same call in two columns": (
        f"SELECT if(owner = 'a' AND x > 30, {A}, 0) AS p, if(owner = 'a' AND x <= 30, {A}, 0) AS q FROM owned",
        "a",
    ),
    "a branch, and outside of it": (f"SELECT {OWN_A} AS p, {A} AS q FROM owned WHERE owner = 'a'", "a"),
    "a model in the condition": (
        f"SELECT CASE WHEN owner = 'a' AND {A} > 40 THEN {A} WHEN owner = 'b' THEN {B} END AS p FROM owned",
        "ab",
    ),
    "each in the other's place": (
        f"SELECT if(id % 2 = 0, coalesce({OWN_A}, {OWN_B}), coalesce({OWN_B}, {OWN_A})) AS p FROM owned",
        "ab",
    ),
    "a condition that fails elsewhere": (
        f"SELECT CASE WHEN x = 0 THEN NULL WHEN 1 / x < 9 AND owner = 'b' THEN {B} END AS p FROM owned",
        "b",
    ),
    "WHERE above": (f"SELECT * FROM (SELECT id, {BY_OWNER} AS p FROM owned) WHERE p > 10", "abc"),
    "WHERE and SELECT": (f"SELECT id, {BY_OWNER} AS p FROM owned WHERE {BY_OWNER} > 10", "abc"),
    "OR": (f"SELECT id FROM owned WHERE owner = 'b' OR owner = 'a' AND {A} > 20", "a"),
    "JOIN": (
        f"SELECT id FROM owned JOIN range(50) USING (id) WHERE if(owner = 'a', {A} > 5, {OWN_B} > 3)",
        "ab",
    ),
    "aggregates": (
        f"SELECT owner, sum({A}) FILTER (WHERE owner = 'a') AS s, count(DISTINCT {OWN_B}) AS d, avg({OWN_C}) AS m"
        " FROM owned GROUP BY owner",
        "abc",
    ),
    "two DISTINCT": (f"SELECT count(DISTINCT {OWN_A}) AS p, count(DISTINCT {OWN_B}) AS q FROM owned", "ab"),
    "GROUP BY and HAVING": (f"SELECT {BY_OWNER} AS p, count(*) AS n FROM owned GROUP BY 1 HAVING p > 3", "abc"),
    "windows": (
        f"SELECT id, sum({OWN_A}) OVER (PARTITION BY owner ORDER BY id) AS p, rank() OVER (ORDER BY {OWN_B}) AS r"
        " FROM owned",
        "ab",
    ),
    "ORDER BY": (f"SELECT id FROM owned ORDER BY {OWN_A}, id", "a"),
    "a subquery in the condition": (
        f"SELECT CASE WHEN owner = 'a' AND x >= (SELECT min(x) FROM owned) THEN {A} END AS p FROM owned",
        "a",
    ),
    "columns of a subquery": (
        "SELECT CASE WHEN upper(owner) = 'A' THEN p WHEN owner = 'b' THEN q END AS r, if(owner = 'a', p + 1, 0) AS s"
        f" FROM (SELECT owner, {A} AS p, {B} AS q FROM owned)",
        "ab",
    ),
    "a computed segment": (
        f"WITH s AS (SELECT *, upper(owner) AS segment FROM owned)"
        f" SELECT segment, CASE segment WHEN 'A' THEN {A} WHEN 'B' THEN {B} END AS p FROM s",
        "ab",
    ),
}
"""What is asked, and whose models are called, for all rows of their own."""


def plain(query: str) -> str:
    """The query with arithmetic in the place of the models."""
    for owner, factor in FACTORS.items():
        query = query.replace(f"PREDICT('own_{owner}', 1, owner, x)", f"(x * {factor}D)")
    return query


@pytest.mark.parametrize("name", BRANCHES)
def test_a_model_sees_the_rows_of_its_branch(spark: SparkSession, scored: Scored, name: str) -> None:
    """Each model is called for the rows that its branch is for, once for each, and the query gives what it should."""
    query, called = BRANCHES[name]
    rows = sorted([list(map(str, row)) for row in spark.sql(query).collect()])

    assert rows == sorted([list(map(str, row)) for row in spark.sql(plain(query)).collect()])
    assert scored() == {owner: 10 * OWNERS.count(owner) for owner in called}


def test_the_documentation(spark: SparkSession) -> None:
    """The CASE of docs/predict.md gives each row what the model of its segment predicts."""
    inputs = {"x": DataType.double, "y": DataType.double}
    for name, factor in (("m_a", 1.0), ("m_b", 10.0)):
        register_model(name, factor, inputs)
    spark.createDataFrame([("a", 1.0, 2.0), (None, 1.0, 2.0)], "segment STRING, x DOUBLE, y DOUBLE").createTempView("t")
    (block,) = (block for block in BLOCKS if block.page.name == "predict.md" and "m_a" in block.code)
    rows = spark.sql(block.code).collect()
    spark.catalog.dropTempView("t")

    assert sorted(round(row.p, 6) for row in rows) == [5, 50]


def test_a_model_over_a_model(spark: SparkSession, scored: Scored) -> None:
    """Neither of two models, one over the other's output, sees a row of another branch."""
    twice = "PREDICT('own_b', 1, owner, PREDICT('own_b', 1, owner, x))"
    rows = spark.sql(f"SELECT x, if(owner = 'b', {twice}, NULL) AS p FROM owned WHERE owner IS NOT NULL").collect()

    assert [row.p for row in rows if row.p is not None] == [row.x * 9 for row in rows if row.p is not None]
    assert scored() == {"b": 60}


def test_groups_of_unlike_rows(spark: SparkSession, scored: Scored) -> None:
    """Where a condition is about a group whose rows may differ (0.0 and -0.0), all of the group's rows are scored."""
    values = "VALUES ('a', 0D), ('a', -0D) AS t(owner, x)"
    query = f"SELECT if(sign(x) = 0 AND cast(x AS STRING) <> '-0.0', count({A}), -1) AS n FROM {values} GROUP BY x"

    assert [row.n for row in spark.sql(query).collect()] == [2]


def test_chance_is_not_asked_twice(spark: SparkSession, scored: Scored) -> None:
    """Where chance chooses, both models are called for all rows that it may choose them for."""
    query = f"SELECT CASE WHEN owner = 'a' THEN if(rand(3) < 0.5, {A}, -{A}) END AS p FROM owned"
    values = [row.p for row in spark.sql(query).collect() if row.p is not None]

    assert len({value > 0 for value in values if value}) == 2
    assert scored() == {"a": 20}


def test_every_caller_sees_its_rows(spark: SparkSession, scored: Scored) -> None:
    """A view does the same, and so does a session of its own and a Python function in the condition."""
    session = spark.newSession()
    session.udf.register("is_a", F.udf(lambda owner: owner == "a", "boolean"))
    session.sql(f"CREATE OR REPLACE VIEW by_owner AS SELECT id, {BY_OWNER} AS p FROM owned")
    session.sql("SELECT sum(p) FROM by_owner").collect()
    # Without a filter, Spark 4.2 itself waits for ever for a Python function over a Delta table.
    query = f"SELECT CASE WHEN owner = 'b' THEN {B} WHEN is_a(owner) THEN {A} END AS p FROM owned WHERE id >= 0"
    assert session.sql(query).selectExpr("count(p)").first()[0] == 50

    assert scored() == {"a": 40, "b": 60, "c": 10}


def test_streams(spark: SparkSession, scored: Scored, tmp_path: Path) -> None:
    """A streaming query does the same in each batch."""
    stream = spark.readStream.table("owned").selectExpr("id", f"{BY_OWNER} AS p")
    query = stream.writeStream.option("checkpointLocation", str(tmp_path)).trigger(availableNow=True)
    query.toTable("owned_scored").awaitTermination()

    assert spark.table("owned_scored").selectExpr("count(p)").first()[0] == 60
    assert scored() == {"a": 20, "b": 30, "c": 10}


def test_the_rows_of_other_branches_are_not_checked(spark: SparkSession, scored: Scored) -> None:
    """A NULL in a row of another branch is no error where NULL is one."""
    session = spark.newSession()
    session.conf.set("spark.lakepredict.onNull", "error")
    rows = session.sql(f"SELECT owner, {BY_OWNER} AS p FROM owned ORDER BY id").collect()

    assert [row.owner for row in rows if row.p is None] == [None] * 10


@pytest.mark.parametrize("function", ["PREDICT", "TRY_PREDICT", "PREDICT_PROBA"])
@pytest.mark.parametrize("settings", [{}, {"engine": "pandas"}, {"trees": "compiled"}], ids=str)
def test_engines(spark: SparkSession, function: str, settings: dict[str, str]) -> None:
    """Each engine and each function leaves the rows of other branches alone: a negative number fails this model."""

    def refuse(values: Any) -> Any:
        if (np.asarray(values) < 0).any():
            raise ValueError("a negative number")
        return values

    rows = pd.DataFrame({"x": [float(number) for number in range(20)]})
    model = make_pipeline(FunctionTransformer(refuse), LogisticRegression()).fit(rows, rows["x"] > 9)
    frame = pd.DataFrame({"x": [1.0]})
    log_model(by_pickle, model, "refusing", frame, model.predict(frame))
    session = spark.newSession()
    for key, value in settings.items():
        session.conf.set(f"spark.lakepredict.{key}", value)
    query = f"SELECT x, if(x >= 0, {function}('refusing', 1, x), NULL) AS p FROM VALUES (-1D), (2D), (17D) AS t(x)"
    found = {row.x: row.p for row in session.sql(query).collect()}

    assert found[-1.0] is None
    if function == "PREDICT_PROBA":
        assert list(found[17.0].values()) == pytest.approx(model.predict_proba(pd.DataFrame({"x": [17.0]}))[0].tolist())
    else:
        assert [found[2.0], found[17.0]] == [False, True]


def test_models_in_the_plan(spark: SparkSession) -> None:
    """A model of Spark ML that fails on a row is not computed for rows of another branch, also where it is shared."""
    rows = spark.range(20).selectExpr("double(id) AS x", "double(id * id) AS z", "double(3 * id) AS label")
    features = VectorAssembler(inputCols=["x", "z", "bucket"], outputCol="features")
    buckets = Bucketizer(splits=[0.0, 5.0, 100.0], inputCol="x", outputCol="bucket", handleInvalid="error")
    stages = [buckets, features, LinearRegression()]
    with mlflow.start_run():
        mlflow.spark.log_model(
            Pipeline(stages=stages).fit(rows),
            artifact_path="model",
            signature=ModelSignature(
                Schema([ColSpec("double", "x"), ColSpec("double", "z")]), Schema([ColSpec("double", "prediction")])
            ),
            pip_requirements=["pyspark"],
            registered_model_name="buckets",
        )
    call = "PREDICT('buckets', 1, x, z)"
    query = (
        f"SELECT x, CASE WHEN x >= 0 THEN {call} END AS p, CASE WHEN x >= 0 THEN {call} + 1 END AS q,"
        f" if(x < 0, 0, {call}) AS r FROM VALUES (-7D, 1D), (2D, 4D) AS t(x, z)"
    )
    found = {row.x: row for row in spark.sql(query).collect()}

    assert (found[-7.0].p, found[-7.0].q, found[-7.0].r) == (None, None, 0)
    assert [round(found[2.0][column], 6) for column in "pqr"] == [6, 7, 6]
    with pytest.raises(Exception, match=r"\[-7\.0\]|Feature value -7\.0"):
        spark.sql(query.replace("x >= 0", "x >= -9")).collect()


def test_conditions_stay_small(spark: SparkSession) -> None:
    """A CASE of 20 models has 20 conditions in one operator, none longer than its branches."""
    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = TransformedTargetRegressor(SklearnRegression()).fit(rows, rows["x"] * 2)
    for _ in range(20):
        log_model(mlflow.sklearn.log_model, model, "many", rows, model.predict(rows))
    branches = " ".join(f"WHEN segment = {version} THEN PREDICT('many', {version}, x)" for version in range(1, 21))
    query = spark.sql(
        f"SELECT CASE {branches} END AS p FROM (SELECT id % 25 AS segment, double(id) AS x FROM range(50))"
    )
    plan = explained(query)

    assert plan.count("ArrowEvalPython") == 1
    conditions = [part.split(")#")[0] for part in plan.split("when => ")[1:]]
    assert len(conditions) == 20
    assert [condition.count(" = ") for condition in conditions] == list(range(1, 21))
    assert query.selectExpr("count(p)").first()[0] == 40
