"""What a fold finds about single spans, for the ledger: which lack their parent, whose tokens are doubles."""

from collections.abc import Iterable, Sequence
from typing import Final

from stepwell_storage.model import Execution, Role, Step

_REPORTING: Final = frozenset((Role.AGENT, Role.WORKFLOW, Role.CHAIN, Role.MODEL))
"""Roles whose tokens an execution counts unless another span's count in their place; all others' it never does."""


def orphans(steps: Sequence[Step]) -> frozenset[bytes]:
    """The ids of a trace's spans whose parent is not among them; a parent in another process need not be."""
    present = {step.span_id for step in steps}
    return frozenset(
        step.span_id
        for step in steps
        if step.parent_span_id is not None and step.parent_span_id not in present and step.parent_is_remote is not True
    )


def excluded_tokens(executions: Iterable[Execution]) -> dict[bytes, tuple[int, int]]:
    """Prompt and completion tokens by the id of the span that reports what another's count already says."""
    return {
        place.step.span_id: (place.step.prompt_tokens or 0, place.step.completion_tokens or 0)
        for execution in executions
        for place in execution.placements
        if not place.counts_tokens
        and place.step.role in _REPORTING
        and (place.step.prompt_tokens or place.step.completion_tokens)
    }
