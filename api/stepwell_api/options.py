"""Options of the commands: each is a flag, an environment variable ``STEPWELL_<NAME>``, and a field of `Settings`.

One table says all three. The flag wins over the variable, the variable over the default. ``docs/settings.md`` lists
them. Standard library alone, so that ``--help`` works in an installation without the server extra.
"""

import argparse
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from stepwell_storage.settings import Settings

PREFIX = "STEPWELL_"
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|min|h)?")
SHARE = re.compile(r"[0-9]*\.?[0-9]+")
URL = re.compile(r"https?://[^/?#\s@]+/?", re.IGNORECASE)
HOST = re.compile(r"[a-z0-9_.:-]+")
UNIT_S = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
SHORTEST_SECRET = 16
REDACTED = ("secrets", "cards", "emails")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


class OptionError(Exception):
    """An option or a variable has a value that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as the command line and the environment see it."""

    name: str
    """As in ``--name`` and, in capitals with underscores, ``STEPWELL_NAME``."""
    field: str
    """The field of `Settings` that it fills."""
    parse: Callable[[str], object]
    """Raises `ValueError` with what is expected."""
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.replace("-", "_").upper()


def parse_port(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not _is_number(text) or int(text) > 65535:
        raise ValueError("expected a port from 0 to 65535; 0 picks a free one")
    return int(text)


def parse_count(text: str) -> int:
    """A whole number above 0."""
    if not _is_number(text) or int(text) == 0:
        raise ValueError("expected a whole number above 0")
    return int(text)


def parse_share(text: str) -> float:
    """A part of something, above 0 and up to 1."""
    found = SHARE.fullmatch(text.strip())
    if found is None or not 0 < float(text) <= 1:
        raise ValueError("expected a number above 0 and up to 1, like 0.5")
    return float(text)


def parse_bool(text: str) -> bool:
    """A yes or no as people write it."""
    word = text.lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError("expected true or false")
    return word in TRUE_WORDS


def parse_duration_s(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``1.5m``, ``30min`` or ``2h``."""
    found = DURATION.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        raise ValueError("expected a duration above 0 like 90s, 30m or 2h")
    return float(found[1]) * UNIT_S[found[2]]


def parse_url(text: str) -> str:
    """An address of a site, without a path, like ``https://stepwell.example.com``."""
    if URL.fullmatch(text) is None:
        raise ValueError("expected an address without a path, like https://stepwell.example.com")
    return text.rstrip("/").lower()


def parse_issuer(text: str) -> str:
    """The issuer of an OpenID provider, to the letter; over TLS unless it is on this machine."""
    if not text.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise ValueError("expected an address like https://login.example.com/realms/acme")
    return text


def parse_hosts(text: str) -> str:
    """Names of hosts, separated by commas."""
    names = [name.strip().lower() for name in text.split(",")]
    if not all(HOST.fullmatch(name) for name in names):
        raise ValueError("expected names without ports, separated by commas, like stepwell.internal,10.0.0.7")
    return ",".join(names)


def parse_origins(text: str) -> str:
    """Addresses of sites, separated by commas."""
    return ",".join(parse_url(part.strip()) for part in text.split(","))


def parse_redacted(text: str) -> str:
    """Sets of redaction rules, separated by commas, or ``none``."""
    names = [name.strip().lower() for name in text.split(",")]
    if names != ["none"] and not set(names) <= set(REDACTED):
        raise ValueError(f"expected some of {', '.join(REDACTED)}, separated by commas, or none")
    return ",".join(names)


def parse_word(words: Iterable[str]) -> Callable[[str], str]:
    """One of a few words, in any case."""
    allowed = tuple(words)

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return text.lower()

    return parse


def parse_secret(text: str) -> str:
    """A secret that nobody guesses."""
    if len(text) < SHORTEST_SECRET:
        # Never repeated in the error.
        raise ValueError(f"expected at least {SHORTEST_SECRET} characters")
    return text


def parse_networks(text: str) -> str:
    """Networks like ``10.0.0.0/8,127.0.0.1``, with commas between; kept as text."""
    try:
        return ",".join(str(ipaddress.ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("expected networks like 10.0.0.0/8,127.0.0.1") from None


def parse_folder(text: str) -> Path:
    """A folder or a file, with ``~`` for the home."""
    return Path(text).expanduser().absolute()


DATABASE_OPTIONS = (
    Option("database-url", "database_url", str, "URL", "PostgreSQL 15 or newer to use instead of the embedded one"),
    Option("data-dir", "data_dir", parse_folder, "FOLDER", "folder of the embedded PostgreSQL"),
    Option("timescale", "timescale", parse_bool, "", "let a new database use TimescaleDB where the server has it"),
    Option("log-level", "log_level", parse_word(LOG_LEVELS), "LEVEL", "debug, info, warning or error"),
    Option("log-format", "log_format", parse_word(LOG_FORMATS), "FORMAT", "text or json, on standard error"),
)
SERVING_OPTIONS = (
    *DATABASE_OPTIONS,
    Option("host", "host", str, "ADDRESS", "address to listen on; other than loopback needs --auth"),
    Option("port", "port", parse_port, "PORT", "API and dashboard; 0 picks a free port"),
    Option("otlp-http-port", "otlp_http_port", parse_port, "PORT", "OTLP over HTTP; 0 picks a free port"),
    Option("otlp-grpc-port", "otlp_grpc_port", parse_port, "PORT", "OTLP over gRPC; 0 picks a free port"),
    Option("receivers", "receivers", parse_count, "N", "receivers that share the OTLP ports; `up` starts as many"),
    Option("auth", "auth", parse_bool, "", "demand an API key with every request"),
    Option("public-url", "public_url", parse_url, "URL", "where browsers reach the dashboard, behind a proxy with TLS"),
    Option("allowed-hosts", "allowed_hosts", parse_hosts, "NAMES", "further names to be reached by without --auth"),
    Option("cors-origins", "cors_origins", parse_origins, "URLS", "sites whose pages may use the API and send OTLP"),
    Option("oidc-issuer", "oidc_issuer", parse_issuer, "URL", "OpenID provider by which people sign in"),
    Option("oidc-client-id", "oidc_client_id", str, "ID", "what Stepwell is called there"),
    Option("oidc-client-secret", "oidc_client_secret", str, "SECRET", "better told by the environment"),
    Option("oidc-groups-claim", "oidc_groups_claim", str, "NAME", "where ID tokens tell groups"),
    Option("redact", "redact", parse_redacted, "SETS", "what is masked on arrival: secrets, cards, emails, or none"),
    Option("tls-cert", "tls_cert", parse_folder, "FILE", "certificate with its chain, PEM; all ports then speak TLS"),
    Option("tls-key", "tls_key", parse_folder, "FILE", "its key, PEM"),
    Option("tls-client-ca", "tls_client_ca", parse_folder, "FILE", "whose certificates senders of OTLP have to show"),
    Option("session-lifetime", "session_lifetime_s", parse_duration_s, "TIME", "how long signing in lasts"),
    Option("stale-after", "stale_after_s", parse_duration_s, "TIME", "a run silent for this long becomes a timeout"),
    Option("keep", "keep", parse_word(("agents", "all")), "WHAT", "agents drops other traces after a while; all keeps"),
    Option("drop-after", "drop_after_s", parse_duration_s, "TIME", "how long other traces wait for an agent's span"),
    Option("max-request-bytes", "max_request_bytes", parse_count, "BYTES", "largest OTLP request, decompressed"),
    Option("max-attribute-bytes", "max_attribute_bytes", parse_count, "BYTES", "longer attribute values are cut"),
    Option("max-queued-bytes", "max_queued_bytes", parse_count, "BYTES", "requests waiting for their commit"),
    Option("max-queued-spans", "max_queued_spans", parse_count, "N", "spans waiting for their commit"),
    Option("secret-key", "secret_key", parse_secret, "KEY", "secrets of webhooks are derived by it"),
    Option("webhook-allow", "webhook_allow", parse_networks, "NETWORKS", "private networks that webhooks may reach"),
    Option("max-key-share", "max_key_share", parse_share, "PART", "how much of both one API key may fill"),
    Option(
        "suggest-min-executions", "suggest_min_executions", parse_count, "N", "runs below which nothing is suggested"
    ),
    Option("suggest-min-group", "suggest_min_group", parse_count, "N", "runs or calls in each group that is compared"),
    Option(
        "suggest-false-discovery-rate",
        "suggest_false_discovery_rate",
        parse_share,
        "PART",
        "the part of all suggestions that may be chance",
    ),
)


def add_options(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """Add the flags; values stay text until `read_settings`, which knows the environment too."""
    defaults = {field.name: field.default for field in fields(Settings)}
    for option in options:
        default = defaults[option.field]
        shown = "" if default in (MISSING, None, "") else f" (default: {default})"
        text = f"{option.help}{shown} [{option.variable}]"
        if option.parse is parse_bool:
            parser.add_argument(option.flag, dest=option.field, action=argparse.BooleanOptionalAction, help=text)
        else:
            parser.add_argument(option.flag, dest=option.field, metavar=option.metavar, help=text)


def read_settings(
    arguments: argparse.Namespace, options: Iterable[Option], environment: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from flags, variables and defaults; ``database_url`` is empty where none was given.

    Raises:
        OptionError: a value cannot be used.
    """
    values: dict[str, Any] = {}
    for option in options:
        given = getattr(arguments, option.field)
        if isinstance(given, bool):
            values[option.field] = given
        elif given is not None:
            values[option.field] = _parse(option, option.flag, given)
        elif environment.get(option.variable):
            values[option.field] = _parse(option, option.variable, environment[option.variable])
    return replace(Settings(database_url=""), **values)


def variables_of(settings: Settings) -> dict[str, str]:
    """The variables that give a child process the same settings."""
    values = {option.variable: getattr(settings, option.field) for option in SERVING_OPTIONS}
    return {name: str(value) for name, value in values.items() if value is not None}


def _parse(option: Option, source: str, text: str) -> object:
    try:
        return option.parse(text)
    except ValueError as error:
        told = "" if option.parse is parse_secret else f", not {text!r}"
        raise OptionError(f"{source}: {error}{told}") from (None if option.parse is parse_secret else error)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
