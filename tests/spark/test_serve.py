"""The server for BI tools with real clients: impyla, beeline and Spark Connect, on one server of each mode."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyspark
import pytest
from impala.dbapi import connect
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from sklearn.linear_model import LinearRegression

from lakepredict.lakehouse import Folder
from lakepredict.serve import _users
from test_cluster import plain_environment
from test_registry_servers import free_port

PROGRAMS = Path(__file__).with_name("programs")
SPARK = Path(pyspark.__file__).parent
PASSWORD, TOKEN, KEY = "planted-password", "planted-token", "planted-key"
LONG = "SELECT count(*) FROM range(0, 200000000000, 1, 20000) WHERE sin(id) > 2"


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        process: its command, the leader of a session of its own.
        ready: what it printed.
        log: where it writes a line for each statement.
    """

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    log: Path

    @property
    def port(self) -> int:
        return int(self.ready["jdbc"].rpartition(":")[2])

    def connect(self, user: str = "ann", password: str = PASSWORD, **options: Any) -> Any:
        """A connection of impyla's."""
        return closing(
            connect("127.0.0.1", port=self.port, auth_mechanism="PLAIN", user=user, password=password, **options)
        )

    def ask(self, statement: str, **options: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement, over a connection of its own."""
        with self.connect(**options) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            # impyla fails on the result of a statement that has no rows, as CREATE TABLE AS.
            return cursor.fetchall() if statement.startswith(("SELECT", "SHOW", "DESCRIBE", "SET")) else []

    def processes(self) -> list[int]:
        """All processes of the server's session, with those that made a group of their own."""
        found = []
        for each in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = each.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(each.parent.name))
        return found

    def busy(self) -> float:
        """How much processor time the server takes in a second."""
        ticks = []
        for _ in range(2):
            fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in self.processes()]
            ticks.append(sum(int(each[11]) + int(each[12]) for each in fields))
            time.sleep(1)
        return (ticks[1] - ticks[0]) / os.sysconf("SC_CLK_TCK")

    def logged(self, part: str) -> dict[str, Any]:
        """The last line of a statement with ``part`` in it, once it is there."""
        for _ in range(100):
            lines = [json.loads(each) for each in self.log.read_text().splitlines()]
            found = [each for each in lines if part in each.get("statement", "")]
            if found:
                return dict(found[-1])
            time.sleep(0.1)
        raise AssertionError(f"no statement with {part} is logged")


@contextmanager
def serving(folder: Folder, *arguments: str, **environment: str) -> Iterator[Server]:
    """A server for as long as the context lasts."""
    command = [
        *(sys.executable, "-m", "lakepredict.cli", "serve", "--json", "--thrift-port", "0", "--connect-port", "0"),
        *("--lakehouse", folder.root, "--conf", "spark.master=local[2]", "--conf", "spark.driver.memory=1g"),
    ]
    process = subprocess.Popen(
        [*command, *arguments],
        env={**plain_environment(), **environment},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert ready, "the server did not start"
        yield Server(process, json.loads(ready), Path(folder.root, "logs", "serve.jsonl"))
    finally:
        process.stdout.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def served(spark: SparkSession) -> Iterator[str]:
    """A table, and the model ``10 * price`` under the same name."""
    prices = pd.DataFrame({"price": [1.0, 2.0, 4.0]})
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            LinearRegression().fit(prices, prices["price"] * 10),
            name="model",
            signature=infer_signature(prices, prices["price"]),
            registered_model_name="served",
            pip_requirements=[],
        )
    spark.createDataFrame([(1, 1.0), (2, 2.0), (3, 4.0)], "id INT, price DOUBLE").write.saveAsTable("served")
    yield "served"
    spark.sql("DROP TABLE served")


@pytest.fixture(scope="module")
def server(served: str, folder: Folder) -> Iterator[Server]:
    """A read-only server on this machine's own address."""
    with serving(folder) as found:
        yield found


