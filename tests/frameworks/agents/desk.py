"""The refund desk that every framework's agent staffs: its tools, and how it works off what is asked of it."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence

import telemetry  # noqa: F401  # sets the tracer provider

INSTRUCTIONS = "You refund orders. Look each order up first."
TIME_LIMIT_S = 3.0
ORDERS = {"ORD-1001": 39.9, "ORD-2002": 120.0}


class OrderNotFoundError(Exception):
    """No order has this number."""


def lookup_order(order_id: str) -> str:
    """Tells the amount of an order.

    Args:
        order_id: Number of the order.
    """
    if order_id not in ORDERS:
        raise OrderNotFoundError(f"There is no order {order_id}")
    return f"{order_id}: {ORDERS[order_id]}"


def refund_policy(country: str) -> str:
    """Tells how long refunds are possible in a country.

    Args:
        country: Two letters.
    """
    return f"{country}: 30 days"


def work_off(run: Callable[[str], Awaitable[str]], limit_s: float | None = TIME_LIMIT_S) -> None:
    """Runs the agent on each prompt of the command line, and prints a line of JSON on how each went for its caller.

    `limit_s` is how long a customer in a hurry waits; ``None`` where the model's client keeps the time.
    """
    asyncio.run(_work_off(run, limit_s, sys.argv[1:]))


async def _work_off(run: Callable[[str], Awaitable[str]], limit_s: float | None, prompts: Sequence[str]) -> None:
    for prompt in prompts:
        # A task of its own, as a server has one for each request: a run inherits no context from the one before.
        print(json.dumps(await asyncio.create_task(_outcome(run, limit_s, prompt))), flush=True)


async def _outcome(run: Callable[[str], Awaitable[str]], limit_s: float | None, prompt: str) -> dict[str, str]:
    is_urgent = prompt.endswith("at once.")
    try:
        async with asyncio.timeout(limit_s if is_urgent else None):
            return {"output": str(await run(prompt))}
    except Exception as error:
        return {"error": type(error).__name__}
