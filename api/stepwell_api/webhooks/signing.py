"""How a receiver knows that a call is ours: the Standard Webhooks specification, version 1 (standardwebhooks.com).

``webhook-signature: v1,BASE64`` is the HMAC-SHA256, by the webhook's secret, of ``ID.TIMESTAMP.BODY``: the headers
``webhook-id`` and ``webhook-timestamp`` (seconds since 1970) and the body as it was sent. A secret is never stored: it
is derived from the webhook's random salt by the server's own key, so that a copy of the database alone signs nothing.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

PREFIX: Final = "whsec_"
SALT_BYTES: Final = 32
TOLERANCE_S: Final = 300
"""How old a timestamp a receiver should take."""
_CONTEXT: Final = b"stepwell webhook 1\0"


def new_salt() -> bytes:
    """Random; another salt gives another secret."""
    return secrets.token_bytes(SALT_BYTES)


def secret_of(salt: bytes, server_key: str | None) -> str:
    """The webhook's secret, as its receiver is told."""
    derived = hmac.digest((server_key or "").encode(), _CONTEXT + salt, "sha256")
    return PREFIX + base64.b64encode(derived).decode()


def key_id_of(server_key: str | None) -> str:
    """Tells server keys apart without telling them; empty where there is none."""
    return hashlib.sha256(_CONTEXT + server_key.encode()).hexdigest()[:16] if server_key else ""


def signature(secret: str, delivery_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b"%s.%d.%s" % (delivery_id.encode(), timestamp_s, body)
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def headers(secret: str, delivery_id: str, timestamp_s: int, body: bytes) -> Mapping[str, str]:
    """What a signed call carries; the id is the same in every attempt, so that a receiver acts once."""
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature(secret, delivery_id, timestamp_s, body),
        "idempotency-key": delivery_id,
    }
