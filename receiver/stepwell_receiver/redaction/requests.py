"""Looks through decoded requests, in place; what many spans share is replaced, never changed."""

from stepwell_receiver.redaction.rules import Redactor
from stepwell_receiver.wire import LogRequest, Span, TraceRequest


def mask_traces(redactor: Redactor, request: TraceRequest) -> None:
    """Masks in all texts of a request: names, messages, attributes of spans, events, links, scopes and resources."""
    for group in request.groups:
        group.resource = redactor.attributes(group.resource)
        group.scope.attributes = redactor.attributes(group.scope.attributes)
        for span in group.spans:
            _mask_span(redactor, span)


def _mask_span(redactor: Redactor, span: Span) -> None:
    span.name = redactor.text(span.name)
    span.status_message = redactor.text(span.status_message)
    span.attributes = redactor.attributes(span.attributes)
    for event in span.events:
        event.name = redactor.text(event.name)
        event.attributes = redactor.attributes(event.attributes)
    for link in span.links:
        link.attributes = redactor.attributes(link.attributes)


def mask_logs(redactor: Redactor, request: LogRequest) -> None:
    """Masks in all texts of log records."""
    for record in request.records:
        record.event_name = redactor.text(record.event_name)
        record.severity_text = redactor.text(record.severity_text)
        record.body = redactor.value(record.body)
        record.attributes = redactor.attributes(record.attributes)
