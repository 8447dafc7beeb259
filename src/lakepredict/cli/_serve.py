"""``lakepredict serve``, ``password`` for its users, and ``connect`` for its clients."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from lakepredict._place import locate
from lakepredict.cli._options import PORT, lakehouse_option
from lakepredict.cli._sessions import quiet_session, reported, require_lakehouse
from lakepredict.serve._clients import CONNECT_PORT, THRIFT_PORT, TOOLS, Target

if TYPE_CHECKING:
    from lakepredict.lakehouse import Folder
    from lakepredict.serve._endpoint import Addresses
    from lakepredict.serve._settings import Settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--thrift-port",
    type=PORT,
    metavar="PORT",
    default=10000,
    show_default=True,
    help="For JDBC and ODBC; 0: a free one.",
)
@click.option(
    "--connect-port",
    type=PORT,
    metavar="PORT",
    default=15002,
    show_default=True,
    help="For Spark Connect; 0: a free one.",
)
@click.option("--no-connect", is_flag=True, help="Do without Spark Connect.")
@click.option(
    "--read-only/--read-write",
    default=True,
    show_default=True,
    help="Whether clients may but read, or run whatever they like as the user who runs the server.",
)
@click.option(
    "--users", metavar="FILE", help="Users and their passwords for JDBC and ODBC, as lakepredict password makes."
)
@click.option(
    "--keystore",
    metavar="FILE",
    help="Key and certificate (PKCS12 or JKS) for TLS with JDBC and ODBC; LAKEPREDICT_KEYSTORE_PASSWORD opens it.",
)
@click.option(
    "--conf", metavar="KEY=VALUE", multiple=True, help="A setting of Spark's, or of Hive's as spark.hadoop.hive..."
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON once clients may come.")
@lakehouse_option
def serve(
    host: str,
    thrift_port: int,
    connect_port: int,
    no_connect: bool,
    read_only: bool,
    users: str | None,
    keystore: str | None,
    conf: tuple[str, ...],
    as_json: bool,
    lakehouse: str,
) -> None:
    """Offer the lakehouse with PREDICT to BI tools, over JDBC, ODBC and Spark Connect. Ctrl-C ends it.

    It listens on this machine alone. Any other address needs --users, or Hive's settings for LDAP in --conf; and for
    Spark Connect a token in SPARK_CONNECT_AUTHENTICATE_TOKEN.
    """
    with reported(status=2):
        from lakepredict.serve import _endpoint, _settings

        settings = _settings.Settings(
            host,
            thrift_port,
            None if no_connect else connect_port,
            read_only,
            users,
            keystore,
            _settings.parse_conf(conf),
            **_settings.take_secrets(),
        )
        _settings.check(settings)
        _endpoint.require_free(settings)
    with reported():
        require_lakehouse(locate(lakehouse))
    _run(settings, lakehouse, as_json)


def _run(settings: Settings, lakehouse: str, as_json: bool) -> None:
    from lakepredict import _jars
    from lakepredict.serve import _endpoint, _jvm
    from lakepredict.serve._settings import spark_conf

    console = Console(stderr=as_json)
    with reported(), console.status("Starting Spark ..."):
        conf = spark_conf(settings, [str(each) for each in _jars.delta_jars()])
    with _endpoint.stopping() as take:
        try:
            with quiet_session(lakehouse, console, conf) as (spark, folder):

                def ready(addresses: Addresses) -> None:
                    _tell(addresses, settings, folder, console, as_json)

                _endpoint.run(spark, folder, settings, take(), ready, lambda: _say("Stopping ...", console))
            _say("Stopped.", console)
        finally:
            _jvm.end_process(timeout=30)


def _say(text: str, console: Console) -> None:
    console.print(text, highlight=False, soft_wrap=True)


def _tell(addresses: Addresses, settings: Settings, folder: Folder, console: Console, as_json: bool) -> None:
    """Say once that clients may come, and where."""
    from lakepredict.serve._settings import warnings

    facts = {
        "status": "ready",
        "jdbc": addresses.jdbc,
        "connect": addresses.connect,
        "read_only": settings.read_only,
        "authentication": settings.authentication,
        "tls": settings.keystore is not None,
    }
    if as_json:
        click.echo(json.dumps(facts))
        sys.stdout.flush()
        return
    mode = "read-only" if settings.read_only else "read-write: clients may change and run anything"
    _say(f"Ready ({mode}). Ctrl-C ends it.", console)
    _say(f"  Lakehouse:     {escape(folder.root)}", console)
    _say(f"  JDBC, ODBC:    {addresses.jdbc}", console)
    if addresses.connect:
        _say(f"  Spark Connect: {addresses.connect}", console)
    for line in warnings(settings):
        _say(f"  [yellow]Warning:[/yellow] {line}", console)


@click.command()
@click.argument("name")
@click.option("--users", metavar="FILE", default="users.txt", show_default=True, help="The file to write to.")
@click.password_option(help="Asked for where it is not given; - reads it from standard input.")
def password(name: str, users: str, password: str) -> None:
    """Add a user to a file for lakepredict serve --users, or give the user another password."""
    with reported(status=2):
        from lakepredict.serve import _users

        given = sys.stdin.readline().rstrip("\n") if password == "-" else password
        new = _users.save(users, name, given)
        click.echo(f"{name} is {'added to' if new else 'changed in'} {users}.")


def _plain(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A name that can stand in any of the texts as it is."""
    if value is not None and not re.fullmatch(r"[\w.:@-]+", value):
        raise click.BadParameter(f"{value!r} is no name that all tools can take.")
    return value


@click.command()
@click.option("--for", "tool", required=True, type=click.Choice(list(TOOLS)), help="The tool to connect.")
@click.option("--host", default="localhost", show_default=True, callback=_plain, help="Where the server listens.")
@click.option("--port", type=PORT, metavar="PORT", help="Its port. Default: 10000, for Spark Connect 15002.")
@click.option("--user", metavar="NAME", callback=_plain, help="Who connects, where the server has users.")
@click.option("--tls", is_flag=True, help="The server has a keystore, or a TLS proxy before it.")
@click.option("--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write to a file.")
def connect(tool: str, host: str, port: int | None, user: str | None, tls: bool, output: str | None) -> None:
    """Print what a tool needs to open the lakehouse that lakepredict serve offers. No Spark starts."""
    default = CONNECT_PORT if tool == "connect" else THRIFT_PORT
    text = TOOLS[tool](Target(host, default if port is None else port, user, tls))
    if output is None:
        click.echo(text)
        return
    with click.open_file(output, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
