"""The servers' door to the JVM: Spark's Thrift JDBC/ODBC server and Spark Connect, started in the driver.

The classes in Java are compiled in the driver and defined in Spark's own class loader: Hive and Spark Connect find
classes by their names there, on whichever thread they look for them. What is used of Spark's internals:

- ``SparkSession.extensions``: taken by each session that is made from the driver's own from then on, not by that one;
- ``SparkConnectService.start``, and its interceptors, which Spark makes once, of the classes that a setting names;
- ``HiveThriftServer2`` and its parts, of which ``java/ThriftEndpoint.java`` is put together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from lakepredict.errors import ReadOnlyError, ServerError
from lakepredict.serve import _allowed

_PACKAGE = "org.lakepredict"
_CLASSES = ("StatementLog", "ReadOnly", "ConnectGate", "ThriftEndpoint", "UserFile")
_TOKEN = "spark.connect.authenticate.token"


class Servers:
    """Both servers of one application, and what they have in common."""

    def __init__(self, spark: SparkSession, log: str, *, read_only: bool) -> None:
        """Prepare: clients' sessions are made from now on, the statements are logged, nothing listens yet."""
        self._spark = spark
        self._java: Any = spark.sparkContext._jvm
        self._scala: Any = spark.sparkContext._jsc.sc()
        self._read_only = read_only
        self._thrift: Any = None
        self._connect: Any = None
        _define(spark)
        extensions = spark._jsparkSession.extensions()
        self._ours("StatementLog").watch(extensions)
        self._log: Any = self._ours("StatementLog")(log)
        self._scala.addSparkListener(self._log)
        if read_only:
            self._guard(extensions)

    def _ours(self, name: str) -> Any:
        return getattr(self._java, f"{_PACKAGE}.{name}")

    def _guard(self, extensions: Any) -> None:
        self._ours("ReadOnly").allow(
            " ".join((*_allowed.QUERY_PLANS, *_allowed.STATEMENT_PLANS)),
            " ".join(_allowed.UNRESOLVED_EXPRESSIONS),
            " ".join(_allowed.functions()),
            " ".join(_allowed.SETTINGS),
        )
        self._ours("ReadOnly").guard(extensions)
        session = self._spark._jsparkSession.newSession()
        self._ours("ConnectGate").allow(
            session,
            " ".join(_allowed.CONNECT_METHODS),
            " ".join(_allowed.CONNECT_CHOICES),
            " ".join(_allowed.CONNECT_KINDS),
            str(ReadOnlyError(got="<got>")),
        )
        self._require_guarded(session)

    def _require_guarded(self, session: Any) -> None:
        """A client's session must refuse what is not reading, before any client has one.

        Raises:
            ServerError: it does not.
        """
        try:
            session.sql("SET spark.sql.shuffle.partitions=1")
        except Exception as exc:
            if ReadOnlyError.condition in str(exc):
                return
            raise
        raise ServerError(
            "This Spark does not let a server be read-only.",
            expected="a session of a client that refuses SET",
            got=f"Spark {self._spark.version}, which sets it",
            hint="use a Spark that lakepredict is tested with.",
        )

    def start_thrift(self, conf: Mapping[str, str], users: str | None) -> int:
        """Listen for JDBC and ODBC clients, with settings of Hive's.

        Returns:
            the port.
        """
        properties = self._java.java.lang.System
        if users:
            self._ours("UserFile").at(users)
            properties.setProperty("hive.server2.custom.authentication.class", f"{_PACKAGE}.UserFile")
        hadoop = self._spark._jsparkSession.sessionState().newHadoopConf()
        hive = self._java.org.apache.hadoop.hive.conf.HiveConf
        settings = hive(hadoop, self._java.java.lang.Class.forName("org.apache.hadoop.hive.conf.HiveConf"))
        for key, value in conf.items():
            settings.set(key, value)
        # Who checks a password asks a configuration of its own, which has only what the process has set.
        for key, value in dict(settings.getValByRegex(r"hive\.server2\.authentication\.ldap\..*")).items():
            properties.setProperty(key, value)
        session = self._spark._jsparkSession
        settings.setClassLoader(session.sharedState().jarClassLoader())
        self._thrift = self._ours("ThriftEndpoint")(session, settings, self._read_only)
        self._thrift.start()
        return self._await_port()

    def _await_port(self) -> int:
        deadline = time.monotonic() + 30
        while not (port := int(self._thrift.port())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return port

    def start_connect(self, host: str, port: int, token: str | None) -> int:
        """Listen for Spark Connect clients, which must show the token, if there is one.

        Returns:
            the port.
        """
        conf = self._java.org.apache.spark.SparkEnv.get().conf()
        conf.set("spark.connect.grpc.binding.address", host)
        conf.set("spark.connect.grpc.binding.port", str(port))
        conf.set("spark.connect.grpc.interceptor.classes", f"{_PACKAGE}.ConnectGate")
        service = getattr(getattr(self._java, "org.apache.spark.sql.connect.service.SparkConnectService$"), "MODULE$")
        if token:
            conf.set(_TOKEN, token)
        try:
            service.start(self._scala)
        finally:
            conf.remove(_TOKEN)  # executors that come later are told all settings
        self._connect = service
        return int(service.localPort())

    def running(self) -> int:
        """How many statements of clients run now."""
        return int(self._log.running())

    def alive(self) -> bool:
        """Whether Spark still runs."""
        try:
            return not self._scala.isStopped()
        except (Py4JError, OSError):
            return False

    def stop(self) -> None:
        """Take no more clients, and end the statements of those that are there."""
        if not self.alive():
            return
        if self._thrift is not None:
            self._thrift.stop()
        if self._connect is not None:
            none = self._java.scala.Option.apply(None)
            self._connect.stop(none, none)


def _define(spark: SparkSession) -> None:
    """Compile the classes in Java, in an order that each finds those that it needs."""
    java: Any = spark.sparkContext._jvm
    gateway: Any = spark.sparkContext._gateway
    class_of = java.java.lang.Class.forName
    loader = class_of("org.apache.spark.SparkContext").getClassLoader()
    types = gateway.new_array(java.java.lang.Class, 4)
    number = java.java.lang.Integer.TYPE
    for at, each in enumerate((class_of("java.lang.String"), class_of("[B"), number, number)):
        types[at] = each
    define = class_of("java.lang.ClassLoader").getDeclaredMethod("defineClass", types)
    define.setAccessible(True)
    for name in _CLASSES:
        compiler = getattr(java, "org.codehaus.janino.SimpleCompiler")()
        compiler.setParentClassLoader(loader)
        source = files("lakepredict").joinpath("java", f"{name}.java")
        compiler.cook(source.read_text(encoding="utf-8"))
        for defined, code in dict(compiler.getBytecodes()).items():
            given = gateway.new_array(java.java.lang.Object, 4)
            for at, each in enumerate((defined, code, 0, len(code))):
                given[at] = each
            define.invoke(loader, given)


def end_process(timeout: float) -> None:
    """Have the JVM of this process end, after its session was stopped."""
    gateway: Any = SparkContext._gateway
    if gateway is None:
        return
    process = getattr(gateway, "proc", None)
    with suppress(Py4JError, OSError):
        gateway.shutdown()
    if process is not None:
        process.stdin.close()
        process.wait(timeout)
