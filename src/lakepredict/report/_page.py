"""The HTML of a report: one file with everything in it, and a policy that lets it load nothing else. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

import lakepredict
from lakepredict.report import _figures, _view
from lakepredict.report._facts import Facts

_START = 'document.documentElement.className = "js";'
"""Run before the page is shown, so that what needs scripts is not seen to come and go."""


def page(facts: Facts) -> str:
    """The whole page."""
    scripts = {"start": _START, "plotly": _plotly(), "script": _part("page.js").strip()}
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_part("page.html"))
    text = template.render(
        **_view.view(facts),
        **{name: Markup(script) for name, script in scripts.items()},
        css=Markup(_styles()),
        data=Markup(embedded(_view.data(facts))),
        policy=Markup(policy(*scripts.values())),
        version=lakepredict.__version__,
    )
    return text.lstrip() + "\n"


@cache
def _part(name: str) -> str:
    return files("lakepredict.report").joinpath(name).read_text("utf-8")


@cache
def _plotly() -> str:
    """plotly.js as an HTML parser hands it on, which reads each line end as a line feed."""
    return str(get_plotlyjs()).replace("\r\n", "\n").replace("\r", "\n")


def _styles() -> str:
    light, dark = (
        "".join(f"--{name}: {colour}; " for name, colour in _figures.PALETTES[theme].items())
        for theme in ("light", "dark")
    )
    variables = f":root {{ {light}}}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark}}} }}\n"
    return variables + _part("page.css").strip()


def policy(*scripts: str) -> str:
    """A Content-Security-Policy: these scripts and no others run, and nothing is loaded from anywhere.

    Styles may be inline, because plotly.js sets them; they can load nothing either.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def embedded(value: Any) -> str:
    """JSON that may stand in a script element: nothing in it can end the element or begin another."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