@pytest.fixture(scope="module")
def writable(served: str, folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may be written to, with users, a token, and TLS."""
    place = tmp_path_factory.mktemp("secrets")
    users, keystore = str(place / "users.txt"), str(place / "key.p12")
    _users.save(users, "ann", PASSWORD)
    generate = ["keytool", "-genkeypair", "-keyalg", "RSA", "-dname", "CN=localhost", "-storetype", "PKCS12"]
    subprocess.run([*generate, "-keystore", keystore, "-storepass", KEY], check=True, capture_output=True)
    secrets = {"SPARK_CONNECT_AUTHENTICATE_TOKEN": TOKEN, "LAKEPREDICT_KEYSTORE_PASSWORD": KEY}
    with serving(folder, "--read-write", "--users", users, "--keystore", keystore, **secrets) as found:
        yield found


def remote(server: Server, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that is a Spark Connect client."""
    return subprocess.run(
        [sys.executable, program, server.ready["connect"], *arguments],
        env={**plain_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# --- reading ------------------------------------------------------------------------------------------------------


def test_ready(server: Server) -> None:
    """What is printed says where clients connect, and what they may do."""
    assert server.ready["status"] == "ready"
    assert (server.ready["read_only"], server.ready["authentication"]) == (True, "NONE")
    assert re.fullmatch(r"sc://localhost:\d+", server.ready["connect"])


def test_beeline(server: Server) -> None:
    """Beeline, of Hive's JDBC driver, scores a table with PREDICT."""
    query = "SELECT id, round(PREDICT('served', 'latest', *)) AS forecast FROM served ORDER BY id"
    command = [f"{SPARK}/bin/spark-class", "org.apache.hive.beeline.BeeLine", "-u", server.ready["jdbc"]]
    done = subprocess.run(
        [*command, "--outputformat=csv2", "-e", f"{query};", "-e", "!columns served"],
        env={**plain_environment(), "SPARK_HOME": str(SPARK)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert "id,forecast\n1,10.0\n2,20.0\n3,40.0\n" in done.stdout, done.stderr
    assert "default,served,price,8,DOUBLE" in done.stdout


def test_log(server: Server) -> None:
    """A statement is logged with its user, the model versions that it is bound to, rows and seconds."""
    server.ask("SELECT 'logged', PREDICT('served', 'latest', price) FROM served", user="bob")
    found = server.logged("'logged'")

    assert (found["user"], found["protocol"], found["status"]) == ("bob", "thrift", "finished")
    assert (found["models"], found["rows"]) == (["served v1"], 3)
    assert 0 < found["seconds"] < 60


def test_tools_get_what_they_ask_for_first(server: Server) -> None:
    """What BI tools send when they connect is answered."""
    with server.connect() as connection, closing(connection.cursor()) as cursor:
        cursor.get_databases()
        assert "default" in [each[0] for each in cursor.fetchall()]
        cursor.get_tables(database_name="default")
        assert "served" in [each[2] for each in cursor.fetchall()]
        for statement in ("SET -v", "SET spark.sql.session.timeZone=UTC", "USE default", "SELECT version()"):
            cursor.execute(statement)
        cursor.execute("SELECT current_timezone(), current_database()")
        assert cursor.fetchall() == [("UTC", "default")]


def test_new_table(server: Server, spark: SparkSession) -> None:
    """A table that another process makes is there after seconds."""
    spark.sql("CREATE TABLE served_later AS SELECT 7 AS a")
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and not server.ask("SHOW TABLES LIKE 'served_later'"):
        time.sleep(0.5)
    rows = server.ask("SELECT a FROM served_later")
    spark.sql("DROP TABLE served_later")

    assert rows == [(7,)]


# --- nothing but reading --------------------------------------------------------------------------------------------

REFUSED = [
    "CREATE TABLE stolen AS SELECT 1",
    "CREATE TABLE stolen (a INT) USING csv LOCATION '/etc'",
    "CREATE OR REPLACE TEMPORARY VIEW stolen USING text OPTIONS (path '/etc/hostname')",
    "CREATE TEMPORARY VIEW stolen AS SELECT 1",
    "CREATE TEMPORARY FUNCTION stolen AS 'java.lang.Runtime'",
    "CREATE FUNCTION stolen() RETURNS INT RETURN 1",
    "CREATE SCHEMA stolen",
    "INSERT INTO served VALUES (9, 9)",
    "INSERT OVERWRITE DIRECTORY '/tmp/stolen' USING csv SELECT 1",
    "UPDATE served SET price = 0",
    "DELETE FROM served",
    "MERGE INTO served USING (SELECT 1 id) s ON served.id = s.id WHEN MATCHED THEN DELETE",
    "FROM served INSERT INTO served SELECT *",
    "DROP TABLE served",
    "TRUNCATE TABLE served",
    "ALTER TABLE served ADD COLUMNS (x INT)",
    "COMMENT ON TABLE served IS 'x'",
    "OPTIMIZE served",
    "VACUUM served",
    "RESTORE TABLE served TO VERSION AS OF 0",
    "CONVERT TO DELTA parquet.`/tmp/x`",
    "ANALYZE TABLE served COMPUTE STATISTICS",
    "CACHE TABLE served",
    "CACHE TABLE stolen AS SELECT 1",
    "CLEAR CACHE",
    "REFRESH TABLE served",
    "SET spark.sql.runSQLOnFiles=true",
    "SET spark.sql.variable.substitute = true",
    "SET spark.driver.host",
    "RESET",
    "ADD JAR '/tmp/x.jar'",
    "ADD FILE '/etc/hostname'",
    "LIST JARS",
    "DECLARE VARIABLE x INT",
    "SET VAR x = 1",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "EXECUTE IMMEDIATE 'DROP TABLE served'",
    "BEGIN SELECT 1; END",
    "EXPLAIN INSERT INTO served VALUES (9, 9)",
    "EXPLAIN SELECT * FROM text.`/etc/hostname`",
    "DESCRIBE QUERY SELECT * FROM text.`/etc/hostname`",
    "DESCRIBE HISTORY '/tmp'",
    "DESCRIBE DETAIL delta.`/tmp`",
    "SELECT * FROM text.`/etc/hostname`",
    "SELECT * FROM TEXT.`hostname`",
    "SELECT * FROM delta.`/tmp`",
    "SELECT * FROM `file:/etc/hostname`",
    "SELECT * FROM spark_catalog.text.`/etc/hostname`",
    "WITH c AS (SELECT * FROM csv.`/etc/hosts`) SELECT * FROM c",
    "WITH c AS (SELECT 1) INSERT INTO served SELECT 9, 9",
    "SELECT (SELECT max(value) FROM text.`/etc/hostname`)",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM text.`/etc/hostname`)",
    "SELECT * FROM served s, LATERAL (SELECT * FROM text.`/etc/hostname`)",
    "SELECT * FROM served WITH (path = '/etc/hostname')",
    "SELECT * FROM STREAM served",
    "SELECT TRANSFORM(id) USING 'cat /etc/hostname' FROM served",
    "SELECT java_method('java.lang.System', 'getenv', 'PATH')",
    "SELECT REFLECT('java.lang.System', 'getenv', 'PATH')",
    "SELECT try_reflect('java.lang.System', 'getenv', 'PATH')",
    "SELECT system.builtin.reflect('java.lang.System', 'getenv', 'PATH')",
    "SELECT IDENTIFIER('reflect')('java.lang.System', 'getenv', 'PATH')",
    "SELECT * FROM IDENTIFIER('text.`/etc/hostname`')",
    "SELECT transform(array('PATH'), x -> reflect('java.lang.System', 'getenv', x))",
    "SELECT id FROM served ORDER BY reflect('java.lang.System', 'getenv', 'PATH')",
    "SELECT * FROM served LATERAL VIEW explode(array(reflect('java.lang.System', 'getenv', 'PATH'))) e AS x",
    "SELECT PREDICT('served', 1, (SELECT max(length(value)) FROM text.`/etc/hostname`))",
    "SELECT from_xml('<a/>', 'a INT', map('rowValidationXSDPath', '/etc/passwd'))",
    "SELECT * FROM python_worker_logs()",
    "SELECT * FROM table_changes_by_path('/tmp', 0)",
    "FROM served |> UNION ALL (SELECT 1, length(value) FROM text.`/etc/hostname`)",
    "SHOW TABLES; DROP TABLE served",
]


def test_statements_that_are_refused(server: Server, spark: SparkSession, folder: Folder) -> None:
    """Whatever does more than read is refused, wherever in a statement it stands, and has done nothing."""
    let_through = {}
    with server.connect() as connection, closing(connection.cursor()) as cursor:
        for statement in REFUSED:
            try:
                cursor.execute(statement)
                let_through[statement] = str(cursor.fetchall() if cursor.description else "done")
            except Exception as exc:
                if "[SERVER_READ_ONLY]" not in str(exc) and "[PARSE_SYNTAX_ERROR]" not in str(exc):
                    let_through[statement] = str(exc)[:300]
        cursor.execute("SELECT count(*) FROM served")
        rows = cursor.fetchall()

    assert let_through == {}
    assert rows == [(3,)]
    assert not Path(folder.tables, "stolen").exists()


def test_environment_stays_hidden(server: Server) -> None:
    """Variables of the server's environment are not put into statements."""
    assert server.ask("SELECT '${env:PATH}', '${system:user.home}'") == [("${env:PATH}", "${system:user.home}")]


def test_settings_with_a_connection(server: Server) -> None:
    """Settings that a client sends when it connects are not taken over, but for the schema."""
    evil = {"spark.sql.runSQLOnFiles": "true", "set:hiveconf:spark.sql.variable.substitute": "true"}
    with server.connect() as connection:
        with closing(connection.cursor(configuration={**evil, "use:database": "default"})) as cursor:
            cursor.execute("SET spark.sql.runSQLOnFiles")
            assert cursor.fetchall() == [("spark.sql.runSQLOnFiles", "false")]
            cursor.execute("SELECT '${env:PATH}'", configuration={"spark.sql.variable.substitute": "true"})
            assert cursor.fetchall() == [("${env:PATH}",)]
        with pytest.raises(Exception, match=r"SERVER_READ_ONLY|PARSE_SYNTAX_ERROR"):
            connection.cursor(configuration={"use:database": "default; SET x=1"}).execute("SELECT 1")


def test_error_text(server: Server) -> None:
    """A tool shows the error as it is meant, without classes and traces of Java."""
    with pytest.raises(Exception, match="got:      a statement with DropTable") as caught:
        server.ask("DROP TABLE served")

    assert "\tat " not in str(caught.value)
    assert "HiveSQLException" not in str(caught.value)
    with pytest.raises(Exception, match=r"(?s)`nowhere` cannot be found.*line 1 pos 14$"):
        server.ask("SELECT * FROM nowhere")


def test_spark_connect(server: Server, folder: Folder) -> None:
    """A Spark Connect client reads with SQL and data frames, and is refused all else."""
    done = remote(server, str(PROGRAMS / "connect_client.py"), folder.tables)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])

    assert told["reading"] == {
        "sql": 70.0,
        "frame": 6.0,
        "call": 3,
        "local": 3,
        "schema": "struct<id:int,price:double>",
        "columns": ["id", "price"],
        "setting": True,
    }
    assert {name: text for name, text in told["more"].items() if "[SERVER_READ_ONLY]" not in str(text)} == {}
    found = server.logged("round(PREDICT('served', 1, *)) p")
    assert (found["protocol"], found["models"]) == ("connect", ["served v1"])


def test_views(tmp_path: Path) -> None:
    """Views and SQL functions of the lakehouse may read tables, and reach neither files nor Java for a client."""
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "guarded_views.py"), str(tmp_path / "lakehouse")],
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])

    assert told.pop("SELECT doubled(a) FROM reader") == "2"
    assert len(told) == 4
    assert {query: text for query, text in told.items() if "[SERVER_READ_ONLY]" not in text} == {}


