"""What a server is started with: who may reach it, and what becomes of secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from lakepredict.cli import main
from lakepredict.errors import ServerInsecureError, ServerSettingError
from lakepredict.serve import _allowed, _settings, _users
from lakepredict.serve._settings import Settings

LDAP = {
    "spark.hadoop.hive.server2.authentication": "ldap",
    "spark.hadoop.hive.server2.authentication.ldap.url": "ldaps://ldap.example",
}
LDAP_OPTIONS = [part for each in LDAP.items() for part in ("--conf", "=".join(each))]


@pytest.fixture
def users(tmp_path: Path) -> str:
    """A file with one user."""
    path = str(tmp_path / "users.txt")
    _users.save(path, "ann", "s3cret")
    return path


MINE = ["127.0.0.1", "127.9.9.9", "::1", "localhost"]
OTHERS = ["0.0.0.0", "10.0.0.7", "::", "lakehouse.example", "localhost.evil"]


def test_loopback() -> None:
    """Only addresses that cannot be reached from elsewhere count as this machine's own."""
    assert [host for host in MINE + OTHERS if _settings.is_loopback(host)] == MINE


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "lakehouse.example"])
def test_strangers_are_kept_out(host: str, users: str) -> None:
    """Another address than this machine's own is refused until both endpoints know their users."""
    for settings in (
        Settings(host),
        Settings(host, token="t"),
        Settings(host, users=users),
        Settings(host, conf={"spark.hadoop.hive.server2.authentication": "NOSASL"}, token="t"),
    ):
        with pytest.raises(ServerInsecureError, match="SERVER_INSECURE"):
            _settings.check(settings)


def test_friends_are_let_in(users: str) -> None:
    """Users and a token, LDAP, or doing without Spark Connect, will do; this machine needs nothing."""
    for settings in (
        Settings(),
        Settings("0.0.0.0", users=users, token="t"),
        Settings("0.0.0.0", users=users, connect_port=None),
        Settings("0.0.0.0", conf=LDAP, token="t"),
    ):
        _settings.check(settings)


def test_users_come_before_settings(users: str) -> None:
    """A file of users is what is used, whatever Hive's settings say."""
    assert Settings(users=users, conf=LDAP).authentication == "CUSTOM"
    assert Settings(conf=LDAP).authentication == "LDAP"


def test_keystore(tmp_path: Path) -> None:
    """A keystore that is not there, or without its password, is refused."""
    with pytest.raises(ServerSettingError, match="no such keystore"):
        _settings.check(Settings(keystore=str(tmp_path / "none.p12"), keystore_password="p"))
    (tmp_path / "key.p12").touch()
    with pytest.raises(ServerSettingError, match="LAKEPREDICT_KEYSTORE_PASSWORD"):
        _settings.check(Settings(keystore=str(tmp_path / "key.p12")))


def test_secrets_leave_the_environment() -> None:
    """Secrets are taken out of the environment, which Spark's processes inherit."""
    environment = {"SPARK_CONNECT_AUTHENTICATE_TOKEN": "t", "LAKEPREDICT_KEYSTORE_PASSWORD": "p", "PATH": "/bin"}

    assert _settings.take_secrets(environment) == {"token": "t", "keystore_password": "p"}
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize("pair", ["spark.x", "driver.memory=1g", "spark.my.secret.key=x", "spark.ssl.keyPassword=x"])
def test_conf_that_is_refused(pair: str) -> None:
    """A pair that cannot be read, or that would show a secret to others, is refused without its value."""
    with pytest.raises(ServerSettingError) as caught:
        _settings.parse_conf([pair])

    assert pair == pair.partition("=")[0] or pair not in str(caught.value)


def test_spark_conf() -> None:
    """What keeps a server safe cannot be set otherwise; what makes it read-only is left out where it is not."""
    given = {"spark.sql.runSQLOnFiles": "true", "spark.sql.variable.substitute": "true", "spark.driver.memory": "4g"}
    found = _settings.spark_conf(Settings(conf=given), ["delta.jar"])
    writable = _settings.spark_conf(Settings(read_only=False), [])

    assert found["spark.sql.runSQLOnFiles"] == found["spark.sql.variable.substitute"] == "false"
    assert found["spark.driver.memory"] == "4g"
    assert found["spark.driver.extraClassPath"] == "delta.jar"
    assert "spark.sql.runSQLOnFiles" not in writable


