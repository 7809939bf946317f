"""Sums of whole numbers that stay whole numbers of 64 bits, however absurd what was sent."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func

LARGEST = 2**63 - 1


def bounded(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """The amount as ``bigint``, cut at its largest value; LEAST would make that of an unknown one."""
    return cast(case((amount > LARGEST, LARGEST), else_=amount), BigInteger)


def total(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum over rows where the amount is known; ``None`` where none is."""
    return bounded(func.sum(amount))
