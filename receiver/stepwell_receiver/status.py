"""What the receiver answers: OTLP responses and ``google.rpc.Status``, in the request's encoding.

OTLP specification, "OTLP/HTTP Response" and "OTLP/gRPC Response": a full success leaves partial_success unset; an
error carries a Status, with BadRequest details where the data is at fault and RetryInfo where to send it again.
"""

import math
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from stepwell_receiver.bodies import MediaType
from stepwell_receiver.errors import UNEXPECTED, MalformedBodyError, meaning_of, retry_after_s
from stepwell_receiver.signals import Signal

MAX_MESSAGE_CHARACTERS: Final = 2_000


def success(signal: Signal, *, rejected: int = 0, message: str = "") -> Message:
    """The response to a request that was taken; a message with nothing rejected is a warning."""
    response = signal.response()
    if rejected or message:
        partial = response.partial_success  # type: ignore[attr-defined]
        setattr(partial, signal.rejected_field, rejected)
        partial.error_message = _bounded(message)
    return response


def failure(error: Exception) -> Status:
    """The Status that tells a client of `error`; of an unexpected one it says no details."""
    meaning = meaning_of(error)
    message = "Internal error; the receiver's log has the details" if meaning is UNEXPECTED else _bounded(str(error))
    status = Status(code=meaning.grpc_code, message=message)
    if isinstance(error, MalformedBodyError):
        violation = BadRequest.FieldViolation(field="body", description=message)
        status.details.add().Pack(BadRequest(field_violations=[violation]))
    if (retry := retry_info(error)) is not None:
        status.details.add().Pack(retry)
    return status


def retry_info(error: Exception) -> RetryInfo | None:
    """When to send again; ``None`` where that cannot help."""
    if (delay_s := retry_after_s(error)) is None:
        return None
    retry = RetryInfo()
    retry.retry_delay.FromNanoseconds(round(delay_s * 1e9))
    return retry


def encode(message: Message, media_type: MediaType) -> bytes:
    """A response's body."""
    if media_type is MediaType.JSON:
        return json_format.MessageToJson(message, indent=None).encode()
    return message.SerializeToString()


def retry_after_header(error: Exception) -> dict[str, str]:
    """``Retry-After`` in whole seconds, at least one, where sending again can help."""
    delay_s = retry_after_s(error)
    return {} if delay_s is None else {"retry-after": str(max(1, math.ceil(delay_s)))}


def _bounded(message: str) -> str:
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return message[: MAX_MESSAGE_CHARACTERS - 1] + "…"
