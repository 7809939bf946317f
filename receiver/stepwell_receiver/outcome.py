"""How a span ended: status, error type and message, from its status, attributes and exception events."""

import re
from typing import Final, NamedTuple

from stepwell_receiver import returned, values
from stepwell_receiver.wire import STATUS_ERROR, STATUS_OK, Attributes, Span, Value
from stepwell_storage.model import Status

_CANCELLED: Final = re.compile(r"cancel|Interrupt(?:Exception|ed)?$|GeneratorExit|abort", re.I)
"""An interrupt, a person's or a graph's that waits for one, stops the work: it neither failed nor succeeded."""
_HANDED_UP: Final = re.compile(r"^(?:CancelledError|\w*Interrupt)$")
_TIMEOUT: Final = re.compile(r"time[d_ ]*-?out|deadline", re.I)
_BARE_WORD: Final = re.compile(r"^(?:\w+ ){0,3}(?:cancell?ed|timed?[ -]?out|abort(?:ed)?)\.?$", re.I)
_TYPED_MESSAGE: Final = re.compile(
    r"^(?P<type>[A-Za-z_][\w.]*?(?:Error|Exception|Timeout|Interrupt|Cancelled|Retry|Exit|Tripwire\w*))\s*(?:[:(]\s*(?P<rest>.*))?$",
    re.S,
)
_JAVASCRIPT_STACK: Final = re.compile(r"(?:^|\n)(?P<type>(?:[A-Z]\w*)?(?:Error|Exception))(?:: [^\n]*)?\n\s+at ")
_SAYS_NOTHING: Final = frozenset(("Error", "Exception"))
_TRACEBACK: Final = "Traceback (most recent call last)"
_CANCELLATIONS: Final = ("strands.cancellation.type", "cancellation.type")
"""What instrumentations that leave the status of a cancelled span unset write instead: the exception's class."""
_NO_TYPES: Final = frozenset(("_OTHER", ""))
_MAX_MESSAGE_CHARACTERS: Final = 16_384


class Outcome(NamedTuple):
    """A span's end. `error_type` is a short class name; all ``None`` where nothing went wrong."""

    status: Status
    error_type: str | None = None
    error_message: str | None = None
    error_json: str | None = None


SUCCESS: Final = Outcome(Status.SUCCESS)
RUNNING: Final = Outcome(Status.RUNNING)


def succeeds(span: Span, told: Attributes) -> bool:
    """Whether a span that has ended did so well, which the texts in its events do not change; see `of_span`."""
    return not any(event.name == "exception" for event in span.events) and not _went_wrong(span, told, None)


def of_span(span: Span, told: Attributes, *, is_live: bool) -> Outcome:
    """No success: status ERROR, a tool's own error status, or on an unset status an error type or an exception.

    Args:
        span: the span.
        told: its attributes and those that its dialect derives from them.
        is_live: whether it was only started.
    """
    if is_live:
        return RUNNING
    exception = _last_exception(span) if span.events else None
    if not _went_wrong(span, told, exception):
        return SUCCESS
    error_type, message = _error_of(span, told, exception)
    return Outcome(
        status=_status_of(error_type, message),
        error_type=error_type,
        error_message=message,
        error_json=_error_json(error_type, message, exception),
    )


def of_tool(outcome: Outcome, output_json: str | None) -> Outcome:
    """The outcome of a tool's span, which may end well although the tool returned an error; that fills what is open.

    Of a failure whose class nothing tells it is said at least that it is a tool's.
    """
    if outcome.status not in (Status.SUCCESS, Status.FAILED) or (outcome.error_type and outcome.error_message):
        return outcome
    found = returned.error_in(output_json)
    if found is None and outcome.status is Status.FAILED and outcome.error_type is None:
        found = returned.ERROR_TYPE, None
    if found is None:
        return outcome
    error_type, message = outcome.error_type or found[0], outcome.error_message or _trimmed(found[1])
    return Outcome(Status.FAILED, _short(error_type), message, _error_json(error_type, message, None))


def _went_wrong(span: Span, told: Attributes, exception: Attributes | None) -> bool:
    if span.status_code == STATUS_ERROR or told.get("gen_ai.tool.status") == "error":
        return True
    if span.status_code == STATUS_OK:
        return _was_cancelled(exception)
    stated = values.as_text(values.first(span.attributes, ("error.type", *_CANCELLATIONS)))
    return exception is not None or stated not in (None, "_OTHER")


def _was_cancelled(exception: Attributes | None) -> bool:
    """Whether a cancellation or an interrupt passed through the span: nobody handles one, though OK may be said."""
    raised = values.as_text((exception or {}).get("exception.type")) or ""
    return _HANDED_UP.match(raised.rpartition(".")[2]) is not None


def _last_exception(span: Span) -> Attributes | None:
    for event in reversed(span.events):
        if event.name == "exception":
            return event.attributes
    return None


def _error_of(span: Span, told: Attributes, exception: Attributes | None) -> tuple[str | None, str | None]:
    """(type, message): the exception's own, else the error attributes, else what the status message spells out."""
    raised = exception or {}
    message = values.as_text(raised.get("exception.message")) or span.status_message.strip() or None
    message = message or values.as_text(values.first(told, ("error.message", "exception.message")))
    error_type = values.as_text(raised.get("exception.type"))
    if error_type in (None, "_OTHER"):
        error_type = values.as_text(values.first(span.attributes, ("error.type", "exception.type", *_CANCELLATIONS)))
    if (error_type or "") in _NO_TYPES:
        error_type = _spelled_type(message) if message else None
    return _short(error_type), _trimmed(message)


def _spelled_type(message: str) -> str | None:
    """The class that a message begins with, or that a JavaScript stack in it does."""
    spelled = _TYPED_MESSAGE.match(message.partition(_TRACEBACK)[0].strip())
    spelled = spelled or _JAVASCRIPT_STACK.search(message[:_MAX_MESSAGE_CHARACTERS])
    return spelled["type"] if spelled else None


def _short(error_type: str | None) -> str | None:
    """``openai.error.RateLimitError`` → ``RateLimitError``, printed classes likewise; codes stay as they are."""
    if not error_type:
        return None
    error_type = error_type.removeprefix("<class '").removesuffix("'>")
    head, _, tail = error_type.rpartition(".")
    return (tail if head and tail.isidentifier() else error_type)[:200]


def _trimmed(message: str | None) -> str | None:
    """The message without the traceback or stack that some instrumentations append."""
    if message is None:
        return None
    stack = _JAVASCRIPT_STACK.search(message[:_MAX_MESSAGE_CHARACTERS])
    head = message.partition(_TRACEBACK)[0].strip()
    head = (message[: stack.start()].strip() if stack else "") or head
    return (head or message)[:_MAX_MESSAGE_CHARACTERS]


def _status_of(error_type: str | None, message: str | None) -> Status:
    named = None if error_type in _SAYS_NOTHING else error_type
    told = named or ((message or "") if _BARE_WORD.match(message or "") else "")
    if _CANCELLED.search(told):
        return Status.CANCELLED
    return Status.TIMEOUT if _TIMEOUT.search(told) else Status.FAILED


def _error_json(error_type: str | None, message: str | None, exception: Attributes | None) -> str:
    stack: Value = (exception or {}).get("exception.stacktrace")
    told: dict[str, Value] = {"type": error_type, "message": message, "stacktrace": stack}
    return values.as_json({key: value for key, value in told.items() if value is not None})