# --- many clients -----------------------------------------------------------------------------------------------------


def test_twenty_clients(server: Server) -> None:
    """Twenty clients at once get each their own answers; those with a bad query do not disturb the others."""

    def client(number: int) -> object:
        if number % 4 == 3:
            with pytest.raises(Exception, match="UNRESOLVED_COLUMN"):
                server.ask(f"SELECT nothing_{number} FROM served")
            return "refused"
        query = f"SELECT sum(round(PREDICT('served', 1, price + {number}))) FROM served"
        return [server.ask(query)[0][0] for _ in range(2)]

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(client, range(20)))

    assert found == ["refused" if each % 4 == 3 else [70.0 + 30 * each] * 2 for each in range(20)]


def test_cancel(server: Server) -> None:
    """A cancelled query stops its tasks; others ran beside it."""
    with server.connect() as connection, closing(connection.cursor()) as cursor:
        cursor.execute_async(LONG)
        give_up = time.monotonic() + 60
        while server.busy() < 0.5 and time.monotonic() < give_up:
            assert cursor.is_executing()
        beside = server.ask("SELECT sum(id) FROM served")
        cursor.cancel_operation()
    give_up = time.monotonic() + 60
    while (busy := server.busy()) > 0.4 and time.monotonic() < give_up:
        pass

    assert beside == [(6,)]
    assert busy <= 0.4
    assert server.logged("200000000000")["status"] == "canceled"


