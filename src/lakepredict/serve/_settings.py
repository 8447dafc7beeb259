"""What a server is started with: checked before Spark starts, and turned into settings of Spark and Hive."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from lakepredict.errors import ServerInsecureError, ServerSettingError
from lakepredict.serve import _users

TOKEN = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
KEYSTORE_PASSWORD = "LAKEPREDICT_KEYSTORE_PASSWORD"
_HIVE = "spark.hadoop."
_AUTHENTICATION = f"{_HIVE}hive.server2.authentication"
_LDAP = f"{_AUTHENTICATION}.ldap."
_LDAP_SETTINGS = ("url", "baseDN", "userDNPattern", "Domain")
"""What Spark's server knows of Hive's settings for LDAP. It knows no filters, which Hive has to keep people out."""

_AUTHENTICATIONS = ("NONE", "NOSASL", "LDAP", "CUSTOM", "KERBEROS", "PAM")
_NO_METASTORE = "org.apache.hadoop.hive.ql.security.authorization.plugin.fallback.FallbackHiveAuthorizerFactory"
_SECRET = re.compile(r"secret|password|token|access[.]?key", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """How a server listens, and what it lets clients do.

    Attributes:
        host: the address to listen on.
        thrift_port: of the Thrift JDBC/ODBC endpoint; 0 takes a free one.
        connect_port: of Spark Connect; 0 takes a free one, None is without.
        read_only: whether clients may but read.
        users: a file of users and hashed passwords, for the Thrift endpoint.
        keystore: a file with a key and its certificate, for TLS on the Thrift endpoint.
        conf: further settings of Spark.
        token: what a Spark Connect client must show.
        keystore_password: of the keystore.
    """

    host: str = "127.0.0.1"
    thrift_port: int = 10000
    connect_port: int | None = 15002
    read_only: bool = True
    users: str | None = None
    keystore: str | None = None
    conf: Mapping[str, str] | None = None
    token: str | None = None
    keystore_password: str | None = None

    @property
    def authentication(self) -> str:
        """Hive's name of how users of the Thrift endpoint are known."""
        return "CUSTOM" if self.users else dict(self.conf or {}).get(_AUTHENTICATION, "NONE").upper()


def take_secrets(environment: MutableMapping[str, str] = os.environ) -> dict[str, str | None]:
    """Take the secrets out of the environment, which Spark hands down to the processes that it starts."""
    return {"token": environment.pop(TOKEN, None), "keystore_password": environment.pop(KEYSTORE_PASSWORD, None)}


