"""Names of columns that Delta Lake does not take: a job finds them before it scores, or maps them if it is asked to."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from lakepredict import lakehouse
from lakepredict.errors import JobInvalidError, KeyInvalidError, OutputNamesError
from lakepredict.lakehouse import _column_names
from lakepredict.lakehouse._column_names import REFUSED, OutputTable

OUTPUTS = {"named_plain": ["no", "yes"], "named_oddly": ["no", "prob (yes)"], "named_twice": ["yes", "Yes"]}


def register(name: str, outputs: list[str], calls: Path) -> None:
    """Register a model that gives 1, 2, ... times the price, and notes that it was called."""

    class Multiples(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
            calls.touch()
            return pd.DataFrame({output: model_input["price"] * (place + 1) for place, output in enumerate(outputs)})

    signature = ModelSignature(
        Schema([ColSpec(DataType.double, "price")]), Schema([ColSpec(DataType.double, output) for output in outputs])
    )
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model", python_model=Multiples(), registered_model_name=name, signature=signature, pip_requirements=[]
        )


@pytest.fixture(scope="module")
def calls(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is there once one of the models was called."""
    path = tmp_path_factory.mktemp("models") / "called"
    for name, outputs in OUTPUTS.items():
        register(name, outputs, path)
    return path


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> Iterator[str]:
    """A table of two rows that no test changes."""
    spark.createDataFrame([(1, 1.0), (2, 2.0)], "id INT, price DOUBLE").coalesce(1).write.saveAsTable("to_name")
    yield "to_name"
    spark.sql("DROP TABLE to_name")


@pytest.fixture
def table(spark: SparkSession, calls: Path, rows: str) -> Iterator[str]:
    """The table of two rows, before any model was called."""
    calls.unlink(missing_ok=True)
    yield rows
    spark.sql("DROP TABLE IF EXISTS named")


@pytest.mark.parametrize(
    ("model", "query", "options", "error", "text"),
    [
        ("named_oddly", "*", {}, OutputNamesError, r"`prediction.prob \(yes\)`"),
        ("named_twice", "*", {}, OutputNamesError, "`prediction.yes` and `prediction.Yes`"),
        ("named_twice", "*", {"column_mapping": True}, OutputNamesError, "`prediction.yes` and `prediction.Yes`"),
        ("named_plain", "*, id AS `the id`", {}, OutputNamesError, "`the id`"),
        ("named_plain", "*, array(named_struct('a=b', id)) AS s", {}, OutputNamesError, r"`s\[\].a=b`"),
        ("named_plain", "*, id AS ID", {}, OutputNamesError, "`id` and `ID`"),
        ("named_plain", "*, id AS ID", {"column_mapping": True}, OutputNamesError, "`id` and `ID`"),
        ("named_plain", "*, id AS ID", {"columns": ["id"]}, JobInvalidError, "id, ID"),
        ("named_plain", "*, id AS ID", {"key": ["id"], "mode": "merge"}, KeyInvalidError, "id, ID"),
        ("named_plain", "*", {"columns": ["id", "ID"]}, JobInvalidError, "id and ID"),
        ("named_plain", "*", {"prediction": "the forecast"}, OutputNamesError, "another name for the prediction"),
        ("named_plain", "*", {"prediction": "PRICE"}, JobInvalidError, "price"),
        ("named_plain", "*, 1 AS Run_ID", {}, JobInvalidError, "Run_ID"),
        ("named_plain", "*", {"partition_by": ["week"]}, JobInvalidError, "week"),
    ],
)
def test_refused_before_anything_is_scored(
    spark: SparkSession,
    calls: Path,
    table: str,
    model: str,
    query: str,
    options: dict,
    error: type[Exception],
    text: str,
) -> None:
    """A name that Delta Lake would refuse ends the job before the model is called, and no table is made."""
    with pytest.raises(error, match=text):
        lakehouse.score(spark, model, 1, f"SELECT {query} FROM {table}", "named", **options)

    assert not spark.catalog.tableExists("named")
    assert not calls.exists()


