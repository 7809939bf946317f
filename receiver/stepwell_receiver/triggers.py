"""What started a run, as far as one span tells: our own attributes, else OpenTelemetry's server, messaging, function,
job and command conventions (specification, ``trigger_type`` and ``trigger_source``).

The fold looks at a run's top span and the spans above it, so that a request served inside a run is not its trigger.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from stepwell.semconv import RECOVERY_ID, RECOVERY_OF, TRIGGER_SOURCE, TRIGGER_TYPE
from stepwell_receiver import values
from stepwell_receiver.fields import Fields
from stepwell_receiver.shapes import Shape
from stepwell_receiver.wire import KIND_CLIENT, KIND_CONSUMER, KIND_SERVER, Attributes, Span, Value
from stepwell_storage.model import Role

TYPES: Final = frozenset(("manual", "scheduled", "webhook", "api"))

_HOOK: Final = re.compile(r"(?:^|[/_.-])(?:web)?hooks?(?:[/_.-]|$)", re.I)
_HOOK_SENDER: Final = re.compile(r"hook", re.I)
_SCHEDULER: Final = re.compile(r"\bcron|scheduler", re.I)
_SCHEDULE: Final = re.compile(r"^(?:cron(?:job)?|scheduled?|scheduler)(?:[ :/._-]|$)", re.I)
_FUNCTION_TRIGGERS: Final[Mapping[str, str]] = {
    "http": "api",
    "timer": "scheduled",
    "pubsub": "webhook",
    "datasource": "webhook",
}
_METHOD: Final = ("http.request.method", "http.method")
_ROUTE: Final = ("http.route", "url.path", "http.target")
_DESTINATION: Final = ("messaging.destination.name", "messaging.destination")
_COMMAND: Final = ("process.command_line", "process.command_args", "process.command")
_SENDER: Final = ("user_agent.original", "http.user_agent")
_JOB: Final = ("faas.cron", "job.system")
_MESSAGE: Final = ("messaging.operation.type", "messaging.operation", "messaging.operation.name")
_PROCESSING: Final = frozenset(("process", "deliver"))
_KEPT: Final = (
    *_METHOD,
    *_ROUTE,
    *_DESTINATION,
    *_COMMAND,
    "rpc.service",
    "rpc.method",
    "messaging.system",
    "faas.trigger",
    *_SENDER,
    *_JOB,
    "celery.task_name",
    "process.executable.name",
    "k8s.cronjob.name",
)

_TELLING: Final = frozenset(
    (TRIGGER_TYPE, TRIGGER_SOURCE, RECOVERY_OF, "faas.trigger", *_MESSAGE, *_JOB, *_COMMAND, "process.exit.code")
)
"""Attributes without which only a span's kind, its name or its resource tell a trigger."""
_SERVING: Final = frozenset((KIND_SERVER, KIND_CONSUMER))

_STARTED_BY: Final = frozenset((Role.OTHER, Role.AGENT, Role.WORKFLOW, Role.CHAIN))
"""Roles of spans that a trigger may be, or that it starts."""

Trigger = tuple[str | None, str | None]


def of_span(span: Span, fields: Fields, role: Role, resource: Attributes) -> Trigger:
    """(type, source as JSON); what the span itself states wins over what its kind implies.

    A model or tool call implies nothing: what serves it, or the command that it runs, starts no run. Where neither
    `may_tell` nor `is_of_job` holds, there is none.
    """
    kind, source = _told(span, fields, role, resource)
    recovered = values.as_text(span.attributes.get(RECOVERY_OF))
    if not recovered:
        return kind, source
    return kind or "webhook", _recovering(source, recovered, values.as_text(span.attributes.get(RECOVERY_ID)))


def _recovering(source: str | None, recovered: str, recovery_id: str | None) -> str | None:
    """The source with the run that is recovered; one that is no object stands beside it, as ``source``."""
    try:
        told = None if source is None else orjson.loads(source)
    except orjson.JSONDecodeError:  # nested deeper than is read here
        told = source
    fields = told if isinstance(told, dict) else {} if told is None else {"source": told}
    fields = {**fields, "recovery_of": recovered.lower()}
    return values.as_json(fields if recovery_id is None else {**fields, "recovery_id": recovery_id})


def _told(span: Span, fields: Fields, role: Role, resource: Attributes) -> Trigger:
    stated = (fields.text("trigger_type") or "").lower()
    stated_type = stated if stated in TYPES else None
    stated_source = fields.json("trigger_source")
    if stated_type and stated_source:
        return stated_type, stated_source
    implied_type, told = _implied(span, resource) if role in _STARTED_BY else (None, span.attributes)
    source = values.as_json({key: told[key] for key in _KEPT if key in told}) if implied_type else None
    return stated_type or implied_type, stated_source or source


def may_tell(span: Span, shape: Shape, role: Role) -> bool:
    """Whether a span's attributes, kind or name may tell a trigger. If you change `_implied`, also change this."""
    if shape.has_any(_TELLING):
        return True
    return role in _STARTED_BY and (span.kind in _SERVING or _SCHEDULE.match(span.name) is not None)


def is_of_job(resource: Attributes) -> bool:
    """Whether a resource tells a trigger of its spans. If you change `_implied`, also change this."""
    return "k8s.cronjob.name" in resource


def _implied(span: Span, resource: Attributes) -> tuple[str | None, Mapping[str, Value]]:
    attributes = span.attributes
    function = _FUNCTION_TRIGGERS.get(values.as_text(attributes.get("faas.trigger")) or "")
    if function:
        return function, attributes
    if span.kind == KIND_SERVER:
        return _of_request(span), attributes
    if span.kind == KIND_CONSUMER or values.as_text(values.first(attributes, _MESSAGE)) in _PROCESSING:
        return "webhook", attributes
    if is_of_job(resource):
        return "scheduled", resource
    if values.first(attributes, _JOB) is not None or _SCHEDULE.match(span.name):
        return "scheduled", attributes
    if span.kind != KIND_CLIENT and values.first(attributes, (*_COMMAND, "process.exit.code")) is not None:
        return "manual", attributes
    return None, attributes


def _of_request(span: Span) -> str:
    """A request is the API's, unless its route or its sender is a web hook's, or its sender a scheduler."""
    sender = values.as_text(values.first(span.attributes, _SENDER)) or ""
    route = values.as_text(values.first(span.attributes, _ROUTE)) or span.name
    if _SCHEDULER.search(sender):
        return "scheduled"
    return "webhook" if _HOOK.search(route) or _HOOK_SENDER.search(sender) else "api"
