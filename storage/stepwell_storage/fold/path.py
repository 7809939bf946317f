"""The path of an execution: its logical steps in order, loops collapsed and counted.

``chat > lookup_order > chat > issue_refund > chat`` stays as it is; ``(chat > search)×3 > chat`` stands for three
rounds. Paths are stored with the execution, so that asking how often each is taken reads no steps.
"""

from collections.abc import Sequence
from typing import Final

from stepwell_storage.model import Role, Step

SEPARATOR: Final = " > "
LOGICAL_ROLES: Final = frozenset(
    (Role.MODEL, Role.TOOL, Role.EMBEDDING, Role.RETRIEVAL, Role.GUARDRAIL, Role.HANDOFF, Role.AGENT, Role.WORKFLOW)
)
_MAX_LOOP: Final = 8
_MAX_NAMES: Final = 2_000
_MAX_CHARACTERS: Final = 4_000


def logical_names(steps: Sequence[Step]) -> list[str]:
    """Names of the steps that carry meaning; of all steps where none does."""
    chosen = [step.step_name for step in steps if step.role in LOGICAL_ROLES] or [step.step_name for step in steps]
    return [name.replace(SEPARATOR, " ") if ">" in name else name for name in chosen]


def collapsed(names: Sequence[str]) -> str:
    """The names joined, each immediate repetition of up to eight of them written once with its count."""
    parts: list[str] = []
    i, end = 0, min(len(names), _MAX_NAMES)
    while i < end:
        length, rounds = _loop_at(names, i, end)
        body = SEPARATOR.join(names[i : i + length])
        if rounds > 1:
            body = f"({body})×{rounds}" if length > 1 else f"{body}×{rounds}"
        parts.append(body)
        i += length * rounds
    if end < len(names):
        parts.append("…")
    text = SEPARATOR.join(parts)
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"


def _loop_at(names: Sequence[str], i: int, end: int) -> tuple[int, int]:
    """(length, rounds) of the repetition that covers most from `i` on; the shortest body where several do."""
    best = (1, 1)
    first = names[i]
    for length in range(1, min(_MAX_LOOP, (end - i) // 2) + 1):
        if names[i + length] != first:
            continue
        rounds = 1
        while _repeats(names, i, length, rounds, end):
            rounds += 1
        if rounds > 1 and length * rounds > best[0] * best[1]:
            best = (length, rounds)
    return best


def _repeats(names: Sequence[str], i: int, length: int, rounds: int, end: int) -> bool:
    at = i + length * rounds
    return at + length <= end and names[at : at + length] == names[i : i + length]