@pytest.mark.parametrize("mode", ["overwrite", "incremental"])
def test_column_mapping(spark: SparkSession, table: str, mode: str) -> None:
    """A job that asks for column mapping makes a table with such names, and goes on with it."""
    spark.sql(
        "CREATE OR REPLACE TABLE mapped TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"
        f" AS SELECT id AS `the id`, price FROM {table}"
    )
    options = {"key": ["the id"], "mode": mode, "prediction": "the forecast", "partition_by": ["model_version"]}
    lakehouse.score(spark, "named_oddly", 1, "mapped", "named", column_mapping=True, **options)
    spark.sql("INSERT INTO mapped VALUES (3, 3.0)")
    done = lakehouse.score(spark, "named_oddly", 1, "mapped", "named", **options)
    rows = spark.sql("SELECT `the id`, `the forecast`.`prob (yes)` AS yes FROM named ORDER BY 1").collect()
    spark.sql("DROP TABLE mapped")

    assert done.rows_in == (1 if mode == "incremental" else 3)
    assert [tuple(row) for row in rows] == [(1, 2.0), (2, 4.0), (3, 6.0)]


def test_a_table_that_is_there_stays_as_it_is(spark: SparkSession, calls: Path, table: str) -> None:
    """New names need column mapping that the table's owner turns on, as the error says; old ones do not."""
    lakehouse.score(spark, "named_plain", 1, table, "named", columns=["id"])
    calls.unlink()
    query = f"SELECT *, id AS `the id` FROM {table}"
    options = {"columns": ["id", "the id"], "evolve": True, "column_mapping": True}
    with pytest.raises(OutputNamesError) as error:
        lakehouse.score(spark, "named_plain", 1, query, "named", **options)
    assert not calls.exists()

    statement = str(error.value).partition("hint: ")[2].partition(" gives")[0]
    spark.sql(statement)
    lakehouse.score(spark, "named_plain", 1, query, "named", **options)

    assert spark.table("named").where("`the id` = id").count() == 2


def test_a_session_that_maps_by_default(spark: SparkSession, table: str) -> None:
    """Delta Lake's own default for new tables counts as well."""
    setting = "spark.databricks.delta.properties.defaults.columnMapping.mode"
    spark.conf.set(setting, "name")
    try:
        lakehouse.score(spark, "named_oddly", 1, table, "named")
    finally:
        spark.conf.unset(setting)

    assert spark.table("named").count() == 2


def test_an_output_with_a_change_data_feed(spark: SparkSession, calls: Path, table: str) -> None:
    """The rows of a change data feed do not go, with its columns, into a table that keeps one itself."""
    setting = "spark.databricks.delta.properties.defaults.enableChangeDataFeed"
    spark.conf.set(setting, "true")
    try:
        with pytest.raises(OutputNamesError, match="`_change_type`"):
            lakehouse.score(spark, "named_plain", 1, f"SELECT *, 'insert' AS _change_type FROM {table}", "named")
    finally:
        spark.conf.unset(setting)

    assert not calls.exists()


def test_the_cast_that_the_hint_names(spark: SparkSession, table: str) -> None:
    """In SQL, a CAST renames outputs that no Delta table can have."""
    spark.sql(
        "CREATE TABLE named AS SELECT CAST(PREDICT('named_twice', 1, price) AS STRUCT<one: DOUBLE, two: DOUBLE>) p"
        f" FROM {table}"
    )

    assert sorted(row.p.two for row in spark.table("named").collect()) == [2.0, 4.0]


def test_names_as_delta_takes_them(spark: SparkSession) -> None:
    """Delta Lake refuses the characters that are refused here, and no other."""
    names = [f"c{ord(character)}_{character}" for character in string.printable]
    with pytest.raises(AnalysisException, match="DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES") as error:
        spark.createDataFrame([(1,) * len(names)], names).write.saveAsTable("named")
    fits = [name for name in names if not set(name) & set(REFUSED)]
    spark.createDataFrame([(1,) * len(fits)], fits).write.saveAsTable("named")
    spark.sql("DROP TABLE named")

    told = str(error.value).partition("Invalid column names: ")[2]
    assert {name for name in names if name in told} == {name for name in names if set(name) & set(REFUSED)}


def test_names_that_delta_takes_for_the_same(spark: SparkSession) -> None:
    """Delta Lake refuses what differs in case alone, with regard to case or without."""
    nested = spark.sql("SELECT array(named_struct('a', 1, 'A', 2)) AS s")
    for sensitive in ("true", "false"):
        spark.conf.set("spark.sql.caseSensitive", sensitive)
        try:
            with pytest.raises(AnalysisException, match=r"COLUMN_ALREADY_EXISTS|DELTA_DUPLICATE_COLUMNS_FOUND"):
                nested.write.saveAsTable("named")
        finally:
            spark.conf.unset("spark.sql.caseSensitive")
    with pytest.raises(OutputNamesError):
        _column_names.require_names(OutputTable("named"), nested.schema)
