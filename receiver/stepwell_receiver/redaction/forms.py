"""What secrets and personal data look like, in RE2's syntax: its time grows with the text alone, whatever the rule.

The vendors' own documentation says how their keys begin. Where ordinary words could look alike, `is_meant` decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import re2

MASK: Final = "[redacted]"


class Kind(StrEnum):
    """The built-in sets of rules; ``secrets`` masks by name as well."""

    SECRETS = "secrets"
    CARDS = "cards"
    EMAILS = "emails"


@dataclass(frozen=True, slots=True)
class Form:
    """A pattern; where it has groups, the first is kept and the rest is masked."""

    pattern: str
    mark: str | None = None
    """Matches wherever the pattern does, and is quicker to look for; else the pattern is."""
    is_meant: Callable[[str], bool] = lambda _: True
    """Decides on a text that the pattern found."""


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _is_card(text: str) -> bool:
    """Whether digits can be a card's number: an issuer's first ones, and the check digit (ISO/IEC 7812-1, Luhn)."""
    digits = [int(character) for character in text if character.isdigit()]
    if digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) < 2:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


_PREFIXED: Final = (
    # GitHub, GitLab, Slack, Hugging Face, Groq, npm, PyPI, Replicate, xAI, Perplexity, Tavily, LangSmith, DigitalOcean,
    # Shopify, Linear, Notion, Supabase, Databricks, Vault, Atlassian, Google's secrets and tokens, SendGrid, ours.
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_\w{20,}",
    r"glpat-[\w-]{16,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"hf_[A-Za-z0-9]{24,}",
    r"gsk_[A-Za-z0-9]{20,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-AgE[\w-]{30,}",
    r"r8_[A-Za-z0-9]{30,}",
    r"xai-[A-Za-z0-9]{30,}",
    r"pplx-[A-Za-z0-9]{30,}",
    r"tvly-[A-Za-z0-9-]{20,}",
    r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}",
    r"do[opr]_v1_[a-f0-9]{40,}",
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    r"lin_api_[A-Za-z0-9]{30,}",
    r"ntn_[A-Za-z0-9]{30,}",
    r"sbp_[a-f0-9]{32,}",
    r"dapi[a-f0-9]{32}",
    r"hvs\.[\w-]{24,}",
    r"ATATT3[\w=-]{30,}",
    r"GOCSPX-[\w-]{20,}",
    r"ya29\.[\w-]{20,}",
    r"AIza[\w-]{30,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"s[ws]_[\w-]{43}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
)
_ASSIGNED: Final = (
    r"(?i:password|passwd|pwd|secret|(?:api|access|account)[_-]?key|client[_-]?secret|"
    r"(?:access|auth|id|refresh)[_-]?token)"
)

FORMS: Final[Mapping[Kind, tuple[Form, ...]]] = {
    Kind.SECRETS: (
        Form(
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
            r"PRIVATE KEY",
        ),
        Form(r"\b(?:" + "|".join(_PREFIXED) + ")"),
        Form(r"\b[spr]k[-_][A-Za-z0-9_-]{16,}", is_meant=_has_digit),
        Form(r"((?i:bearer)\s+)[A-Za-z0-9._~+/-]{16,}=*", is_meant=_has_digit),
        Form(r"((?i:basic)\s+)[A-Za-z0-9+/]{8,}={1,2}"),
        Form(r"(://[^/\s:@\"']{0,100}:)[^/\s@\"']{1,200}@", r"://[^/\s:@\"']{0,100}:[^/\s@\"']{1,200}@"),
        Form("(" + _ASSIGNED + r"=)[^\s&;,\"'\\]{4,}", _ASSIGNED + "="),
    ),
    Kind.CARDS: (Form(r"\b[0-9](?:[ -]?[0-9]){12,18}\b", r"[0-9](?:[ -]?[0-9]){12}", _is_card),),
    Kind.EMAILS: (Form(r"[\w.%+-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b", r"@[A-Za-z0-9-]+\."),),
}

SECRET_NAMES: Final = (
    *("password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "api_key", "access_key", "private_key"),
    *("secret_key", "client_secret", "authorization", "auth", "credential", "credentials", "cookie", "set_cookie"),
    *("bearer", "jwt", "connection_string"),
)
"""Last words of names that hold secrets; counts such as ``max_tokens`` are none."""


def compiled(pattern: str, *, is_of_bytes: bool = False) -> Any:
    """The pattern for texts, or for bytes that hold some.

    Raises:
        re2.error: it is none.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 32 * 1024 * 1024
    if is_of_bytes:
        options.encoding = re2.Options.Encoding.LATIN1
        options.never_capture = True
        return re2.compile(pattern.encode(), options)
    return re2.compile(pattern, options)
