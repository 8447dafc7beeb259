"""Definitions of a lakehouse outlive the process, and what other processes make appears by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from delta import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from lakepredict import lakehouse
from lakepredict.errors import LakehouseMismatchError, LakehouseUnreadableError
from lakepredict.lakehouse import Folder, _attach
from lakepredict.lakehouse._attach import Key
from test_cluster import plain_environment

PROGRAM = Path(__file__).with_name("programs") / "views.py"


def others(
    lakehouse: str, statements: list[str], conf: dict[str, str] | None = None, **environment: str
) -> list[object]:
    """What statements give in a process of its own: rows, or the condition of an error."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), lakehouse, json.dumps(conf or {}), json.dumps(statements)],
        env={**plain_environment(), "PYSPARK_PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    lines = [each for each in done.stdout.splitlines() if each.startswith("TOLD ")]

    assert lines, done.stderr
    answers: list[object] = json.loads(lines[0].removeprefix("TOLD "))
    return answers


@pytest.fixture(autouse=True)
def clean(spark: SparkSession, sales: str) -> Iterator[None]:
    """Each test leaves the lakehouse as it was."""
    yield
    spark.sql("USE default")
    for schema in ("aside", "default"):
        if spark.catalog.databaseExists(schema):
            for each in spark.sql(f"SHOW VIEWS IN {schema}").where("NOT isTemporary").collect():
                spark.sql(f"DROP VIEW {schema}.{each.viewName}")
    for each in ("abroad", "moved"):
        spark.sql(f"DROP TABLE IF EXISTS {each}")
    spark.sql("DROP SCHEMA IF EXISTS aside CASCADE")
    for each in ("tax", "cheap"):
        spark.sql(f"DROP FUNCTION IF EXISTS {each}")


def reopened(spark: SparkSession) -> None:
    """Have the catalog forget what it has from files, and read them as a new process does."""
    attached = _attach._attached
    assert attached is not None
    for key in sorted(attached._known, key=_attach._place, reverse=True):
        if key.kind != "table" and (key.kind != "schema" or key.name == "aside"):
            attached._take_out(key)
    lakehouse.refresh(spark)


def rows(spark: SparkSession, query: str) -> list[tuple[object, ...]]:
    """The rows of a query, as tuples."""
    return [tuple(row) for row in spark.sql(query).collect()]


def stable(exc: AnalysisException, folder: Folder) -> str:
    """An error's text, without what differs from run to run."""
    return str(exc).split(" SQLSTATE")[0].replace(folder.root, "<lakehouse>").strip()


def file(folder: Folder, name: str, kind: str = "Views") -> Path:
    """The file of a view in the default schema, or of another definition."""
    return Path(folder.root, kind, "default", f"{name}.sql")


# --- what a statement defines is there for the next process ------------------------------------------------


@pytest.mark.usefixtures("models")
def test_two_processes(spark: SparkSession, folder: Folder) -> None:
    """What either of two processes makes, changes and drops, the other one sees, in the same session."""
    for statement in (
        "CREATE SCHEMA aside COMMENT 'of the side'",
        "CREATE VIEW revenues (shop COMMENT 'its number', forecast) COMMENT 'what comes in' TBLPROPERTIES ('k' = 'v')"
        " AS SELECT id, round(PREDICT('revenue', 'stable', price, visits)) AS forecast FROM sales",
        "CREATE FUNCTION tax(x DOUBLE) RETURNS DOUBLE RETURN round(PREDICT('revenue', 1, x, 0D))",
        "CREATE VIEW aside.over AS SELECT shop, tax(forecast) AS taxed FROM default.revenues",
        "USE aside",
        "CREATE VIEW default.here AS SELECT * FROM over",
        "CREATE VIEW going AS SELECT 1 AS x",
    ):
        spark.sql(statement)
    seen = others(
        folder.root,
        [
            "SELECT sum(forecast) FROM revenues",
            "SELECT max(taxed) FROM aside.over",
            "SELECT count(*) FROM here",
            "SELECT tax(2D)",
            "DESCRIBE revenues",
            "SHOW TBLPROPERTIES revenues",
            "DESCRIBE SCHEMA aside",
            "DROP VIEW aside.going",
            "ALTER VIEW revenues AS SELECT 7 AS forecast",
            "CREATE TABLE aside.made AS SELECT 3 AS x",
            "CREATE VIEW aside.theirs AS SELECT x FROM aside.made",
            "USE aside",
            "CREATE VIEW mine AS SELECT x FROM made",
            "CREATE OR REPLACE FUNCTION default.tax(x DOUBLE) RETURNS DOUBLE RETURN x * 2",
        ],
    )

    assert seen[:4] == [[[362.0]], [[132.0]], [[5]], [[2.0]]]
    assert seen[4] == [["shop", "int", "its number"], ["forecast", "double", None]]
    assert seen[5] == [["k", "v"]]
    assert ["Comment", "of the side"] in seen[6]  # type: ignore[operator]
    assert rows(spark, "SELECT x FROM mine") == [(3,)]
    assert rows(spark, "SELECT * FROM default.revenues") == [(7,)]
    assert rows(spark, "SELECT default.tax(2D)") == [(4.0,)]
    assert not spark.catalog.tableExists("aside.going")
    tables = {each.name for each in spark.catalog.listTables("aside") if not each.isTemporary}

    assert tables == {"over", "made", "theirs", "mine"}


@pytest.mark.usefixtures("models")
def test_hive_metastore(folder: Folder, tmp_path: Path) -> None:
    """With a metastore of Spark's own, the next process sees tables and views, and no file of lakepredict's is made."""
    place = tmp_path / "lakehouse"
    conf = {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={tmp_path}/metastore;create=true",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={tmp_path}",
    }
    made = others(
        str(place),
        [
            "CREATE TABLE visits AS SELECT 2D AS price, 10 AS visits",
            "CREATE VIEW revenues AS SELECT round(PREDICT('revenue', 'stable', *)) AS forecast FROM visits",
            "CREATE SCHEMA aside",
            "CREATE FUNCTION aside.tax(x DOUBLE) RETURNS DOUBLE RETURN x * 2",
            "CREATE VIEW aside.taxed (tax COMMENT 'to pay') AS SELECT aside.tax(forecast) AS tax FROM default.revenues",
        ],
        conf,
        MLFLOW_TRACKING_URI=folder.mlflow_uri,
    )
    seen = others(
        str(place),
        ["SELECT forecast FROM revenues", "SELECT tax FROM aside.taxed", "DESCRIBE aside.taxed", "SHOW TABLES"],
        conf,
        MLFLOW_TRACKING_URI=folder.mlflow_uri,
    )

    assert made == [[]] * 5
    assert seen[:3] == [[[22.0]], [[44.0]], [["tax", "double", "to pay"]]]
    assert seen[3] == [["default", "revenues", False], ["default", "visits", False]]
    assert [each.name for each in place.iterdir()] == ["Tables"]


@pytest.mark.parametrize(
    ("statements", "query", "expected"),
    [
        (["CREATE VIEW v AS SELECT 1 AS x"], "SELECT x FROM v", [(1,)]),
        (["CREATE VIEW v AS SELECT 1 AS x", "CREATE OR REPLACE VIEW v AS SELECT 2 AS y"], "SELECT y FROM v", [(2,)]),
        (["CREATE VIEW v AS SELECT 1 AS x", "ALTER VIEW v AS SELECT 3 AS z"], "SELECT z FROM v", [(3,)]),
        (["CREATE VIEW v AS SELECT 1 AS x", "ALTER VIEW v RENAME TO w"], "SELECT x FROM w", [(1,)]),
        (
            ["CREATE VIEW v AS SELECT 1 AS x", "ALTER VIEW v SET TBLPROPERTIES ('a' = 'b')"],
            "SHOW TBLPROPERTIES v",
            [("a", "b")],
        ),
        (
            ["CREATE VIEW v (a, b COMMENT 'n') AS SELECT 1, 2", "CREATE VIEW w AS SELECT b FROM v"],
            "SELECT * FROM w",
            [(2,)],
        ),
        (["CREATE VIEW v WITH SCHEMA BINDING AS SELECT * FROM sales"], "SELECT count(id) FROM v", [(5,)]),
        (["CREATE VIEW v WITH SCHEMA TYPE EVOLUTION AS SELECT * FROM sales"], "SELECT count(id) FROM v", [(5,)]),
        (["CREATE VIEW v WITH SCHEMA EVOLUTION AS SELECT * FROM sales"], "SELECT count(id) FROM v", [(5,)]),
        (
            [
                "CREATE SCHEMA aside",
                "USE aside",
                "CREATE VIEW default.v AS SELECT current_schema() AS x",
                "USE default",
            ],
            "SELECT x FROM v",
            [("default",)],
        ),
        (["CREATE VIEW v AS SELECT id FROM sales -- five\nWHERE 'AS\nAS\n' <> ''"], "SELECT count(*) FROM v", [(5,)]),
        (
            ["CREATE FUNCTION cheap(p DOUBLE) RETURNS TABLE(id INT) RETURN SELECT id FROM sales WHERE price < p"],
            "SELECT count(*) FROM cheap(5)",
            [(2,)],
        ),
    ],
)
def test_definitions_come_back(
    spark: SparkSession, statements: list[str], query: str, expected: list[tuple[object, ...]]
) -> None:
    """What is made, replaced, altered or renamed is what it was, when it is read from its file."""
    for each in statements:
        spark.sql(each)
    before = rows(spark, query)
    reopened(spark)

    assert before == rows(spark, query) == expected


def test_schema_comes_back(spark: SparkSession) -> None:
    """A schema has its comment, its properties, and the place that Spark gives to schemas."""
    spark.sql("CREATE SCHEMA aside COMMENT 'old' WITH DBPROPERTIES ('k' = 'v')")
    spark.sql("COMMENT ON SCHEMA aside IS 'new'")
    before = rows(spark, "DESCRIBE SCHEMA EXTENDED aside")
    reopened(spark)

    assert ("Comment", "new") in before
    assert before == rows(spark, "DESCRIBE SCHEMA EXTENDED aside")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE abroad USING delta LOCATION '{place}'",
        "CREATE TABLE abroad (x INT, y STRING) USING delta PARTITIONED BY (y) LOCATION '{place}'",
        "CREATE TABLE abroad LOCATION '{place}' AS SELECT 1 AS x, 'a' AS y",
        "CREATE OR REPLACE TABLE abroad LOCATION '{place}' AS SELECT 1 AS x, 'a' AS y",
        "CREATE TABLE abroad SHALLOW CLONE delta.`{given}` LOCATION '{place}'",
    ],
)
def test_external_table_comes_back(spark: SparkSession, tmp_path: Path, statement: str) -> None:
    """A Delta table in a place of its own is what it was; DROP leaves the place as it is."""
    given, place = tmp_path / "given", tmp_path / "its"
    there = given if "USING delta LOCATION" in statement else place
    spark.sql("SELECT 1 AS x, 'a' AS y").write.format("delta").save(str(given))
    spark.sql(statement.format(place=there, given=given))
    reopened(spark)
    if "PARTITIONED" in statement:
        spark.sql("INSERT INTO abroad VALUES (1, 'a')")

    assert rows(spark, "SELECT x, y FROM abroad") == [(1, "a")]
    assert ("Type", "EXTERNAL", "") in rows(spark, "DESCRIBE EXTENDED abroad")
    spark.sql("ALTER TABLE abroad RENAME TO moved")
    reopened(spark)
    assert not spark.catalog.tableExists("abroad")
    assert rows(spark, "SELECT x, y FROM moved") == [(1, "a")]
    spark.sql("DROP TABLE moved")
    reopened(spark)
    assert not spark.catalog.tableExists("moved")
    assert rows(spark, f"SELECT x, y FROM delta.`{there}`") == [(1, "a")]