def test_client_that_goes_away(server: Server) -> None:
    """The query of a client whose connection breaks is stopped."""
    code = f"""
import sys, time
from impala.dbapi import connect
connection = connect("127.0.0.1", port={server.port}, auth_mechanism="PLAIN", user="eve", password="x")
connection.cursor().execute_async({LONG + " AND 'gone' = 'gone'"!r})
print("started", flush=True)
time.sleep(600)
"""
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    assert client.stdout.readline() == "started\n"
    client.kill()
    client.wait()
    client.stdout.close()

    assert server.logged("'gone'")["status"] == "canceled"


# --- users, TLS, and writing ------------------------------------------------------------------------------------------


def test_users(writable: Server) -> None:
    """Over TLS, a user with the right password comes in, also after others did; nobody else does."""
    assert (writable.ready["authentication"], writable.ready["tls"]) == ("CUSTOM", True)
    for _ in range(3):
        assert writable.ask("SELECT current_database()", use_ssl=True) == [("default",)]
        for user, password in (("ann", "wrong"), ("bob", PASSWORD), ("ann", "")):
            with pytest.raises(Exception, match=r"(?i)password|authenticat|login|credential"):
                writable.ask("SELECT 1", user=user, password=password, use_ssl=True)


def test_writing(writable: Server) -> None:
    """A server that may be written to takes what SQL can do, PREDICT included."""
    writable.ask("CREATE TABLE scored AS SELECT id, PREDICT('served', 1, *) AS p FROM served", use_ssl=True)
    rows = writable.ask("SELECT round(sum(p)) FROM scored", use_ssl=True)
    writable.ask("DROP TABLE scored", use_ssl=True)

    assert rows == [(70.0,)]


