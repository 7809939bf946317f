"""What started a run, as far as one span tells: our own attributes, else OpenTelemetry's server, messaging, function,
job and command conventions (specification, ``trigger_type`` and ``trigger_source``).

The fold looks at a run's top span and the spans above it, so that a request served inside a run is not its trigger.
"""

import re
from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.fields import Fields
from stepwell_receiver.wire import KIND_CONSUMER, KIND_SERVER, Attributes, Span, Value

TYPES: Final = frozenset(("manual", "scheduled", "webhook", "api"))

_HOOK: Final = re.compile(r"(?:^|[/_.-])(?:web)?hooks?(?:[/_.-]|$)", re.I)
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
_KEPT: Final = (
    *_METHOD,
    *_ROUTE,
    *_DESTINATION,
    *_COMMAND,
    "rpc.service",
    "rpc.method",
    "messaging.system",
    "faas.trigger",
    "faas.cron",
    "k8s.cronjob.name",
)

Trigger = tuple[str | None, str | None]


def of_span(span: Span, fields: Fields, resource: Attributes) -> Trigger:
    """(type, source as JSON); what the span itself states wins over what its kind implies."""
    stated = (fields.text("trigger_type") or "").lower()
    stated_type = stated if stated in TYPES else None
    stated_source = fields.json("trigger_source")
    if stated_type and stated_source:
        return stated_type, stated_source
    implied_type, told = _implied(span, resource)
    source = values.as_json({key: told[key] for key in _KEPT if key in told}) if implied_type else None
    return stated_type or implied_type, stated_source or source


def _implied(span: Span, resource: Attributes) -> tuple[str | None, Mapping[str, Value]]:
    attributes = span.attributes
    function = _FUNCTION_TRIGGERS.get(values.as_text(attributes.get("faas.trigger")) or "")
    if function:
        return function, attributes
    if span.kind == KIND_SERVER:
        route = values.as_text(values.first(attributes, _ROUTE)) or span.name
        return "webhook" if _HOOK.search(route) else "api", attributes
    if span.kind == KIND_CONSUMER and "messaging.system" in attributes:
        return "webhook", attributes
    if "k8s.cronjob.name" in resource:
        return "scheduled", resource
    if "faas.cron" in attributes or _SCHEDULE.match(span.name):
        return "scheduled", attributes
    if values.first(attributes, _COMMAND) is not None:
        return "manual", attributes
    return None, attributes
