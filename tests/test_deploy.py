"""What lies in deploy/ names settings, commands, ports and metrics that exist."""

import configparser
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from stepwell_api.cli import COMMANDS
from stepwell_storage import metrics
from stepwell_storage.settings import Settings

DEPLOY = Path(__file__).parent.parent / "deploy"
TEXTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
OF_COLLECTORS = {"STEPWELL_API_KEY"}
OF_COMPOSE = {"STEPWELL_DATABASE_PASSWORD"}
PORTS = {"4317", "4318", "8080"}


def _settings() -> set[str]:
    return set(re.findall(r"`(STEPWELL_[A-Z_]+)`", (DEPLOY.parent / "docs" / "settings.md").read_text()))


def _metric_names() -> Iterator[str]:
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            for described in metric.describe():
                kind = described.type
                ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(kind, [""])
                yield from (described.name + end for end in ends)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_variables_are_settings(path: Path) -> None:
    named = set(re.findall(r"\bSTEPWELL_[A-Z_]+\b", path.read_text()))
    assert named <= _settings() | OF_COLLECTORS | OF_COMPOSE


@pytest.mark.parametrize("name", ["grafana/stepwell.json", "prometheus/stepwell.rules.yaml"])
def test_metrics_exist(name: str) -> None:
    named = set(re.findall(r"\bstepwell_[a-z_]+\b", (DEPLOY / name).read_text()))
    assert named
    assert named <= set(_metric_names())


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    panels: list[dict[str, Any]] = json.loads((DEPLOY / "grafana" / "stepwell.json").read_text())["panels"]
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert all(x < 24 for x, _ in taken)
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_compose_starts_commands_on_their_ports_on_loopback_alone() -> None:
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "stepwell"}
    assert {service["command"][0] for service in ours.values()} == {"migrate", "receiver", "worker", "api"}
    assert {service["command"][0] for service in ours.values()} <= COMMANDS.keys()
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert sorted(published) == [f"127.0.0.1:{port}:{port}" for port in sorted(PORTS)]
    assert {port for service in ours.values() for port in re.findall(r"127\.0\.0\.1:(\d+)/", str(service))} <= PORTS


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_unit_starts_a_command(path: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    for name in ("ExecStart", "ExecStartPre"):
        if name in unit["Service"]:
            program, command = unit["Service"][name].split()
            assert program == "/opt/stepwell/bin/stepwell"
            assert command in COMMANDS


def test_image_starts_everything_on_the_default_ports() -> None:
    image = (DEPLOY / "docker" / "Dockerfile").read_text()
    assert 'CMD ["up"]' in image
    assert re.findall(r"^EXPOSE (.*)$", image, re.MULTILINE) == ["8080 4317 4318"]
    settings = Settings(database_url="")
    assert (settings.port, settings.otlp_http_port, settings.otlp_grpc_port) == (8080, 4318, 4317)


def test_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((DEPLOY / "helm" / "stepwell" / "Chart.yaml").read_text())
    declared = re.search(r'^version = "(.*)"', (DEPLOY.parent / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared is not None
    assert chart["appVersion"] == chart["version"] == declared[1]
