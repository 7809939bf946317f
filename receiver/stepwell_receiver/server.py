"""The receiver as a server: OTLP over gRPC and HTTP, each on its own port, over one group commit."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from grpc import aio

from stepwell_receiver import grpc
from stepwell_receiver.http import make_app
from stepwell_receiver.ingest import Ingest
from stepwell_receiver.listening import GRACE_S, HttpServer, claim, url_of
from stepwell_receiver.redaction.workspaces import open_redactors
from stepwell_receiver.tls import certificates_of
from stepwell_storage.authentication import open_authenticator
from stepwell_storage.commit import Committer
from stepwell_storage.settings import Settings

_OBJECTS_PER_COLLECTION: Final = 20_000
HTTP_OPTION: Final = "--otlp-http-port"
GRPC_OPTION: Final = "--otlp-grpc-port"


async def serve(settings: Settings, *, started: Callable[[dict[str, str]], None], stop: asyncio.Event) -> None:
    """Serves until `stop`; then finishes the requests in flight, commits what was accepted, and returns.

    `started` gets the addresses, ``otlp_http`` as a URL and ``otlp_grpc`` as ``host:port``, once both answer.

    Raises:
        PortTakenError: one of the ports cannot be had.
        CertificateError: TLS is wanted with files that cannot be used.
    """
    _collect_seldom()
    certificates = certificates_of(settings, of_senders=True)
    # What is entered last ends first: the servers before the commit that their requests wait for.
    async with AsyncExitStack() as stack:
        is_shared = settings.receivers > 1
        listener = stack.enter_context(claim(settings.host, settings.otlp_http_port, HTTP_OPTION, is_shared=is_shared))
        committer = Committer(settings)
        await committer.start()
        stack.push_async_callback(committer.stop)
        authenticator = await stack.enter_async_context(open_authenticator(settings, "stepwell receiver keys"))
        redactors = await stack.enter_async_context(open_redactors(settings, "stepwell receiver rules"))
        ingest = Ingest(settings, committer, authenticator, redactors)

        grpc_server = grpc.make_server(ingest, shares_port=is_shared)
        grpc_address = grpc.listen(
            grpc_server,
            settings.host,
            settings.otlp_grpc_port,
            GRPC_OPTION,
            is_shared=is_shared,
            certificates=certificates,
        )
        http_server = HttpServer(make_app(ingest, settings), listener, certificates)
        stack.push_async_callback(_stop, grpc_server, http_server)
        await grpc_server.start()
        await http_server.start()
        started({"otlp_http": url_of(listener, certificates), "otlp_grpc": grpc_address})
        await stop.wait()


def _collect_seldom() -> None:
    """Spares the search for garbage what was loaded at the start, and most of its rounds.

    Decoded requests are many objects that hold no cycles; with Python's own settings it looks through them for each
    few hundred that are made.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_COLLECTION, 20, 20)


async def _stop(grpc_server: aio.Server, http_server: HttpServer) -> None:
    """Both at once, so that neither takes anything new while the other finishes."""
    await asyncio.gather(grpc_server.stop(GRACE_S), http_server.stop())
