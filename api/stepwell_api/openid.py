"""Signing in by an OpenID Connect provider: the authorization code flow with PKCE, state and nonce (OpenID Connect Core
1.0, section 3.1; RFC 7636; RFC 9700).

Who it is comes from the ID token, whose signature, issuer, audience, time and nonce are checked; what that person may
do, from the members of workspaces. Calls to the provider are made beside the event loop.
"""

import asyncio
import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from requests.exceptions import RequestException

from stepwell_storage.settings import Settings

CALLBACK: Final = "/api/v1/session/openid/callback"
SCOPES: Final = "openid email profile"
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key; a token that is signed with none, or with our secret, proves nothing here."""
TIMEOUT_S: Final = 10.0
KNOWN_FOR_S: Final = 3600.0
LEEWAY_S: Final = 60
_DISCOVERY: Final = "/.well-known/openid-configuration"


class SignInError(Exception):
    """The provider did not vouch for anybody; the message is for people."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a browser keeps between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str

    def written(self) -> str:
        """As a cookie holds it."""
        return urlsafe_b64encode(orjson.dumps(asdict(self))).decode()


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouched for."""

    name: str
    """The e-mail address where the provider has verified it, else its own id of the person."""
    groups: tuple[str, ...]


def new_attempt() -> Attempt:
    """One that nobody can guess."""
    return Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))


class Provider:
    """An OpenID provider, as the settings name it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: tuple[float, dict[str, Any], KeySet] | None = None

    async def address_for(self, attempt: Attempt, callback: str) -> str:
        """Where the browser shall go to sign in.

        Raises:
            SignInError: the provider cannot be reached, or is not what it should be.
        """
        metadata, _ = await asyncio.to_thread(self._discovered)
        digest = hashlib.sha256(attempt.verifier.encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        address, _ = self._session(callback).create_authorization_url(
            metadata["authorization_endpoint"],
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        return str(address)

    async def person_of(self, attempt: Attempt, code: str, callback: str) -> Person:
        """Whom the code that a browser brought back stands for.

        Raises:
            SignInError: nobody, or the provider cannot be reached.
        """
        return await asyncio.to_thread(self._person, attempt, code, callback)

    def _person(self, attempt: Attempt, code: str, callback: str) -> Person:
        metadata, keys = self._discovered()
        try:
            token = self._session(callback).fetch_token(
                metadata["token_endpoint"], code=code, code_verifier=attempt.verifier, timeout=TIMEOUT_S
            )
            return self._vouched(token["id_token"], keys, attempt.nonce)
        except (OAuthError, JoseError, RequestException, KeyError, ValueError) as error:
            raise SignInError(f"The OpenID provider did not confirm the sign-in ({type(error).__name__}).") from error

    def _vouched(self, id_token: str, keys: KeySet, nonce: str) -> Person:
        claims: dict[str, Any] = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._settings.oidc_issuer},
            aud={"essential": True, "value": self._settings.oidc_client_id},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        registry.validate(claims)
        is_known_address = claims.get("email") and claims.get("email_verified") is True
        return Person(
            str(claims["email"]).lower() if is_known_address else str(claims["sub"]),
            groups_in(claims, self._settings.oidc_groups_claim),
        )

    def _session(self, callback: str) -> OAuth2Session:
        settings = self._settings
        return OAuth2Session(
            settings.oidc_client_id, settings.oidc_client_secret or None, scope=SCOPES, redirect_uri=callback
        )

    def _discovered(self) -> tuple[dict[str, Any], KeySet]:
        now_s = time.monotonic()
        if self._known is None or self._known[0] < now_s:
            issuer = self._settings.oidc_issuer
            try:
                metadata = self._read(issuer.rstrip("/") + _DISCOVERY)
                if metadata["issuer"] != issuer:
                    raise SignInError("The OpenID provider calls itself otherwise than --oidc-issuer does.")
                keys = KeySet.import_key_set(self._read(metadata["jwks_uri"]))
            except (RequestException, JoseError, KeyError, ValueError) as error:
                raise SignInError(f"The OpenID provider cannot be asked ({type(error).__name__}).") from error
            self._known = (now_s + KNOWN_FOR_S, metadata, keys)
        return self._known[1], self._known[2]

    def _read(self, url: str) -> Any:
        import requests

        response = requests.get(url, timeout=TIMEOUT_S)
        response.raise_for_status()
        return response.json()


def groups_in(claims: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The groups that a claim tells, at a path with dots: a list of texts, or one."""
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return (found,)
    return tuple(group for group in found if isinstance(group, str)) if isinstance(found, list) else ()
