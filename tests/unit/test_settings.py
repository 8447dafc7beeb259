"""The settings of a session that PREDICT obeys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lakepredict._settings import Settings
from lakepredict.errors import SettingInvalidError


def read(**values: str) -> Settings:
    """Read settings of which some are set."""
    return Settings.read(lambda key, default: values.get(key.rpartition(".")[2], default))


def test_defaults() -> None:
    """What is not set has the documented default."""
    assert read() == Settings(on_null="null", registry_timeout=30.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"onNull": "error"}, Settings(on_null="error")),
        ({"onNull": " PASS "}, Settings(on_null="pass")),
        ({"registryTimeout": "5"}, Settings(registry_timeout=5.0)),
        ({"registryTimeout": "2.5s"}, Settings(registry_timeout=2.5)),
        ({"engine": "Native"}, Settings(engine="native")),
    ],
)
def test_values(values: dict[str, str], expected: Settings) -> None:
    """Values are read as Spark's own are: in any case, seconds with or without their unit."""
    assert read(**values) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [("onNull", "nil"), ("onNull", ""), ("registryTimeout", "0"), ("registryTimeout", "1 minute"), ("engine", "fast")],
)
def test_value_that_means_nothing(key: str, value: str, golden: Callable[[str, str], None]) -> None:
    """A value that means nothing is an error that names the setting and shows the value."""
    with pytest.raises(SettingInvalidError) as raised:
        read(**{key: value})

    if value == "nil":
        golden("errors/predict_setting_invalid.txt", str(raised.value))
    assert raised.value.parameters["setting"] == f"spark.lakepredict.{key}"
    assert raised.value.parameters["got"] == repr(value)