def test_token(writable: Server, tmp_path: Path) -> None:
    """A Spark Connect client with the token comes in, and sees no secret among the settings; one without does not."""
    program = tmp_path / "client.py"
    program.write_text(
        "import sys\nfrom pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()\n"
        "print(spark.conf.getAll, [tuple(each) for each in spark.sql('SET').collect()])\n"
        "spark.range(1).selectExpr('id AS by_connect').write.saveAsTable('by_connect')\n"
        "spark.sql('DROP TABLE by_connect')\n"
    )
    done = remote(writable, str(program), SPARK_CONNECT_AUTHENTICATE_TOKEN=TOKEN)
    wrong = remote(writable, str(program), SPARK_CONNECT_AUTHENTICATE_TOKEN="wrong")

    assert done.returncode == 0, done.stderr[-3000:]
    assert "spark.sql.warehouse.dir" in done.stdout
    assert not [each for each in (PASSWORD, TOKEN, KEY) if each in done.stdout]
    assert wrong.returncode != 0
    assert "UNAUTHENTICATED" in wrong.stderr or "Invalid authentication token" in wrong.stderr


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[str]:
    """The address of an OpenLDAP server that knows the user ann."""
    program = shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no slapd: scripts/install_test_programs.sh installs it")
    (tmp_path / "db").mkdir()
    (tmp_path / "slapd.conf").write_text(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n"
        "include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
        f'database mdb\nsuffix "dc=example"\ndirectory {tmp_path}/db\n'
    )
    (tmp_path / "people.ldif").write_text(
        "dn: dc=example\nobjectClass: domain\ndc: example\n\n"
        "dn: ou=people,dc=example\nobjectClass: organizationalUnit\nou: people\n\n"
        "dn: uid=ann,ou=people,dc=example\nobjectClass: inetOrgPerson\nuid: ann\ncn: A\nsn: A\n"
        f"userPassword: {PASSWORD}\n"
    )
    conf = ["-f", str(tmp_path / "slapd.conf")]
    subprocess.run([program, "-T", "add", *conf, "-l", str(tmp_path / "people.ldif")], check=True)
    address = f"ldap://127.0.0.1:{free_port()}"
    process = subprocess.Popen([program, *conf, "-h", address, "-d", "0"])
    try:
        yield address
    finally:
        process.terminate()
        process.wait(10)


