"""Sums of whole numbers that stay whole numbers of 64 bits, however absurd what was sent."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Numeric, and_, case, cast, func

from stepwell_storage.schema import agent_executions as runs

LARGEST = 2**63 - 1


def bounded(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """The amount as ``bigint``, cut at its largest value; LEAST would make that of an unknown one."""
    return cast(case((amount > LARGEST, LARGEST), else_=amount), BigInteger)


def total(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum over rows where the amount is known; ``None`` where none is."""
    return bounded(func.sum(amount))


def _known(amount: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(cast(amount, Numeric), 0)


TOKENS: ColumnElement[int] = case(
    (and_(runs.c.prompt_tokens.is_(None), runs.c.completion_tokens.is_(None)), None),
    else_=bounded(_known(runs.c.prompt_tokens) + _known(runs.c.completion_tokens)),
)
"""Input and output tokens of a run; where one of the two is unknown, what is known."""
