"""What each tool needs to open the server, as text: pure, for ``lakepredict connect``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

THRIFT_PORT = 10000
CONNECT_PORT = 15002


@dataclass(frozen=True)
class Target:
    """The server, as its clients see it.

    Attributes:
        host: name or address.
        port: of the endpoint that the tool uses.
        user: who connects; None where the server asks for nobody.
        tls: whether the connection is encrypted.
    """

    host: str
    port: int
    user: str | None = None
    tls: bool = False

    @property
    def address(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def login(self) -> str:
        """The user's name; any will do where the server asks for nobody."""
        return self.user or "anyone"


def jdbc(target: Target) -> str:
    """A JDBC URL of Hive's driver, which Spark's server is made for."""
    return f"jdbc:hive2://{target.address}/default{';ssl=true' if target.tls else ''}"


def odbc(target: Target) -> str:
    """A connection string for the Simba Spark ODBC driver: a Spark Thrift server, SASL, binary."""
    parts = {
        "Driver": "Simba Spark ODBC Driver",
        "Host": target.host,
        "Port": str(target.port),
        "Schema": "default",
        "SparkServerType": "3",
        "ThriftTransport": "1",
        "AuthMech": "3" if target.user else "2",
        "UID": target.login,
        **({"SSL": "1"} if target.tls else {}),
    }
    return ";".join(f"{key}={value}" for key, value in parts.items())


def powerbi(target: Target) -> str:
    """A query for Power BI's own Spark connector."""
    return f"""\
// Power BI Desktop: Home > Get data > Blank query > Advanced editor, and paste this.
// It asks for the user once: {_asked(target)}.
let
    Source = ApacheSpark.Tables("{target.address}", SparkProtocol.Standard, [BatchSize = null])
in
    Source"""


def tableau(target: Target) -> str:
    """Where to click in Tableau."""
    return f"""\
Tableau: Connect > To a Server > Spark SQL (it needs the Simba Spark ODBC driver)
  Server          {target.host}
  Port            {target.port}
  Type            SparkThriftServer (Spark 1.1 and later)
  Authentication  {"Username and Password" if target.user else "Username"}
  Transport       SASL
  Username        {target.login}
  Require SSL     {"yes" if target.tls else "no"}
Then choose the schema default, or New Custom SQL for a query with PREDICT."""


def dbeaver(target: Target) -> str:
    """Where to click in DBeaver."""
    return f"""\
DBeaver: Database > New Database Connection > Apache Spark (or Apache Hive)
  Connect by  URL
  JDBC URL    {jdbc(target)}
  Username    {target.login}
  Password    {"the user's" if target.user else "leave it empty"}"""


def python(target: Target) -> str:
    """A program that asks one question."""
    password = ', password=getpass.getpass("Password: ")' if target.user else ', password="none"'
    imports = "import getpass\n\n" if target.user else ""
    return f"""\
# pip install impyla
{imports}from impala.dbapi import connect

connection = connect(
    "{target.host}", port={target.port}, auth_mechanism="PLAIN", use_ssl={target.tls}, user="{target.login}"{password}
)
with connection.cursor() as cursor:
    cursor.execute("SHOW TABLES")
    print(cursor.fetchall())"""


def spark_connect(target: Target) -> str:
    """A program in Python that asks one question of Spark Connect; the token comes from the environment."""
    options = f"/;use_ssl={str(target.tls).lower()}" if target.tls else ""
    return f"""\
# pip install "pyspark[connect]"; where the server has a token, set SPARK_CONNECT_AUTHENTICATE_TOKEN to it.
from pyspark.sql import SparkSession

spark = SparkSession.builder.remote("sc://{target.address}{options}").getOrCreate()
spark.sql("SHOW TABLES").show()"""


def _asked(target: Target) -> str:
    return f"{target.user} and the password" if target.user else "any name, no password"


TOOLS: dict[str, Callable[[Target], str]] = {
    "powerbi": powerbi,
    "tableau": tableau,
    "dbeaver": dbeaver,
    "jdbc": jdbc,
    "odbc": odbc,
    "python": python,
    "connect": spark_connect,
}
"""What ``--for`` takes."""