def test_ldap(served: str, folder: Folder, directory: str) -> None:
    """A user whom an LDAP server knows comes in; nobody else does, nor anybody without a password."""
    hive = "spark.hadoop.hive.server2.authentication"
    given = [f"{hive}=LDAP", f"{hive}.ldap.url={directory}", f"{hive}.ldap.baseDN=ou=people,dc=example"]
    conf = [part for each in given for part in ("--conf", each)]
    with serving(folder, "--no-connect", *conf) as server:
        assert (server.ready["authentication"], server.ready["connect"]) == ("LDAP", None)
        assert server.ask("SELECT current_user()") == [("ann",)]
        for user, password in (("ann", "wrong"), ("bob", PASSWORD), ("ann", "")):
            with pytest.raises(Exception, match="login"):
                server.ask("SELECT 1", user=user, password=password)


def test_secrets(writable: Server, folder: Folder) -> None:
    """No secret is in a log, on a command line, or in the environment of a process that the server started."""
    places = [each for each in Path(folder.root, "logs").iterdir() if each.is_file()]
    for each in writable.processes():
        places.append(Path(f"/proc/{each}/cmdline"))
        if each != writable.process.pid:  # what a process was started with stays in its own
            places.append(Path(f"/proc/{each}/environ"))
    told = {str(each): each.read_bytes() for each in places}

    assert len(told) > 4
    assert [each for each, text in told.items() if any(word.encode() in text for word in (PASSWORD, TOKEN, KEY))] == []


# --- the end, last in this file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), [("server", signal.SIGINT), ("writable", signal.SIGTERM)])
def test_end(request: pytest.FixtureRequest, name: str, number: int) -> None:
    """Ctrl-C and SIGTERM end a server with status 0, and leave no process, even while a query runs."""
    found: Server = request.getfixturevalue(name)
    connection = connect(
        "127.0.0.1", port=found.port, auth_mechanism="PLAIN", user="ann", password=PASSWORD, use_ssl=name == "writable"
    )
    connection.cursor().execute_async(LONG)
    assert found.processes() != []
    found.process.send_signal(number)

    assert found.process.wait(60) == 0
    assert found.processes() == []
    lines = [json.loads(each) for each in found.log.read_text().splitlines()]  # of both servers
    assert [each["event"] for each in lines if each.get("pid") == found.process.pid][-1] == "stopped"
