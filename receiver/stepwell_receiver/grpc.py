"""OTLP/gRPC: the Export calls of all three services, on raw bytes, through the same `Ingest` as HTTP.

gRPC's own decompression is switched off: up to grpcio 1.84 it has no bound at all, and later ones have one for each
message only, so that many at once fill the memory. Compressed messages then arrive as they are on the wire, and take
the same bounded way as HTTP's.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import Message

from stepwell_receiver import status
from stepwell_receiver.bodies import GZIP_MAGIC, has_zlib_header, within_patience
from stepwell_receiver.errors import UNEXPECTED, PortTakenError, meaning_of
from stepwell_receiver.ingest import Body, Ingest, observed
from stepwell_receiver.listening import address_of, claim
from stepwell_receiver.signals import SIGNALS, Signal
from stepwell_receiver.tls import Certificates

_log: Final = logging.getLogger(__name__)
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""On the wire, where HTTP tells sizes before and gRPC does not: so much times `MESSAGES_AT_ONCE` may arrive."""
_MAX_STREAMS: Final = 100
"""Calls of one connection at a time; each that waits holds some 64 KB."""
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

_Context = grpc.aio.ServicerContext[bytes, bytes]
_Handler = Callable[[AsyncIterator[bytes], _Context], Awaitable[bytes]]


def make_server(ingest: Ingest, *, shares_port: bool = False) -> grpc.aio.Server:
    """A server with the three services, without a port yet; `shares_port` as in `listening.claim`."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", min(ingest.max_body_bytes, MAX_MESSAGE_BYTES)),
            ("grpc.max_concurrent_streams", _MAX_STREAMS),
            # Else a connection's window grows with its speed, and messages arrive that nobody has asked for yet.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.per_message_decompression", 0),
            # Two receivers on one port share its calls; unless that is meant, the second shall fail instead.
            ("grpc.so_reuseport", int(shares_port)),
        ]
    )
    server.add_generic_rpc_handlers([_service(ingest, signal) for signal in SIGNALS])
    return server


def _service(ingest: Ingest, signal: Signal) -> grpc.GenericRpcHandler:
    # Without (de)serializers the handler gets and gives the messages' bytes. On the wire a call with one message is
    # the same as one with a stream of them, but of a stream the handler says when a message may come.
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(_handler(ingest, signal))
    return grpc.method_handlers_generic_handler(signal.grpc_service, {"Export": method})


def _handler(ingest: Ingest, signal: Signal) -> _Handler:
    async def export(_: AsyncIterator[bytes], context: _Context) -> bytes:
        try:
            with observed(signal, "grpc"):
                response = await _answer(ingest, signal, context)
        except Exception as error:
            await _abort(context, error)
        return response.SerializeToString()

    return export


async def _answer(ingest: Ingest, signal: Signal, context: _Context) -> Message:
    headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    sender = await ingest.sender_of(headers)
    with ingest.refusals_noted(signal, sender), ingest.read_budget.reader(sender.key_id) as charge:
        # Until it is asked for, a message waits with its sender.
        async with ingest.arrivals.slot(sender.workspace_id), within_patience():
            request = await _message(context)
        charge(len(request))
        return await ingest.take(signal, sender, Body(request, encoding=_encoding_of(request)))


async def _message(context: _Context) -> bytes:
    """The call's message; the iterator that the handler is given would hold on to it after the call."""
    message = await context.read()
    return message if isinstance(message, bytes) else b""


def _encoding_of(message: bytes) -> str:
    """How a message is compressed: core keeps the header that says so to itself, but the first bytes tell.

    A gzip stream starts with what is no protobuf, a zlib stream (gRPC's ``deflate``) with a field number that no export
    request has.
    """
    if message.startswith(GZIP_MAGIC):
        return "gzip"
    return "deflate" if has_zlib_header(message) else "identity"


async def _abort(context: _Context, error: Exception) -> NoReturn:
    if meaning_of(error) is UNEXPECTED:
        _log.error("A call failed unexpectedly", exc_info=error)
    # gRPC keeps the error for as long as the call, and with its frames the whole message.
    error.__traceback__ = error.__cause__ = error.__context__ = None
    told = status.failure(error)
    trailers = [("grpc-status-details-bin", told.SerializeToString())]
    if (retry := status.retry_info(error)) is not None:
        # OpenTelemetry's exporter for Python looks for the delay here and not in the status.
        trailers.append(("google.rpc.retryinfo-bin", retry.SerializeToString()))
    await context.abort(_CODES[told.code], told.message, trailing_metadata=tuple(trailers))


def listen(
    server: grpc.aio.Server,
    host: str,
    port: int,
    option: str,
    *,
    is_shared: bool = False,
    certificates: Certificates | None = None,
) -> str:
    """Gives `server` its port, 0 picks a free one; returns its address as ``host:port``.

    `is_shared` as for `make_server`.

    Raises:
        PortTakenError: the port or the address cannot be had.
    """
    # gRPC binds for itself and does not say why it cannot; a socket of ours does, and tells which address is meant.
    with claim(host, port, option, is_shared=is_shared) as probe:
        address = address_of(probe)
    if port == 0:
        address = address.removesuffix(address.rpartition(":")[2]) + "0"
    try:
        if certificates is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, certificates.for_grpc())
    except RuntimeError as error:
        raise PortTakenError(f"gRPC cannot listen on {address}: {error}; choose another with {option}") from error
    return f"{address.rpartition(':')[0]}:{bound}"
