"""The receiver's errors, and the one table that says what each means to a client (OTLP specification, "Failures").

`http` and `grpc` answer by this table alone, so that both transports agree on what is permanent and what to retry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.rpc import code_pb2

from stepwell_storage.errors import DatabaseUnavailableError, QueueFullError


class ReceiverError(Exception):
    """Base of all errors that the receiver raises itself."""


class MalformedBodyError(ReceiverError):
    """The body cannot be read as what its headers say it is; sending it again cannot help."""


class WrongSignalError(MalformedBodyError):
    """The body holds another signal than the path takes; the message names the right path."""


class BodyTooLargeError(ReceiverError):
    """The body exceeds a bound, on the wire or decompressed."""


class UnsupportedMediaTypeError(ReceiverError):
    """The content type is neither of the two that OTLP/HTTP knows."""


class UnsupportedEncodingError(ReceiverError):
    """The content encoding is none that the receiver can undo."""


class UnauthenticatedError(ReceiverError):
    """No key, or one that does not open any workspace for ingest."""


class OverloadedError(ReceiverError):
    """More bodies are being read than may be held in memory; try again a little later."""


class PortTakenError(ReceiverError):
    """A port or an address to listen on cannot be had; the message names it and the mend."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error is to a client. `grpc_code` is a ``google.rpc.Code``."""

    grpc_code: int
    http_status: int
    is_retryable: bool
    reason: str
    """The word under which refused requests are counted."""


MEANINGS: Final[Mapping[type[Exception], Meaning]] = {
    MalformedBodyError: Meaning(code_pb2.INVALID_ARGUMENT, 400, False, "malformed"),
    UnauthenticatedError: Meaning(code_pb2.UNAUTHENTICATED, 401, False, "unauthenticated"),
    BodyTooLargeError: Meaning(code_pb2.RESOURCE_EXHAUSTED, 413, False, "too_large"),
    UnsupportedMediaTypeError: Meaning(code_pb2.INVALID_ARGUMENT, 415, False, "unsupported_media_type"),
    UnsupportedEncodingError: Meaning(code_pb2.UNIMPLEMENTED, 415, False, "unsupported_encoding"),
    OverloadedError: Meaning(code_pb2.UNAVAILABLE, 503, True, "overloaded"),
    QueueFullError: Meaning(code_pb2.UNAVAILABLE, 503, True, "queue_full"),
    DatabaseUnavailableError: Meaning(code_pb2.UNAVAILABLE, 503, True, "database_unavailable"),
}
UNEXPECTED: Final = Meaning(code_pb2.INTERNAL, 500, False, "internal_error")


def meaning_of(error: Exception) -> Meaning:
    """The table's row for `error` or its nearest base class; `UNEXPECTED` for what stands in no row."""
    for kind in type(error).__mro__:
        if kind in MEANINGS:
            return MEANINGS[kind]
    return UNEXPECTED


def retry_after_s(error: Exception) -> float | None:
    """How long a client should wait before it sends again; ``None`` where it should not."""
    if not meaning_of(error).is_retryable:
        return None
    return float(getattr(error, "retry_after_s", 1.0))