def test_external_table_whose_place_is_gone(
    spark: SparkSession, folder: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an error where it is used; a damaged file is logged, and an error as well; both can be dropped."""
    for table in ("abroad", "moved"):
        spark.sql(f"CREATE TABLE {table} LOCATION '{tmp_path}/{table}' AS SELECT 1 AS x")
    shutil.rmtree(tmp_path / "abroad")
    file(folder, "moved", "ExternalTables").write_text("garbage")
    reopened(spark)

    with pytest.raises(AnalysisException, match="abroad"):
        spark.sql("SELECT * FROM abroad")
    with pytest.raises(AnalysisException, match="moved"):
        spark.sql("SELECT * FROM moved")
    assert f"{file(folder, 'moved', 'ExternalTables')} is damaged" in caplog.text
    for table in ("abroad", "moved"):
        spark.sql(f"DROP TABLE {table}")
        assert not file(folder, table, "ExternalTables").exists()
    assert (tmp_path / "moved" / "_delta_log").exists()


def test_schema_takes_its_external_tables_along(spark: SparkSession, folder: Folder, tmp_path: Path) -> None:
    """DROP SCHEMA ... CASCADE deletes their files, not their places."""
    spark.sql("CREATE SCHEMA aside")
    spark.sql(f"CREATE TABLE aside.abroad LOCATION '{tmp_path}/abroad' AS SELECT 1 AS x")
    spark.sql("DROP SCHEMA aside CASCADE")

    assert not Path(folder.root, "ExternalTables", "aside").exists()
    assert rows(spark, f"SELECT x FROM delta.`{tmp_path}/abroad`") == [(1,)]


def test_settings_of_a_view_come_back(spark: SparkSession) -> None:
    """A view computes under the settings that it was made under, whatever they are in the session that reads it."""
    lenient = spark.newSession()
    lenient.conf.set("spark.sql.ansi.enabled", "false")
    lenient.sql("CREATE VIEW v AS SELECT CAST('x' AS INT) AS x")
    reopened(spark)

    assert rows(spark, "SELECT x FROM v") == [(None,)]


def test_the_file_is_a_statement(spark: SparkSession, folder: Folder) -> None:
    """What is in the file of a view, run as it is, makes the view again."""
    spark.sql(
        "CREATE VIEW v (a COMMENT 'it''s', b) COMMENT 'two' TBLPROPERTIES ('k' = 'v') AS SELECT id, price FROM sales"
    )
    statement = file(folder, "v").read_text("utf-8")
    spark.sql("DROP VIEW v")

    assert not file(folder, "v").exists()
    spark.sql(statement)
    stable = [re_timed(each) for each in (statement, file(folder, "v").read_text("utf-8"))]
    assert stable[0] == stable[1]


def re_timed(text: str) -> str:
    """The file of a view without the time that it was made."""
    return "\n".join(each for each in text.splitlines() if '"createTime"' not in each)


def test_temporary_views_leave_no_file(spark: SparkSession, folder: Folder) -> None:
    """What ends with the session is not kept."""
    spark.sql("CREATE TEMPORARY VIEW passing AS SELECT 1 AS x")
    spark.sql("DROP VIEW passing")

    assert not file(folder, "passing").exists()


# --- what is wrong -----------------------------------------------------------------------------------------


def test_view_whose_table_is_gone(spark: SparkSession) -> None:
    """It is there, and its use is an error that names the table."""
    spark.sql("CREATE TABLE passing AS SELECT 1 AS x")
    spark.sql("CREATE VIEW v AS SELECT x FROM passing")
    spark.sql("DROP TABLE passing")
    reopened(spark)

    with pytest.raises(AnalysisException, match=r"TABLE_OR_VIEW_NOT_FOUND.*passing"):
        spark.sql("SELECT * FROM v")
    assert spark.catalog.tableExists("v")


@pytest.mark.parametrize("statement", ["DROP VIEW v", "CREATE OR REPLACE VIEW v AS SELECT 2 AS x"])
@pytest.mark.parametrize("damage", ["", "garbage", '\nAS\nSELECT 1\n/* lakepredict\n{"format": 1, "kind": "view"}\n*/'])
def test_damaged_file(spark: SparkSession, folder: Folder, damage: str, statement: str) -> None:
    """It keeps nothing else from working; its use is an error that names the file; it can be dropped and replaced."""
    spark.sql("CREATE VIEW v AS SELECT 1 AS x")
    spark.sql("CREATE VIEW w AS SELECT 1 AS x")
    file(folder, "v").write_text(damage)
    lakehouse.refresh(spark)

    with pytest.raises(AnalysisException, match=f"{file(folder, 'v')} is damaged"):
        spark.sql("SELECT x FROM v")
    assert rows(spark, "SELECT x FROM w") == [(1,)]
    spark.sql(statement)
    assert file(folder, "v").exists() == ("REPLACE" in statement)


def test_columns_that_are_no_columns(spark: SparkSession, folder: Folder) -> None:
    """Facts that Spark does not take are damage as well."""
    spark.sql("CREATE VIEW v AS SELECT 1 AS x")
    file(folder, "v").write_text(file(folder, "v").read_text().replace('"integer"', '"inteeger"'))
    lakehouse.refresh(spark)

    with pytest.raises(AnalysisException, match="is damaged: Spark does not take it"):
        spark.sql("SELECT x FROM v")


def test_file_that_cannot_be_written(spark: SparkSession, folder: Folder, golden: Callable[[str, str], None]) -> None:
    """The statement fails, and changes nothing, neither in the catalog nor in a file."""
    views = Path(folder.root, "Views")
    spark.sql("CREATE VIEW v AS SELECT 1 AS x")
    views.rename(views.with_name("Aside"))
    views.write_text("no folder")
    try:
        with pytest.raises(AnalysisException) as caught:
            spark.sql("CREATE VIEW w AS SELECT 1 AS x")
        with pytest.raises(AnalysisException) as not_found:
            spark.sql("SELECT * FROM w")
    finally:
        views.unlink()
        views.with_name("Aside").rename(views)

    golden("lakehouse/unkept.txt", stable(caught.value, folder))
    assert caught.value.getCondition() == "PREDICT_DEFINITION_UNKEPT"
    assert not_found.value.getCondition() == "TABLE_OR_VIEW_NOT_FOUND"
    assert rows(spark, "SELECT x FROM v") == [(1,)]


def test_folder_that_cannot_be_listed(
    spark: SparkSession, folder: Folder, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of tables is an error then, not a short list; a table that is known can be read."""
    monkeypatch.setattr(_attach._attached, "folder", lakehouse.locate("nowhere://host/lakehouse"))
    with pytest.raises(AnalysisException) as caught:
        spark.sql("SHOW TABLES")
    with pytest.raises(LakehouseUnreadableError):
        lakehouse.refresh(spark)

    golden("lakehouse/unreadable.txt", stable(caught.value, folder))
    assert caught.value.getCondition() == "PREDICT_LAKEHOUSE_UNREADABLE"
    assert rows(spark, "SELECT count(*) FROM sales") == [(5,)]


def test_another_process_was_quicker(spark: SparkSession, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that another process has made since the last look is not written over, and Spark says that it is there."""
    spark.sql("CREATE VIEW v AS SELECT 1 AS x")
    lakehouse.refresh(spark)
    theirs = file(folder, "v").read_text("utf-8").replace("SELECT 1", "SELECT 2")
    monkeypatch.setattr(_attach, "differences", lambda *_: ([], []))  # as if it were written a moment later
    file(folder, "w").write_text(theirs)
    with pytest.raises(AnalysisException) as caught:
        spark.sql("CREATE VIEW w AS SELECT 3 AS x")
    monkeypatch.undo()

    assert caught.value.getCondition() == "TABLE_OR_VIEW_ALREADY_EXISTS"
    assert rows(spark, "SELECT x FROM w") == [(2,)]


def test_another_lakehouse(spark: SparkSession, tmp_path: Path) -> None:
    """A session has one lakehouse."""
    with pytest.raises(LakehouseMismatchError):
        lakehouse.attach(spark, lakehouse.locate(tmp_path))


# --- what appears by itself --------------------------------------------------------------------------------


def test_refresh_tells_what_has_changed(spark: SparkSession, folder: Folder) -> None:
    """What others have made, changed and deleted is in the catalog afterwards, and is told."""
    spark.sql("CREATE VIEW v AS SELECT 1 AS x")
    lakehouse.refresh(spark)
    text = file(folder, "v").read_text("utf-8")
    nothing = lakehouse.refresh(spark)
    file(folder, "w").write_text(text)
    file(folder, "v").write_text(text.replace("SELECT 1", "SELECT 1 + 1"))
    changed = lakehouse.refresh(spark)
    two = rows(spark, "SELECT v.x, w.x FROM v, w")
    file(folder, "v").unlink()
    deleted = lakehouse.refresh(spark)

    assert (nothing.entered, nothing.gone) == ((), ())
    assert (changed.entered, changed.gone) == ((Key("view", "default", "v"), Key("view", "default", "w")), ())
    assert two == [(2, 1)]
    assert (deleted.entered, deleted.gone) == ((), (Key("view", "default", "v"),))


def test_unknown_name_is_looked_for(spark: SparkSession, folder: Folder) -> None:
    """A view that another process has just made can be used at once."""
    spark.sql("CREATE VIEW v AS SELECT 1 AS x")
    file(folder, "w").write_text(file(folder, "v").read_text("utf-8"))

    assert rows(spark, "SELECT x FROM w") == [(1,)]


def test_table_whose_folder_is_gone(spark: SparkSession, folder: Folder) -> None:
    """It goes from the catalog; a table that is made anew in its place is not deleted with it."""
    spark.sql("CREATE TABLE passing AS SELECT 1 AS x")
    lakehouse.refresh(spark)
    place = Path(folder.tables, "passing")
    place.rename(place.with_name("_passing"))
    found = lakehouse.refresh(spark)
    exists = spark.catalog.tableExists("passing")
    place.with_name("_passing").rename(place)

    assert Key("table", "default", "passing") in found.gone
    assert not exists
    assert rows(spark, "SELECT x FROM passing") == [(1,)]
    spark.sql("DROP TABLE passing")
    spark.sql("DROP TABLE IF EXISTS _passing")


def test_schema_of_another_process(spark: SparkSession, folder: Folder) -> None:
    """An empty folder is a schema, and it goes with its folder."""
    place = Path(folder.tables, "aside.db")
    place.mkdir()
    there = spark.catalog.databaseExists("aside")
    place.rmdir()
    lakehouse.refresh(spark)

    assert there
    assert not spark.catalog.databaseExists("aside")
    assert not place.exists()


def test_tables_are_made_while_others_look(spark: SparkSession) -> None:
    """A table that is found while it is made or dropped neither fails the statement nor stays."""

    def make(number: int) -> int:
        """Make, read and drop tables, in a session of its own."""
        session = spark.newSession()
        for name in (f"made_{number}_{each}" for each in range(3)):
            session.sql(f"CREATE TABLE {name} AS SELECT {number} AS x")
            found = session.table(name).first().x
            session.sql(f"DROP TABLE {name}")
        return int(found)

    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(make, number) for number in range(3)]
        looks = 0
        while not all(each.done() for each in made):
            lakehouse.refresh(spark)
            looks += 1

    assert [each.result() for each in made] == [0, 1, 2]
    assert looks > 10
    assert not [each.name for each in spark.catalog.listTables() if each.name.startswith("made_")]


def create_by_catalog(spark: SparkSession, name: str) -> None:
    """Make a table of one column as Spark's pipelines do, by the catalog alone, with no statement that is executed."""
    java, gateway = spark._jvm, spark.sparkContext._gateway
    catalog = java.org.apache.spark.sql.connector
    schema = gateway.new_array(java.java.lang.String, 1)
    schema[0] = "default"
    no_partitions = gateway.new_array(catalog.expressions.Transform, 0)
    spark._jsparkSession.sessionState().catalogManager().currentCatalog().createTable(
        catalog.catalog.Identifier.of(schema, name),
        spark.range(0)._jdf.schema(),
        no_partitions,
        java.java.util.HashMap(),
    )


def create_by_stream(spark: SparkSession, name: str) -> None:
    """Make a table by a streaming query, and write what there is to it."""
    spark.range(0).write.mode("overwrite").saveAsTable("streamed")
    with tempfile.TemporaryDirectory() as folder:
        writer = spark.readStream.table("streamed").writeStream.option("checkpointLocation", folder)
        writer.trigger(availableNow=True).toTable(name).awaitTermination()
    spark.sql("DROP TABLE streamed")


@pytest.mark.parametrize(
    "create",
    [
        create_by_catalog,
        create_by_stream,
        lambda spark, name: spark.range(0).writeTo(name).using("delta").create(),
        lambda spark, name: spark.catalog.createTable(name, schema=spark.range(0).schema, source="delta"),
        lambda spark, name: DeltaTable.create(spark).tableName(name).addColumn("id", "LONG").execute(),
    ],
    ids=["catalog", "stream", "writeTo", "createTable", "DeltaTable"],
)
def test_ways_of_making_a_table(spark: SparkSession, create: Callable[[SparkSession, str], object]) -> None:
    """A table is made whichever way it is asked for, once; what another process makes meanwhile is seen."""
    spark.catalog.tableExists("by_another_way")
    create(spark, "by_another_way")
    assert spark.table("by_another_way").columns == ["id"]
    with pytest.raises(AnalysisException, match="DELTA_TABLE_ALREADY_EXISTS"):
        create_by_catalog(spark, "by_another_way")
    spark.sql("DROP TABLE by_another_way")


def test_a_table_that_appears_is_seen(spark: SparkSession, folder: Folder) -> None:
    """Who was told that a table is not there is told that it is, once another process has made it."""
    spark.range(3).write.format("delta").save(f"{folder.root}/elsewhere")
    assert not spark.catalog.tableExists("appeared")
    shutil.move(f"{folder.root}/elsewhere", f"{folder.tables}/appeared")
    assert spark.catalog.tableExists("appeared")
    with pytest.raises(AnalysisException, match="DELTA_TABLE_ALREADY_EXISTS"):
        create_by_catalog(spark, "appeared")
    assert spark.table("appeared").count() == 3
    spark.sql("DROP TABLE appeared")


def test_views_are_made_while_others_look(spark: SparkSession) -> None:
    """Views made and dropped by several threads are what they should be, whoever looks."""

    def make(number: int) -> list[int]:
        """Replace a view, read it, drop it, and so on."""
        found = []
        for each in range(5):
            spark.sql(f"CREATE OR REPLACE VIEW made_{number} AS SELECT {each} AS x")
            found.append(spark.table(f"made_{number}").first().x)
            spark.sql(f"DROP VIEW made_{number}")
        return found

    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(make, number) for number in range(3)]
        while not all(each.done() for each in made):
            lakehouse.refresh(spark)

    assert [each.result() for each in made] == [list(range(5))] * 3
