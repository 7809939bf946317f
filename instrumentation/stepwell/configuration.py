"""``stepwell.configure()``: from then on this process reports its agents to Stepwell.

Where the process has an OpenTelemetry SDK already, its provider gets our processor and keeps everything else; where it
has none, it gets one. A second call changes what it names and leaves the rest.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from stepwell import environment, notices, redaction, resources, runtime, threads
from stepwell.environment import Protocol
from stepwell.redaction import Filter, Level

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from stepwell.ending import Ending
    from stepwell.exporting import Exporter
    from stepwell.outgoing import Outgoing

_DEFAULT_LEVEL: Final[Level] = "redacted"
_LEVELS: Final[tuple[Level, ...]] = ("full", "redacted", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `configure` was told; ``None`` where nothing was said."""

    endpoint: str | None = None
    """Base address of the OTLP receiver; ``http://127.0.0.1:4318`` without one."""
    api_key: str | None = None
    """Of the workspace."""
    service_name: str | None = None
    """Of the resource; without one, the script's name."""
    environment: str | None = None
    """``production``, ``staging``, ``development`` or a word of your own."""
    version: str | None = None
    """Of the service."""
    protocol: Protocol | None = None
    """``http``, or ``grpc`` with the extra ``stepwell[grpc]``."""
    capture: Level | None = None
    """``redacted`` (the default) reports inputs, outputs and messages with credentials masked, ``full`` reports them as
    they are, ``off`` none of them."""
    redact_keys: Iterable[str] | None = None
    """Further names whose values are masked, at every level."""
    redact_patterns: Iterable[str | re.Pattern[str]] | None = None
    """Regular expressions; what they find in texts is masked, at every level."""
    redact: Filter | None = None
    """Called with key and value of every attribute that is to leave; gives the value to send, or ``None``."""
    max_attribute_bytes: int | None = None
    """Longer values are cut, with a marker; 65,536 unless told."""
    resource_attributes: Mapping[str, str] | None = None
    """Further attributes of the resource."""
    threads: bool | None = None
    """Whether new threads and tasks of thread pools run in the current step; yes unless told."""
    count_http: bool | None = None
    """Whether the HTTP requests of a run are counted; yes unless told."""
    heartbeat_s: float | None = None
    """How often a run that goes on gives a sign of life."""
    exit_timeout_s: float | None = None
    """How long the end of the process waits for the backend, at most."""
    max_buffered_bytes: int | None = None
    """How much is kept while the backend is away."""

    def __post_init__(self) -> None:
        """Keeps what may be iterated over once alone."""
        for name in ("redact_keys", "redact_patterns"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, tuple(given))


