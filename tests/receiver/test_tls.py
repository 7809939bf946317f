"""TLS on OTLP's ports, over HTTP and gRPC, with and without certificates of senders."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.receiver.otlp import PROTOBUF, TRACE_EXPORT, make_span, trace_request
from tests.receiver.running import receiver

from stepwell_receiver.tls import CertificateError, certificates_of
from stepwell_storage.settings import Settings


class Authority:
    """Signs certificates, as files in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = folder / f"{name}.pem"
        signed = self._signed(self._name, self._key, is_authority=True)
        self.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of somebody."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(self._signed(subject, key).public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, secret

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            builder.add_extension(names, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def context(authority: Authority, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(authority.certificate))
    if own is not None:
        made.load_cert_chain(*own)
    return made


def post(url: str, trusted: ssl.SSLContext) -> int:
    body = trace_request(make_span()).SerializeToString()
    with httpx.Client(verify=trusted) as client:
        return client.post(f"{url}/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code


def export(address: str, authority: Authority, own: tuple[Path, Path] | None = None) -> bytes:
    certificate, key = (own[0].read_bytes(), own[1].read_bytes()) if own else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes(), key, certificate)
    with grpc.secure_channel(address, credentials) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(TRACE_EXPORT)
        answer: bytes = call(trace_request(make_span()).SerializeToString(), timeout=20)
        return answer


def test_ports_speak_tls_alone(settings: Settings, authority: Authority) -> None:
    certificate, key = authority.issue("server")
    with receiver(replace(settings, tls_cert=certificate, tls_key=key)) as running:
        assert running.otlp_http.startswith("https://")
        assert post(running.otlp_http, context(authority)) == 200
        assert export(running.otlp_grpc, authority) == b""
        with pytest.raises(httpx.HTTPError):
            post(running.otlp_http.replace("https", "http"), context(authority))
        with pytest.raises(httpx.ConnectError):
            post(running.otlp_http, ssl.create_default_context())


def test_senders_show_a_certificate_where_one_is_demanded(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("server")
    sender = authority.issue("sender")
    stranger = Authority(tmp_path, "stranger").issue("somebody")
    mutual = replace(settings, tls_cert=certificate, tls_key=key, tls_client_ca=authority.certificate)
    with receiver(mutual) as running:
        assert post(running.otlp_http, context(authority, sender)) == 200
        assert export(running.otlp_grpc, authority, sender) == b""
        for other in (None, stranger):
            with pytest.raises(httpx.TransportError):
                post(running.otlp_http, context(authority, other))
            with pytest.raises(grpc.RpcError) as refused:
                export(running.otlp_grpc, authority, other)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_files_that_do_not_fit_are_told(settings: Settings, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server")
    _, other_key = authority.issue("other")
    wrong: list[dict[str, Any]] = [
        {"tls_cert": certificate},
        {"tls_key": key},
        {"tls_cert": certificate, "tls_key": other_key},
        {"tls_cert": tmp_path / "nothing", "tls_key": key},
        {"tls_client_ca": authority.certificate},
    ]
    for files in wrong:
        with pytest.raises(CertificateError, match="--tls-key"):
            certificates_of(replace(settings, **files))
