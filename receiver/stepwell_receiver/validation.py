"""What makes a span or a log record unfit to be stored, and the exact account of it for the sender.

Little does: a span needs ids to be identified by and times that a timestamp can hold. What is merely odd (an end
before its start, no times at all, clocks far off) is kept; `mapping` mends and flags it. A log record needs its span.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from stepwell_receiver.wire import LogRecord, LogRequest, Span, TraceRequest

MAX_DEPTH: Final = 32
"""Arrays and lists within one attribute value; what lies deeper is replaced by `TOO_DEEP`."""
TOO_DEEP: Final = "[nested too deeply]"

NO_SPAN_CONTEXT: Final = "no_span_context"
"""A log record that was written outside any span; what else may be wrong with one is among the reasons of spans."""
NOT_STORED: Final = "not_stored"
"""A metric: the ledger's word for what is acknowledged but not kept."""

_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8
_NO_PARENT: Final = bytes(_SPAN_ID_BYTES)
END_OF_TIME_NS: Final = 1 << 64
"""OTLP's times are unsigned 64-bit nanoseconds, up to the year 2554; only JSON can hold others."""


class Reason(StrEnum):
    """Why a span was not stored; the label of ``stepwell_spans_rejected_total``."""

    MALFORMED = "malformed"
    INVALID_TRACE_ID = "invalid_trace_id"
    INVALID_SPAN_ID = "invalid_span_id"
    INVALID_PARENT_SPAN_ID = "invalid_parent_span_id"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    TOO_OLD = "too_old"
    """Said by the database's side of the commit, as is the next."""
    UNSTORABLE = "unstorable"
    INTERNAL_ERROR = "internal_error"
    """Counted only: the request was answered with an error of ours that its sender will not repeat."""


EXPLANATIONS: Final[Mapping[str, str]] = {
    Reason.MALFORMED: "that cannot be decoded",
    Reason.INVALID_TRACE_ID: "with an invalid trace id (16 bytes, not all zero)",
    Reason.INVALID_SPAN_ID: "with an invalid span id (8 bytes, not all zero)",
    Reason.INVALID_PARENT_SPAN_ID: "with an invalid parent span id (8 bytes or none)",
    Reason.TIMESTAMP_OUT_OF_RANGE: "with a timestamp out of range (nanoseconds since 1970 in 64 bits)",
    Reason.TOO_OLD: "from before what the workspace still keeps (`stepwell retention show`)",
    Reason.UNSTORABLE: "that the database cannot hold",
    NO_SPAN_CONTEXT: "without a span context (Stepwell keeps the logs of spans)",
}


def reject_invalid(request: TraceRequest) -> None:
    """Moves the invalid spans of `request` from their groups to its account of rejected ones."""
    for group in request.groups:
        reasons = Counter(reason for span in group.spans if (reason := _reason_against(span)))
        if reasons:
            request.rejected.update(reasons)
            group.spans = [span for span in group.spans if _reason_against(span) is None]


def _reason_against(span: Span) -> Reason | None:
    if len(span.trace_id) != _TRACE_ID_BYTES or not any(span.trace_id):
        return Reason.INVALID_TRACE_ID
    if len(span.span_id) != _SPAN_ID_BYTES or not any(span.span_id):
        return Reason.INVALID_SPAN_ID
    if span.parent_span_id == _NO_PARENT:
        # Some exporters write a root's missing parent as zeros.
        span.parent_span_id = b""
    if len(span.parent_span_id) not in (0, _SPAN_ID_BYTES):
        return Reason.INVALID_PARENT_SPAN_ID
    if not (0 <= span.start_ns < END_OF_TIME_NS and 0 <= span.end_ns < END_OF_TIME_NS):
        return Reason.TIMESTAMP_OUT_OF_RANGE
    return None


def reject_invalid_logs(request: LogRequest) -> None:
    """Moves the invalid records of `request` to its account of rejected ones."""
    reasons = [_reason_against_log(record) for record in request.records]
    if any(reasons):
        request.rejected.update(reason for reason in reasons if reason)
        request.records = [record for record, reason in zip(request.records, reasons, strict=True) if reason is None]


def _reason_against_log(record: LogRecord) -> str | None:
    if not (any(record.trace_id) and any(record.span_id)):
        return NO_SPAN_CONTEXT
    if len(record.trace_id) != _TRACE_ID_BYTES:
        return Reason.INVALID_TRACE_ID
    if len(record.span_id) != _SPAN_ID_BYTES:
        return Reason.INVALID_SPAN_ID
    if not (0 <= record.time_ns < END_OF_TIME_NS and 0 <= record.observed_ns < END_OF_TIME_NS):
        return Reason.TIMESTAMP_OUT_OF_RANGE
    return None


def rejection_message(rejected: Mapping[str, int], item: str = "span") -> str:
    """Names the rejected items with exact counts; its length is bounded by the number of reasons."""
    if not rejected:
        return ""
    parts = [f"{rejected[reason]} {EXPLANATIONS.get(reason, reason)}" for reason in sorted(rejected)]
    count = sum(rejected.values())
    return f"{count} {item}{' was' if count == 1 else 's were'} not stored: {'; '.join(parts)}"