def test_warnings(users: str) -> None:
    """A connection that others can listen to is told."""
    assert _settings.warnings(Settings()) == []
    assert len(_settings.warnings(Settings("0.0.0.0"))) == 2
    assert len(_settings.warnings(Settings("0.0.0.0", keystore="k", connect_port=None))) == 0
    assert _settings.warnings(Settings(conf=LDAP)) == []
    plain = {key: value.replace("ldaps:", "ldap:") for key, value in LDAP.items()}
    assert len(_settings.warnings(Settings(conf=plain))) == 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("error_insecure", ["--host", "0.0.0.0"]),
        ("error_no_token", ["--host", "0.0.0.0", *LDAP_OPTIONS]),
        ("error_ldap", ["--conf", "spark.hadoop.hive.server2.authentication=LDAP"]),
        ("error_ldap_filter", ["--conf", "spark.hadoop.hive.server2.authentication.ldap.groupFilter=sales"]),
        ("error_authentication", ["--conf", "spark.hadoop.hive.server2.authentication=LDPA"]),
        ("error_users", ["--users", "nowhere.txt"]),
        ("error_conf", ["--conf", "spark.ssl.keyPassword=swordfish"]),
    ],
)
def test_refused_at_once(golden: Callable[[str, str], None], name: str, arguments: list[str]) -> None:
    """A server that must not start ends with status 2 before Spark does anything."""
    result = CliRunner().invoke(main, ["serve", *arguments], prog_name="lakepredict")

    assert (result.exit_code, result.stdout) == (2, "")
    golden(f"cli/serve_{name}.txt", result.stderr.rstrip())


# --- users ------------------------------------------------------------------------------------------------------


def test_line_of_a_user() -> None:
    """The hash is PBKDF2 with SHA-256, in the form that the server reads."""
    found = _users.line("ann", "s3cret", salt=bytes(16))

    assert found.startswith("ann:pbkdf2-sha256:200000:AAAAAAAAAAAAAAAAAAAAAA==:")
    assert found != _users.line("ann", "s3cret")
    assert "s3cret" not in found


@pytest.mark.parametrize(("name", "password"), [("a b", "x"), ("a:b", "x"), ("", "x"), ("ann", ""), ("@ann", "x")])
def test_users_that_are_refused(name: str, password: str) -> None:
    """A name that would break the file, and an empty password, are refused."""
    with pytest.raises(ServerSettingError):
        _users.line(name, password)


def test_command_password(tmp_path: Path) -> None:
    """``lakepredict password`` adds a user, then changes the password, and the file is its owner's alone."""
    path = tmp_path / "users.txt"
    outputs = []
    for secret in ("first", "second"):
        arguments = ["password", "ann", "--users", str(path), "--password", "-"]
        outputs.append(CliRunner().invoke(main, arguments, input=f"{secret}\n").output)

    assert outputs == [f"ann is added to {path}.\n", f"ann is changed in {path}.\n"]
    assert list(_users.read(str(path))) == ["ann"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_unfit_files(users: str) -> None:
    """A file that others may write to, or with a line that is no user, is refused."""
    Path(users).chmod(0o666)
    with pytest.raises(ServerSettingError, match="others may write"):
        _users.read(users)
    Path(users).chmod(0o600)
    Path(users).write_text("# comment\n\nann:plain\n")
    with pytest.raises(ServerSettingError, match="line 3"):
        _users.read(users)


# --- what is allowed ----------------------------------------------------------------------------------------------


def test_dangerous_functions_are_not_allowed() -> None:
    """No function that calls Java, or reads a file, is on the list."""
    dangerous = {
        "reflect",
        "java_method",
        "try_reflect",
        "from_avro",
        "from_protobuf",
        "from_xml",
        "python_worker_logs",
    }

    assert dangerous & set(_allowed.functions()) == set()
    assert {"abs", "predict", "try_predict", "predict_proba", "predict_version"} <= set(_allowed.functions())


def test_lists_have_no_doubles() -> None:
    """What is allowed is said once."""
    for names in (_allowed.QUERY_PLANS + _allowed.STATEMENT_PLANS, _allowed.CONNECT_KINDS, _allowed.functions()):
        assert len(names) == len(set(names))
