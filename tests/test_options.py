"""Options, variables and defaults of the commands: which wins, and what a value may be."""

import argparse
from dataclasses import fields
from pathlib import Path

import pytest

from stepwell_api.options import (
    SERVING_OPTIONS,
    OptionError,
    add_options,
    parse_bool,
    parse_duration_s,
    read_settings,
    variables_of,
)
from stepwell_storage.settings import Settings


def read(*arguments: str, **environment: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_options(parser, SERVING_OPTIONS)
    return read_settings(parser.parse_args(arguments), SERVING_OPTIONS, environment)


def test_every_setting_has_an_option() -> None:
    assert {option.field for option in SERVING_OPTIONS} == {field.name for field in fields(Settings)}


def test_defaults_are_those_of_settings() -> None:
    assert read() == Settings(database_url="")


def test_flag_wins_over_variable_and_variable_over_default() -> None:
    assert read(STEPWELL_PORT="1").port == 1
    assert read("--port", "2", STEPWELL_PORT="1").port == 2


def test_value_of_a_variable_that_is_overruled_does_not_matter() -> None:
    assert read("--port", "2", STEPWELL_PORT="nonsense").port == 2


def test_empty_variable_is_none() -> None:
    assert read(STEPWELL_PORT="").port == 8080


@pytest.mark.parametrize(
    ("arguments", "environment", "auth"),
    [
        ((), {}, False),
        ((), {"STEPWELL_AUTH": "true"}, True),
        (("--auth",), {}, True),
        (("--no-auth",), {"STEPWELL_AUTH": "1"}, False),
    ],
)
def test_auth(arguments: tuple[str, ...], environment: dict[str, str], auth: bool) -> None:
    assert read(*arguments, **environment).auth is auth


@pytest.mark.parametrize("word", ["1", "true", "TRUE", "yes", "on"])
def test_words_for_yes(word: str) -> None:
    assert parse_bool(word)


@pytest.mark.parametrize("word", ["0", "false", "No", "off"])
def test_words_for_no(word: str) -> None:
    assert not parse_bool(word)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("30min", 1800.0), ("2 h", 7200.0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1d", "soon", "1e3"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration_s(text)


@pytest.mark.parametrize("text", ["-1", "65536", "8080.0", "²", ""])
def test_bad_ports(text: str) -> None:
    with pytest.raises(OptionError, match="--port: expected a port from 0 to 65535"):
        read(f"--port={text}")


def test_variables_give_a_child_the_same_settings() -> None:
    settings = Settings(
        database_url="postgresql://user:pass%20word@host/db",
        data_dir=Path("/data"),
        port=0,
        auth=True,
        stale_after_s=12.5,
        log_format="json",
    )
    assert read(**variables_of(settings)) == settings
