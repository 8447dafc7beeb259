"""What ``lakepredict connect`` prints for each tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from lakepredict.cli import main
from lakepredict.serve._clients import TOOLS

VARIANTS = {"": [], "_user": ["--host", "lakehouse.example", "--port", "443", "--user", "ann", "--tls"]}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tool", TOOLS)
def test_texts(golden: Callable[[str, str], None], tool: str, variant: str) -> None:
    """Each tool gets its text, with a user and TLS where the server has them."""
    result = CliRunner().invoke(main, ["connect", "--for", tool, *VARIANTS[variant]])

    assert (result.exit_code, result.stderr) == (0, "")
    golden(f"connect/{tool}{variant}.txt", result.stdout.rstrip("\n"))


@pytest.mark.parametrize("tool", ["python", "connect"])
def test_programs_can_be_read(tool: str) -> None:
    """The programs are valid Python."""
    compile(CliRunner().invoke(main, ["connect", "--for", tool, "--user", "ann"]).stdout, tool, "exec")


def test_output(tmp_path: Path) -> None:
    """``--output`` writes to a file what would be printed."""
    path = tmp_path / "url.txt"
    result = CliRunner().invoke(main, ["connect", "--for", "jdbc", "--output", str(path)])

    assert (result.exit_code, result.output) == (0, "")
    assert path.read_text() == "jdbc:hive2://localhost:10000/default\n"


@pytest.mark.parametrize("option", ["--host", "--user"])
def test_names_that_would_break_a_text(option: str) -> None:
    """A quote or a semicolon in a name is refused: it would say something else in the text."""
    result = CliRunner().invoke(main, ["connect", "--for", "jdbc", option, 'a";b'])

    assert result.exit_code == 2
