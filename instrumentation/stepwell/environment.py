"""Settings of the client: OpenTelemetry's own variables first, then the arguments of `configure`, then ``STEPWELL_*``.

Sources: OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "SDK Environment Variables".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

Protocol: TypeAlias = Literal["http", "grpc"]

DEFAULT_ENDPOINTS: Final[Mapping[Protocol, str]] = {"http": "http://127.0.0.1:4318", "grpc": "http://127.0.0.1:4317"}
TRACES_PATH: Final = "/v1/traces"
DEFAULT_TIMEOUT_S: Final = 10.0
MAX_BATCH_SPANS: Final = 512
MAX_QUEUED_SPANS: Final = 20_000
MAX_BUFFERED_BYTES: Final = 32_000_000
FLUSH_INTERVAL_S: Final = 0.02
HEARTBEAT_S: Final = 30.0
EXIT_TIMEOUT_S: Final = 2.0
KEY_HEADER: Final = "x-stepwell-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where spans go, and how."""

    protocol: Protocol
    url: str
    """Of HTTP with the path; of gRPC the scheme tells whether TLS is used."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    compression: Literal["gzip", "none"] = "none"
    certificate_file: str | None = None
    client_key_file: str | None = None
    client_certificate_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is kept, and how often it is sent."""

    max_batch_spans: int = MAX_BATCH_SPANS
    max_queued_spans: int = MAX_QUEUED_SPANS
    max_buffered_bytes: int = MAX_BUFFERED_BYTES
    interval_s: float = FLUSH_INTERVAL_S
    heartbeat_s: float = HEARTBEAT_S
    exit_timeout_s: float = EXIT_TIMEOUT_S


def target(endpoint: str | None, api_key: str | None, protocol: Protocol | None) -> Target:
    """The target by environment and arguments."""
    found = _protocol(protocol)
    headers = _headers(api_key)
    return Target(
        protocol=found,
        url=_url(found, endpoint),
        headers=headers,
        timeout_s=_number(_otlp("TIMEOUT"), DEFAULT_TIMEOUT_S),
        compression="gzip" if (_otlp("COMPRESSION") or "").strip().lower() == "gzip" else "none",
        certificate_file=_otlp("CERTIFICATE"),
        client_key_file=_otlp("CLIENT_KEY"),
        client_certificate_file=_otlp("CLIENT_CERTIFICATE"),
    )


def pace(*, exit_timeout_s: float | None, heartbeat_s: float | None, max_buffered_bytes: int | None) -> Pace:
    """The pace by environment and arguments."""
    return Pace(
        max_batch_spans=max(1, int(_number(os.environ.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), MAX_BATCH_SPANS))),
        max_queued_spans=max(1, int(_number(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE"), MAX_QUEUED_SPANS))),
        max_buffered_bytes=MAX_BUFFERED_BYTES if max_buffered_bytes is None else max_buffered_bytes,
        interval_s=_number(os.environ.get("OTEL_BSP_SCHEDULE_DELAY"), FLUSH_INTERVAL_S * 1e3) / 1e3,
        heartbeat_s=HEARTBEAT_S if heartbeat_s is None else heartbeat_s,
        exit_timeout_s=EXIT_TIMEOUT_S if exit_timeout_s is None else exit_timeout_s,
    )


def is_switched_off() -> bool:
    """Whether OpenTelemetry's own variables say that nothing is to be sent."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"


def _otlp(name: str) -> str | None:
    """A variable of the exporter: that of traces, else that of all signals; empty ones count as unset."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") or None


def _protocol(stated: Protocol | None) -> Protocol:
    named = (_otlp("PROTOCOL") or "").strip().lower()
    if named:
        return "grpc" if named == "grpc" else "http"
    return stated or "http"


def _url(protocol: Protocol, endpoint: str | None) -> str:
    own = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if own and protocol == "http":
        return own
    base = own or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or endpoint or os.environ.get("STEPWELL_ENDPOINT")
    base = (base or DEFAULT_ENDPOINTS[protocol]).strip()
    if "://" not in base:
        base = f"http://{base}"
    if protocol == "grpc" or urlsplit(base).path.endswith(TRACES_PATH):
        return base
    return base.rstrip("/") + TRACES_PATH


def _headers(api_key: str | None) -> dict[str, str]:
    """The headers of the environment; the key joins them unless they already hold one."""
    found: dict[str, str] = {}
    for pair in (_otlp("HEADERS") or "").split(","):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            found[unquote(name).strip().lower()] = unquote(value).strip()
    key = api_key or os.environ.get("STEPWELL_API_KEY")
    if key and not found.keys() & {KEY_HEADER, "authorization"}:
        found[KEY_HEADER] = key
    return found


def _number(text: str | None, default: float) -> float:
    """The number that a variable holds; the default where it holds none."""
    try:
        value = float(text) if text else default
    except ValueError:
        return default
    return value if 0 <= value < 1e12 else default
