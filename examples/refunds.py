"""The tools of a refund desk, which the agents beside this file staff, and how they are asked from the command line."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

INSTRUCTIONS = "You refund orders. Look each order up first."
PROMPT = "Refund order ORD-1001."
ORDERS = {"ORD-1001": 39.9, "ORD-2002": 120.0}


def lookup_order(order_id: str) -> str:
    """Tells the amount of an order.

    Args:
        order_id: Number of the order.
    """
    if order_id not in ORDERS:
        raise LookupError(f"There is no order {order_id}")
    return f"{order_id}: {ORDERS[order_id]}"


def refund_policy(country: str) -> str:
    """Tells how long refunds are possible in a country.

    Args:
        country: Two letters.
    """
    return f"{country}: 30 days"


def main(answer: Callable[[str], Awaitable[str]]) -> None:
    """Answers each prompt of the command line, or the one above."""
    asyncio.run(_answer_all(answer, sys.argv[1:] or [PROMPT]))


async def _answer_all(answer: Callable[[str], Awaitable[str]], prompts: list[str]) -> None:
    for prompt in prompts:
        print(await answer(prompt), flush=True)
