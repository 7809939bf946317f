"""What to do about a failed run: from what followed the same failure before, and from what the failure says. Pure.

History decides where there is enough of it; the words of the error only where there is not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from stepwell_api import effects
from stepwell_storage.model import Status

MIN_HISTORY: Final = 5
"""Repetitions from which on history is asked."""
LIMIT_SHARE: Final = 0.6
"""Of the time after which a step timed out: where its slowest successful calls take as long, the limit is too low."""


class Action(StrEnum):
    """The contract's actions."""

    RETRY = "retry"
    RETRY_WITH_BACKOFF = "retry_with_backoff"
    RESUME = "resume_from_checkpoint"
    FIX_INPUT = "fix_input"
    FIX_CODE = "fix_code"
    RAISE_TIMEOUT = "raise_timeout"


class Retryability(StrEnum):
    """What history says about trying again after such a failure."""

    PASSES = "passes"
    """It goes away more often than not."""
    STAYS = "stays"
    """It hardly ever does."""
    MIXED = "mixed"
    """Both are likely: the interval holds one half."""
    UNKNOWN = "unknown"
    """Too few tried."""


class Cause(StrEnum):
    """What kind of failure its words tell of."""

    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    DENIED = "denied"
    INPUT = "input"
    CODE = "code"
    UNKNOWN = "unknown"


_PATTERNS: Final = {
    Cause.THROTTLED: (
        "rate.?limit", "too.?many.?requests", "throttl", "quota", "overloaded", "resource.?exhausted",
        r"\b429\b", r"\b529\b",
    ),
    Cause.TIMEOUT: ("time.?out", "timed.?out", "deadline.?exceeded", r"\b408\b", r"\b504\b", r"no answer\b.*\bwithin"),
    Cause.UNAVAILABLE: (
        "connection", "connect.?error", "unavailable", "unreachable", r"\bnetwork", r"\bdns\b", r"\bssl\b",
        r"\bsocket\b", "broken.?pipe", "temporar", "internal.?server", "bad.?gateway", r"\b50[0-3]\b", r"\bEOF\b",
    ),
    Cause.DENIED: (
        "unauthori[sz]ed", "forbidden", "permission", "authenticat", "credential", "api.?key", "access.?denied",
        r"\b40[13]\b",
    ),
    Cause.INPUT: (
        "valid", "missing", "required", "malformed", "not.?found", "no such", "unsupported", "bad.?request",
        "unprocessable", "declin", "insufficient",
        "schema", "parse", "decod", "context.?length", "too.?long", "too.?large", "value.?error",
        "key.?error", "lookup.?error", "index.?error", r"\bhas no\b", r"\bis not an?\b", r"\b4(?:00|04|13|22)\b",
    ),
    Cause.CODE: (
        "type.?error", "attribute.?error", "name.?error", "import.?error", "not.?implemented", "assert",
        "zero.?division", "syntax", "recursion", "memory.?error", "null.?pointer", "undefined",
    ),
}  # fmt: skip
_WORDS: Final = {cause: re.compile("|".join(patterns), re.IGNORECASE) for cause, patterns in _PATTERNS.items()}


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something was repeated after the same failure, and how often that went well."""

    n: int = 0
    succeeded: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.n + other.n, self.succeeded + other.succeeded)

    @property
    def rate(self) -> float | None:
        """``None`` where nothing was repeated."""
        return self.succeeded / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of a failed run."""

    status: Status
    error_type: str | None
    message: str | None
    tally: Tally
    has_checkpoint: bool
    """Whether a checkpoint saves time."""
    failed_after_ms: float | None
    """How long the failing step took."""
    usual_p95_ms: float | None
    """The 95th percentile of the step's successful calls; ``None`` where fewer than half of its calls are."""
    contrasts: Sequence[dict[str, Any]] = ()
    """Traits of this run's input that set such failures apart."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, why, and the figures behind it."""

    action: Action
    reason: str
    evidence: dict[str, Any]


