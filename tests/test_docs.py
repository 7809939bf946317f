"""The documentation says what the code does: settings, commands, metrics, endpoints, attributes, links."""

import argparse
import importlib
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from stepwell import semconv
from stepwell_api.app import create_app
from stepwell_api.cli import COMMANDS
from stepwell_api.models.ingest import IngestCounts
from stepwell_api.options import SERVING_OPTIONS
from stepwell_receiver.dialects import DIALECTS
from stepwell_receiver.errors import MEANINGS, UNEXPECTED
from stepwell_receiver.signals import SIGNALS
from stepwell_receiver.validation import Reason
from stepwell_receiver.vendors import SPELLINGS
from stepwell_storage import metrics
from stepwell_storage.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SOURCES = ("instrumentation", "storage", "receiver", "api", "migrations", "scripts")
CODE = re.compile(r"`([^`\n]+)`")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def rows(text: str, columns: int) -> list[list[str]]:
    """The rows of all tables with this many columns, without their heads."""
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    found = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [cells for cells in found if len(cells) == columns]


def section(text: str, heading: str) -> str:
    """From a heading to the next of its rank or higher."""
    start = text.index(f"{heading}\n")
    rank = len(heading) - len(heading.lstrip("#"))
    end = re.compile(rf"^#{{1,{rank}}} ", re.MULTILINE).search(text, start + len(heading))
    return text[start : end.start() if end else None]


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for nested in action.choices.values():
                yield from parsers(nested)


def flags_of(command: str) -> set[str]:
    """All options of a command that ``--help`` shows."""
    top = argparse.ArgumentParser(add_help=False)
    importlib.import_module(COMMANDS[command].module).add_arguments(top)
    actions = [action for parser in parsers(top) for action in parser._actions if action.help != argparse.SUPPRESS]
    return {flag for action in actions for flag in action.option_strings if flag not in ("-h", "--help")}


def test_every_setting_is_documented_with_its_default() -> None:
    defaults = {field.name: field.default for field in fields(Settings)}
    assert {option.field for option in SERVING_OPTIONS} == set(defaults), "each setting has an option"
    documented = {row[0].split(",")[0]: row[1:3] for row in rows(page("settings.md"), 4)}
    for option in SERVING_OPTIONS:
        default = defaults[option.field]
        value = f"{default:g}" if isinstance(default, float) else str(default).lower()
        told = "" if default in (MISSING, None, "") else f"`{value}`"
        assert documented[f"`{option.flag}`"] == [f"`{option.variable}`", told]


def test_every_command_is_documented() -> None:
    documented = {row[0] for row in rows(section(page("settings.md"), "## Commands"), 2)}
    assert documented == {f"`stepwell {name}`" for name in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str) -> None:
    words = {word for code in CODE.findall(page("settings.md")) for word in code.split()}
    assert flags_of(command) - words == set()


def test_no_option_is_documented_that_does_not_exist() -> None:
    words = {word for code in CODE.findall(page("settings.md")) for word in code.split() if word.startswith("--")}
    assert words - {flag for command in COMMANDS for flag in flags_of(command)} == {"--help", "--version"}


def test_every_environment_variable_is_documented() -> None:
    variables = {option.variable for option in SERVING_OPTIONS}
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            variables |= set(re.findall(r"\"((?:STEPWELL|PROMETHEUS)_[A-Z_]+[A-Z])\"", path.read_text()))
    documented = set(re.findall(r"`((?:STEPWELL|PROMETHEUS)_[A-Z_]+)`", page("settings.md")))
    assert documented == variables


def test_every_metric_is_documented_with_type_and_labels() -> None:
    defined = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            name = f"{family.name}_total" if family.type == "counter" else family.name
            defined[f"`{name}`"] = [family.type, ", ".join(f"`{label}`" for label in metric._labelnames)]
    assert {row[0]: row[1:3] for row in rows(page("metrics.md"), 4)} == defined


def test_every_reason_to_reject_a_span_is_documented() -> None:
    documented = {row[0] for row in rows(section(page("metrics.md"), "## Receiver"), 2)}
    assert documented == {f"`{reason}`" for reason in Reason}


def test_every_reason_to_refuse_a_request_is_documented() -> None:
    reasons = {meaning.reason for meaning in (*MEANINGS.values(), UNEXPECTED)}
    assert reasons - set(CODE.findall(section(page("metrics.md"), "## Receiver"))) == set()


def test_every_count_of_the_ledger_is_documented() -> None:
    told = set(CODE.findall(section(page("api.md"), "### `GET /api/v1/ingest`")))
    assert set(IngestCounts.model_fields) - told == set()


def test_every_dialect_is_documented_in_order() -> None:
    assert [row[0] for row in rows(page("dialects.md"), 3)] == [f"`{dialect.name}`" for dialect in DIALECTS]


def test_every_providers_name_is_documented_with_its_prices() -> None:
    told = {prices.strip("`"): set(CODE.findall(names)) for prices, names in rows(page("cost.md"), 2)}

    assert told == {vendor or "no list": set(names) for vendor, names in SPELLINGS.items()}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The document of the real application, which needs no database for it."""
    return create_app(Settings(database_url="postgresql://127.0.0.1:1/nowhere")).openapi()


def test_every_endpoint_is_documented(openapi: dict[str, Any]) -> None:
    served = {f"{method.upper()} {path}" for path, operations in openapi["paths"].items() for method in operations}
    assert set(re.findall(r"^### `(\w+ [^`]+)`$", page("api.md"), re.MULTILINE)) == served


def test_every_parameter_is_documented(openapi: dict[str, Any]) -> None:
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            words = CODE.findall(section(page("api.md"), f"### `{method.upper()} {path}`"))
            told = {*words, *re.findall(r"{(\w+)}", path)}
            assert {parameter["name"] for parameter in operation.get("parameters", [])} - told == set(), path


def test_every_sort_order_is_documented(openapi: dict[str, Any]) -> None:
    for path in ("/api/v1/executions", "/api/v1/agents"):
        (sort,) = [found for found in openapi["paths"][path]["get"]["parameters"] if found["name"] == "sort"]
        schema = sort["schema"]
        words = schema.get("enum") or openapi["components"]["schemas"][schema["$ref"].split("/")[-1]]["enum"]
        told = CODE.findall(section(page("api.md"), f"### `GET {path}`"))
        assert {word.removeprefix("-") for word in words} - set(told) == set()


def test_otlp_paths_are_documented() -> None:
    for signal in SIGNALS:
        assert f"{signal.path}`" in page("api.md")


def test_every_attribute_of_ours_is_documented() -> None:
    names = {value for value in vars(semconv).values() if isinstance(value, str) and value.startswith("stepwell.")}
    names.discard(semconv.__name__)
    assert names - set(CODE.findall(page("api.md"))) == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(path: Path) -> None:
    named = [
        code
        for code in CODE.findall(path.read_text())
        if re.fullmatch(r"[\w./]+/[\w.]*\.(?:py|sql|md)|[\w]+(?:/\w+)+/", code)
    ]
    assert [name for name in named if not (ROOT / name).exists()] == []
