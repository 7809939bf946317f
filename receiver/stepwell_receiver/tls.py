"""TLS on the ports: certificates for HTTP and gRPC, and on OTLP's ports, if that is wanted, from senders as well."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from stepwell_receiver.errors import ReceiverError
from stepwell_storage.settings import Settings


class CertificateError(ReceiverError):
    """A certificate or a key cannot be used; the message names it and the mend."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files with PEM: our certificate with its chain, its key, and whose certificates senders have to show."""

    certificate: Path
    key: Path
    client_ca: Path | None

    def for_uvicorn(self) -> dict[str, Any]:
        """Arguments of its configuration."""
        told: dict[str, Any] = {"ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        if self.client_ca is not None:
            told |= {"ssl_ca_certs": self.client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return told

    def for_grpc(self) -> grpc.ServerCredentials:
        """The same for gRPC, which reads them once."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        roots = None if self.client_ca is None else self.client_ca.read_bytes()
        return grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)


def certificates_of(settings: Settings, *, of_senders: bool = False) -> Certificates | None:
    """What the settings name, read and found to fit together; ``None`` for no TLS.

    Args:
        settings: a process's settings.
        of_senders: whether senders may be asked for certificates here, which browsers are not.

    Raises:
        CertificateError: files are missing or do not fit.
    """
    if settings.tls_cert is None and settings.tls_key is None and settings.tls_client_ca is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise CertificateError("TLS needs both --tls-cert and --tls-key")
    found = Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca if of_senders else None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(found.certificate, found.key)
        if settings.tls_client_ca is not None:
            context.load_verify_locations(settings.tls_client_ca)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CertificateError(
            f"The files of --tls-cert, --tls-key and --tls-client-ca cannot be used: {reason}. They hold PEM; the key "
            "belongs to the first certificate and has no passphrase."
        ) from error
    return found