def cause_of(error_type: str | None, message: str | None) -> Cause:
    """What the words of type and message tell of, the type first."""
    for text in (error_type, message):
        for cause, words in _WORDS.items():
            if text and words.search(text):
                return cause
    return Cause.UNKNOWN


def goes_away(tally: Tally) -> bool | None:
    """Whether repeating helps more often than not; ``None`` where history is too short to tell (Wilson, 95 %)."""
    if tally.n < MIN_HISTORY:
        return None
    low, high = effects.wilson(tally.succeeded, tally.n)
    if low > 0.5:
        return True
    return False if high < 0.5 else None


def retryability(tally: Tally) -> Retryability:
    """The same in a word."""
    helps = goes_away(tally)
    if helps is not None:
        return Retryability.PASSES if helps else Retryability.STAYS
    return Retryability.UNKNOWN if tally.n < MIN_HISTORY else Retryability.MIXED


def advise(failure: Failure) -> Advice:
    """The action, with its evidence."""
    cause = cause_of(failure.error_type, failure.message)
    if failure.status is Status.TIMEOUT and cause is Cause.UNKNOWN:
        cause = Cause.TIMEOUT
    action, reason = _chosen(failure, cause, goes_away(failure.tally))
    low, high = effects.wilson(failure.tally.succeeded, failure.tally.n) if failure.tally.n else (None, None)
    evidence = {
        "cause": cause.value,
        "n": failure.tally.n,
        "retry_success_rate": failure.tally.rate,
        "retry_success_rate_low": low,
        "retry_success_rate_high": high,
        "failed_after_ms": failure.failed_after_ms,
        "usual_p95_ms": failure.usual_p95_ms,
        "sets_apart": list(failure.contrasts),
    }
    return Advice(action, reason, evidence)


def _chosen(failure: Failure, cause: Cause, helps: bool | None) -> tuple[Action, str]:
    if failure.status is Status.CANCELLED:
        return _repeated(failure, cause, "The run was stopped, not wrong.")
    if failure.contrasts and not helps:
        return Action.FIX_INPUT, "Such failures come with what this run was given, far more often than successes do."
    if cause is Cause.TIMEOUT and not helps and _is_limit_low(failure):
        return Action.RAISE_TIMEOUT, "The step's slowest successful calls take nearly as long as the limit allows."
    if helps:
        return _repeated(failure, cause, "The same failure went away when it was tried again, more often than not.")
    if helps is False:
        return _mended(cause, "The same failure hardly ever went away by itself.")
    if cause in (Cause.THROTTLED, Cause.TIMEOUT, Cause.UNAVAILABLE):
        return _repeated(failure, cause, "What the failure says is about a passing state of something remote.")
    if cause is Cause.UNKNOWN:
        return _repeated(failure, cause, "Nothing is known against it: neither history nor the message tell a cause.")
    return _mended(cause, "What the failure says will be the same the next time.")


def _is_limit_low(failure: Failure) -> bool:
    """Whether raising the limit is the mend: also where no successful call says how long the step usually takes."""
    if failure.usual_p95_ms is None or failure.failed_after_ms is None:
        return True
    return failure.usual_p95_ms >= LIMIT_SHARE * failure.failed_after_ms


def _repeated(failure: Failure, cause: Cause, reason: str) -> tuple[Action, str]:
    if failure.has_checkpoint:
        return Action.RESUME, f"{reason} A checkpoint saves what was done before it."
    if cause in (Cause.THROTTLED, Cause.TIMEOUT, Cause.UNAVAILABLE):
        return Action.RETRY_WITH_BACKOFF, f"{reason} Waiting gives it time to recover."
    return Action.RETRY, reason


def _mended(cause: Cause, reason: str) -> tuple[Action, str]:
    if cause is Cause.INPUT:
        return Action.FIX_INPUT, f"{reason} The message is about what the step was given."
    if cause is Cause.TIMEOUT:
        return Action.RAISE_TIMEOUT, f"{reason} It needs more time than it gets."
    return Action.FIX_CODE, reason