def parse_conf(pairs: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` pairs of the command line.

    Raises:
        ServerSettingError: one is none, or would show a secret to everyone on the machine.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.startswith("spark."):
            raise ServerSettingError(
                "A setting cannot be read.",
                expected="--conf spark.KEY=VALUE",
                got=f"--conf {key}",
                hint="for example --conf spark.driver.memory=4g.",
            )
        if _SECRET.search(key):
            raise ServerSettingError(
                "A secret on the command line can be read by everyone on the machine.",
                expected="settings without secrets",
                got=f"--conf {key}=...",
                hint=f"put it into spark-defaults.conf, or into {TOKEN} or {KEYSTORE_PASSWORD}.",
            )
        found[key] = value
    return found


def check(settings: Settings) -> None:
    """Refuse a server that strangers could use, or that cannot do what is asked for.

    Raises:
        ServerInsecureError: other machines can reach it, and it would not know who they are.
        ServerSettingError: a file is missing or unfit.
    """
    if settings.users:
        _users.read(settings.users)
    if settings.keystore and not Path(settings.keystore).is_file():
        raise ServerSettingError(
            "There is no such keystore.",
            expected="a PKCS12 or JKS file with a key and its certificate",
            got=settings.keystore,
            hint="keytool -genkeypair or openssl pkcs12 -export makes one.",
        )
    if settings.keystore and not settings.keystore_password:
        raise ServerSettingError(
            "The keystore needs its password.",
            expected=f"the environment variable {KEYSTORE_PASSWORD}",
            got="none",
            hint="set it for this command alone.",
        )
    _check_authentication(settings)
    if is_loopback(settings.host):
        return
    if settings.authentication in ("NONE", "NOSASL"):
        raise _insecure(settings, "the Thrift endpoint has no users", "--users FILE, which lakepredict password makes")
    if settings.connect_port is not None and not settings.token:
        raise _insecure(settings, "Spark Connect has no token", f"{TOKEN} in the environment, or --no-connect")


def _check_authentication(settings: Settings) -> None:
    if settings.authentication not in _AUTHENTICATIONS:
        raise ServerSettingError(
            "There is no such authentication.",
            expected=f"one of {', '.join(_AUTHENTICATIONS)}",
            got=f"--conf {_AUTHENTICATION}={settings.authentication}",
            hint="--users FILE needs none of them.",
        )
    ldap = {key.removeprefix(_LDAP) for key in settings.conf or {} if key.startswith(_LDAP)}
    unknown = sorted(ldap.difference(_LDAP_SETTINGS))
    if unknown:
        raise ServerSettingError(
            "Spark's server does not know this setting, and would let everybody in whom LDAP knows.",
            expected=f"{_LDAP}* with {', '.join(_LDAP_SETTINGS)}",
            got=f"--conf {_LDAP}{unknown[0]}=...",
            hint="leave it out, and let LDAP itself refuse those who are not to come.",
        )
    if settings.authentication == "LDAP" and "url" not in ldap:
        raise ServerSettingError(
            "The address of the LDAP server is missing.",
            expected=f"--conf {_LDAP}url=ldaps://host",
            got="none",
            hint=f"--conf {_LDAP}baseDN=ou=people,dc=example says where its users are.",
        )


def is_loopback(host: str) -> bool:
    """Whether this machine alone can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def warnings(settings: Settings) -> list[str]:
    """What whoever starts such a server should know."""
    found = []
    if not is_loopback(settings.host) and not settings.keystore:
        found.append("passwords and rows of JDBC and ODBC go over the network unencrypted; --keystore encrypts them.")
    if not is_loopback(settings.host) and settings.connect_port is not None:
        found.append(
            "Spark Connect is unencrypted here, and its clients give a token over TLS alone: put a proxy before it."
        )
    url = dict(settings.conf or {}).get(f"{_LDAP}url", "")
    if url.lower().startswith("ldap:") and not is_loopback(urlsplit(url).hostname or ""):
        found.append(f"passwords go to {url} unencrypted; ldaps:// encrypts them.")
    return found


def _insecure(settings: Settings, got: str, needed: str) -> ServerInsecureError:
    return ServerInsecureError(
        f"Other machines can reach {settings.host}, and whoever connects could read all tables.",
        expected=needed,
        got=got,
        hint="or listen on this machine alone, with --host 127.0.0.1.",
    )


def spark_conf(settings: Settings, jars: Sequence[str]) -> dict[str, str]:
    """What the session of a server has besides what every session has; ``jars`` are Delta Lake's."""
    given = dict(settings.conf or {})
    path = given.pop("spark.driver.extraClassPath", "")
    ours = {
        # Threads of the Thrift endpoint see Spark's own class path alone, not what spark.jars adds to it.
        "spark.driver.extraClassPath": os.pathsep.join(each for each in (path, *jars) if each),
        "spark.scheduler.mode": "FAIR",
        "spark.scheduler.allocation.file": str(files("lakepredict.serve").joinpath("fairscheduler.xml")),
        # The page of settings would show them to whoever finds it.
        "spark.ui.enabled": "false",
        # ${env:...} in a statement would show the environment of the server to its clients.
        "spark.sql.variable.substitute": "false",
        "spark.sql.hive.thriftServer.singleSession": "false",
    }
    if given.get("spark.master", "local").startswith("local"):
        # A query that takes too much memory fails alone, instead of ending the process that all queries share.
        ours["spark.executor.killOnFatalError.depth"] = "0"
    if settings.read_only:
        # The first keeps paths from being read as tables. The second has clients send plans that can be looked at.
        ours["spark.sql.runSQLOnFiles"] = "false"
        ours["spark.connect.session.planCompression.threshold"] = "-1"
    return {**given, **ours}


def hive_conf(settings: Settings, scratch: str) -> dict[str, str]:
    """The settings of the Thrift endpoint; ``scratch`` is a folder for what Hive writes beside."""
    found = {
        "hive.server2.thrift.bind.host": settings.host,
        "hive.server2.thrift.port": str(settings.thrift_port),
        "hive.server2.transport.mode": "binary",
        "hive.server2.authentication": settings.authentication,
        "hive.server2.enable.doAs": "false",
        "hive.server2.logging.operation.log.location": f"{scratch}/hive-operations",
        # There is no metastore of Hive's. With an address, at which nobody is, Hive makes none; the others keep it
        # from asking there, or from asking again and again when a session ends.
        "hive.metastore.uris": "thrift://127.0.0.1:9",
        "hive.metastore.connect.retries": "1",
        "hive.metastore.failure.retries": "0",
        "hive.metastore.client.connect.retry.delay": "0s",
        "hive.security.authorization.manager": _NO_METASTORE,
        "hive.internal.ss.authz.settings.applied.marker": "true",
        "hive.exec.scratchdir": f"{scratch}/hive",
        "hive.exec.local.scratchdir": f"{scratch}/hive-local",
        # Each session has its own, for Hive deletes it when a session ends.
        "hive.downloaded.resources.dir": f"{scratch}/hive-resources-${{hive.session.id}}",
        "hive.querylog.location": f"{scratch}/hive-log",
    }
    if settings.keystore:
        found["hive.server2.use.SSL"] = "true"
        found["hive.server2.keystore.path"] = str(Path(settings.keystore).resolve())
        found["hive.server2.keystore.password"] = settings.keystore_password or ""
    return found