class Client:
    """What reports this process; `configure` makes one, and gives the same one again."""

    def __init__(self, settings: Settings) -> None:
        from stepwell.ending import Ending
        from stepwell.exporting import Exporter

        self._settings = settings
        self._exporter: Exporter = Exporter(_connect(settings), _outgoing(settings), _pace(settings))
        self._ending: Ending = Ending(self._flush_finally, self)
        self._provider: TracerProvider = _provider(settings)
        self._is_joined = False

    def start(self) -> None:
        """Puts everything in place."""
        self._provider.add_span_processor(self.processor())
        self._set_runtime()
        self._ending.listen()
        _install(self._settings)

    def follow(self, settings: Settings) -> None:
        """Goes on with other settings."""
        if settings == self._settings:
            return
        self._settings = settings
        self._exporter.retarget(_connect(settings), _outgoing(settings), _pace(settings))
        self._set_runtime()
        _install(settings)

    @property
    def settings(self) -> Settings:
        """What all calls of `configure` said together."""
        return self._settings

    def processor(self) -> SpanProcessor:
        """One more processor, by which the spans of another tracer provider in this process are reported too."""
        from stepwell.live import LiveSpanProcessor

        return LiveSpanProcessor(self._exporter)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until everything that has ended is with the backend; whether it is, in time."""
        return self._exporter.flush(timeout_s)

    def shutdown(self) -> None:
        """Sends what is left and stops reporting; functions that are decorated go on as if they were not."""
        self._flush_finally()
        self._ending.stop()
        self._exporter.close()
        threads.uninstall()
        runtime.use(runtime.Runtime())

    def _set_runtime(self) -> None:
        from stepwell import spans

        settings = self._settings
        runtime.use(
            runtime.Runtime(
                level=_level(settings),
                redaction=_redaction(settings),
                max_attribute_bytes=_max_attribute_bytes(settings),
                start=spans.starter(self._provider.get_tracer(runtime.SCOPE, _own_version())),
                is_bound=True,
                touch=self._exporter.touch,
            )
        )

    def _flush_finally(self) -> None:
        self._exporter.flush(self._exporter.pace.exit_timeout_s, is_final=True)

    def hold(self) -> None:
        """Gets ready for a fork."""
        self._exporter.hold()

    def release(self) -> None:
        """Goes on in the parent of a fork."""
        self._exporter.release()

    def forget(self) -> None:
        """Starts anew in the child of a fork."""
        resources.forget()
        self._exporter.forget()


_client: Client | None = None


def configure(
    endpoint: str | None = None,
    api_key: str | None = None,
    *,
    service_name: str | None = None,
    environment: str | None = None,
    version: str | None = None,
    protocol: Protocol | None = None,
    capture: Level | None = None,
    redact_keys: Iterable[str] | None = None,
    redact_patterns: Iterable[str | re.Pattern[str]] | None = None,
    redact: Filter | None = None,
    max_attribute_bytes: int | None = None,
    resource_attributes: Mapping[str, str] | None = None,
    threads: bool | None = None,
    count_http: bool | None = None,
    heartbeat_s: float | None = None,
    exit_timeout_s: float | None = None,
    max_buffered_bytes: int | None = None,
) -> Client | None:
    """Reports this process' agents and steps, and the spans of all other instrumentations in it.

    The arguments are those of `Settings`. OpenTelemetry's variables (``OTEL_EXPORTER_OTLP_*``, ``OTEL_SERVICE_NAME``,
    ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_BSP_*``, …) win over them, they win over ``STEPWELL_ENDPOINT`` and
    ``STEPWELL_API_KEY``. May be called again; what is not named then stays as it is.

    Returns:
        The client; ``None`` where OpenTelemetry's variables switch reporting off, or where it cannot be set up, which
        is logged.
    """
    return apply(Settings(**locals()))


def apply(given: Settings) -> Client | None:
    """`configure` with its arguments in one."""
    global _client
    if environment.is_switched_off():
        return None
    try:
        if _client is None:
            made = Client(given)
            made.start()
            _client = made
        else:
            _client.follow(_merged(_client.settings, given))
    except Exception as error:
        notices.count("not_configured", "Stepwell could not be set up, nothing is reported: %s", error)
        return None
    return _client


def flush(timeout_s: float = 10.0) -> bool:
    """Waits until everything that has ended is with the backend; whether it is, in time."""
    return _client is None or _client.flush(timeout_s)


def shutdown() -> None:
    """Sends what is left and stops reporting; `configure` begins anew."""
    global _client
    made, _client = _client, None
    if made is not None:
        made.shutdown()


def _merged(before: Settings, given: Settings) -> Settings:
    named = {field.name: getattr(given, field.name) for field in fields(Settings)}
    return replace(before, **{name: value for name, value in named.items() if value is not None})


def _connect(settings: Settings) -> Any:
    from stepwell.transport import transport_to

    target = environment.target(settings.endpoint, settings.api_key, settings.protocol)
    transport_to(target).close()  # tells at once what is not installed or cannot be read
    return lambda: transport_to(target)


def _pace(settings: Settings) -> environment.Pace:
    return environment.pace(
        exit_timeout_s=settings.exit_timeout_s,
        heartbeat_s=settings.heartbeat_s,
        max_buffered_bytes=settings.max_buffered_bytes,
    )


def _outgoing(settings: Settings) -> Outgoing:
    from stepwell.outgoing import Outgoing

    return Outgoing(_level(settings), _redaction(settings), _max_attribute_bytes(settings), _stated(settings))


def _level(settings: Settings) -> Level:
    """The level; a word that is none means ``off``, since it was meant to keep something back."""
    stated = settings.capture
    if stated is None or stated in _LEVELS:
        return stated or _DEFAULT_LEVEL
    notices.count("odd_settings", "capture is none of %s; nothing is captured", ", ".join(_LEVELS))
    return "off"


def _redaction(settings: Settings) -> redaction.Redaction:
    return redaction.rules(
        _level(settings),
        keys=settings.redact_keys or (),
        patterns=settings.redact_patterns or (),
        custom=settings.redact,
    )


def _max_attribute_bytes(settings: Settings) -> int:
    stated = settings.max_attribute_bytes
    return runtime.DEFAULT_MAX_ATTRIBUTE_BYTES if stated is None else max(stated, 0)


def _stated(settings: Settings) -> dict[str, str]:
    """Attributes of the resource that the arguments state."""
    stated = {
        **(settings.resource_attributes or {}),
        "service.name": settings.service_name,
        "service.version": settings.version,
        "deployment.environment.name": settings.environment,
    }
    return {key: value for key, value in stated.items() if value is not None}


def _provider(settings: Settings) -> TracerProvider:
    """The process' provider where it takes processors, else a new one, which becomes the process'."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    existing: Any = trace.get_tracer_provider()
    if hasattr(existing, "add_span_processor"):
        return existing  # type: ignore[no-any-return]
    named = OTELResourceDetector().detect().attributes
    stated = {**_script(), **_stated(settings)}
    resource = Resource.create({key: value for key, value in stated.items() if key not in named})
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    trace.set_tracer_provider(made)
    return made


def _script() -> dict[str, str]:
    """The name of the script as the service's; none where Python reads from elsewhere."""
    name = Path(sys.argv[0]).stem if sys.argv else ""
    return {"service.name": name} if name and not name.startswith("-") else {}


def _install(settings: Settings) -> None:
    from stepwell import calls

    if settings.threads is not False:
        threads.install()
    if settings.count_http is not False:
        calls.install()


def _own_version() -> str | None:
    """Of this library; ``None`` in a bundle that was made without the metadata of its packages."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("stepwell")
    except PackageNotFoundError:
        return None
