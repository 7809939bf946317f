"""Sums of whole numbers that stay whole numbers of 64 bits, however absurd what was sent."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Numeric, and_, case, cast, func

from stepwell_storage.schema import agent_executions as runs

LARGEST = 2**63 - 1


def bounded(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """The amount as ``bigint``, cut at its largest value."""
    return cast(func.least(amount, LARGEST), BigInteger)


def total(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum over rows where the amount is known; ``None`` where none is."""
    return bounded(func.sum(amount))


TOKENS: ColumnElement[int] = case(
    (and_(runs.c.prompt_tokens.is_(None), runs.c.completion_tokens.is_(None)), None),
    else_=bounded(
        func.coalesce(cast(runs.c.prompt_tokens, Numeric), 0) + func.coalesce(cast(runs.c.completion_tokens, Numeric), 0)
    ),
)
"""Input and output tokens of a run; where one of the two is unknown, what is known."""
