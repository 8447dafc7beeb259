"""A file of users for the Thrift endpoint: a line for each, of a name and a salted hash of the password.

``name:pbkdf2-sha256:iterations:salt:hash``, salt and hash in Base64. The endpoint reads it for each connection
(``java/UserFile.java``), so a changed password counts at once.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from base64 import b64encode
from hashlib import pbkdf2_hmac
from pathlib import Path

from lakepredict.errors import ServerSettingError

ITERATIONS = 200_000
_NAME = re.compile(r"[^\s:@/][^\s:/]*")
_LINE = re.compile(rf"({_NAME.pattern}):pbkdf2-sha256:[1-9]\d*:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")


def line(name: str, password: str, salt: bytes | None = None) -> str:
    """The line of a user.

    Raises:
        ServerSettingError: the name cannot stand in the file, or the password is empty.
    """
    if not _NAME.fullmatch(name) or not password:
        raise ServerSettingError(
            "A user needs a name and a password.",
            expected="a name without spaces, colons and slashes, and a password that is not empty",
            got=repr(name) if password else "an empty password",
            hint="lakepredict password analyst --users users.txt asks for the password.",
        )
    salt = os.urandom(16) if salt is None else salt
    hashed = pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    return f"{name}:pbkdf2-sha256:{ITERATIONS}:{b64encode(salt).decode()}:{b64encode(hashed).decode()}"


def read(path: str) -> dict[str, str]:
    """The users of a file, each with its line.

    Raises:
        ServerSettingError: there is no such file, others may write to it, or a line cannot be read.
    """
    try:
        mode, lines = os.stat(path).st_mode, Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise _unfit(path, getattr(exc, "strerror", None) or "no text") from exc
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _unfit(path, "a file that others may write to")
    found = {}
    for number, each in enumerate(lines, 1):
        if not each.strip() or each.startswith("#"):
            continue
        match = _LINE.fullmatch(each)
        if match is None:
            raise _unfit(path, f"line {number}, which is no user and hash")
        found[match.group(1)] = each
    return found


def _unfit(path: str, got: str) -> ServerSettingError:
    return ServerSettingError(
        f"The file of users {path} cannot be used.",
        expected="a file that its owner alone may write, with a line for each user",
        got=got,
        hint="lakepredict password NAME --users FILE makes it.",
    )


def save(path: str, name: str, password: str) -> bool:
    """Add a user to a file, which is made if it does not exist, or give the user another password.

    Returns:
        whether the user is new.

    Raises:
        ServerSettingError: as :func:`line` and :func:`read`.
    """
    users = read(path) if Path(path).exists() else {}
    new = name not in users
    users[name] = line(name, password)
    folder = Path(path).resolve().parent
    try:
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            file.write("".join(f"{each}\n" for each in users.values()))  # made with access for its owner alone
        os.replace(file.name, path)
    except OSError as exc:
        raise _unfit(path, str(exc.strerror)) from exc
    return new
