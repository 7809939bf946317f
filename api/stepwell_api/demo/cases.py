"""The cases of the demo: what is asked, how the models answer, and how the run has to end.

Every case is drawn from one random generator, so that a seed repeats all of them. The first runs of a demo are one
of each case; the rest follow their weights.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_ai.exceptions import ModelHTTPError

from stepwell_api.demo.desk import ORDERS, REFUSED_ORDER
from stepwell_api.demo.script import Turn, call, say

SMALL_MODEL, LARGE_MODEL = "gpt-5-mini", "gpt-5"
MODELS = {"support_triage": SMALL_MODEL, "refund_agent": SMALL_MODEL, "research_agent": LARGE_MODEL}
CUSTOMERS = ("amara", "bo", "chidi", "dagny", "elif", "farid")


class Ending(StrEnum):
    """How a run ends, as the API has to show it."""

    SUCCESS = "success"
    FAILED = "failed"
    CUT_OFF = "cut off"
    """The customer gave up waiting and the run was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run to send."""

    agent: str
    prompt: str
    turns: Mapping[str, Sequence[Turn]]
    """By agent: what its model answers."""
    ending: Ending
    customer: str
    patience_s: float
    """How long the customer waits for a model that no longer answers."""
    tool_seconds: float
    staging: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of case: how often it comes, and how it is drawn."""

    weight: int
    draw: Callable[[random.Random], dict[str, Any]]


def draw_cases(count: int, seed: int) -> list[Case]:
    """The cases of a demo with this seed, in the order of their start."""
    chance = random.Random(seed)  # noqa: S311 -- a script, not a secret
    kinds = chance.sample(KINDS, min(count, len(KINDS)))
    kinds += chance.choices(KINDS, [kind.weight for kind in KINDS], k=count - len(kinds))
    return [_draw_case(kind, chance) for kind in kinds]


def _draw_case(kind: Kind, chance: random.Random) -> Case:
    return Case(
        **{"ending": Ending.SUCCESS} | kind.draw(chance),
        customer=chance.choice(CUSTOMERS),
        patience_s=chance.uniform(0.2, 0.8),
        tool_seconds=chance.uniform(0.01, 0.06),
        staging=chance.random() < 0.2,
    )


def _numbers(chance: random.Random) -> dict[str, Any]:
    return {
        "prompt_tokens": chance.randint(80, 1800),
        "completion_tokens": chance.randint(5, 220),
        "seconds": chance.lognormvariate(-2.7, 0.5),
    }


def _lookup(chance: random.Random, order: str) -> Turn:
    return call(("lookup_order", {"order_id": order}), **_numbers(chance))


def _refund(chance: random.Random, order: str) -> list[Turn]:
    pay = call(("issue_refund", {"order_id": order, "amount": ORDERS[order]}), **_numbers(chance))
    return [_lookup(chance, order), pay]


def _payable_order(chance: random.Random) -> str:
    return chance.choice([order for order in ORDERS if order != REFUSED_ORDER])


def _hand_over(chance: random.Random, tool: str, argument: str, text: str) -> list[Turn]:
    return [
        call(("classify_ticket", {"text": text}), **_numbers(chance)),
        call((tool, {argument: text}), **_numbers(chance)),
    ]


def _small_talk(chance: random.Random) -> dict[str, Any]:
    turns = {"support_triage": [say("We are open from 9 to 17.", **_numbers(chance))]}
    return {"agent": "support_triage", "prompt": "When are you open?", "turns": turns}


def _refund_alone(chance: random.Random) -> dict[str, Any]:
    order = _payable_order(chance)
    turns = {"refund_agent": [*_refund(chance, order), say("The money is on its way.", **_numbers(chance))]}
    return {"agent": "refund_agent", "prompt": f"Refund {order}", "turns": turns}


def _refund_after_retry(chance: random.Random) -> dict[str, Any]:
    order = _payable_order(chance)
    turns = [_lookup(chance, order[4:]), *_refund(chance, order), say("Found it and refunded it.", **_numbers(chance))]
    return {"agent": "refund_agent", "prompt": f"Refund order {order[4:]}", "turns": {"refund_agent": turns}}


def _refund_handed_over(chance: random.Random) -> dict[str, Any]:
    order = _payable_order(chance)
    text = f"I want a refund for {order}"
    turns = {
        "support_triage": [
            *_hand_over(chance, "ask_refund_agent", "request", text),
            say("Your refund is under way.", **_numbers(chance)),
        ],
        "refund_agent": [*_refund(chance, order), say("Refunded.", **_numbers(chance))],
    }
    return {"agent": "support_triage", "prompt": text, "turns": turns}


def _unknown_order(chance: random.Random) -> dict[str, Any]:
    order = f"ORD-{chance.randint(5000, 5999)}"
    turns = {"refund_agent": [_lookup(chance, order)]}
    return {"agent": "refund_agent", "prompt": f"Refund {order}", "turns": turns, "ending": Ending.FAILED}


def _refused_by_bank(chance: random.Random) -> dict[str, Any]:
    text = f"Please refund {REFUSED_ORDER}"
    turns = {
        "support_triage": _hand_over(chance, "ask_refund_agent", "request", text),
        "refund_agent": _refund(chance, REFUSED_ORDER),
    }
    return {"agent": "support_triage", "prompt": text, "turns": turns, "ending": Ending.FAILED}


def _search(chance: random.Random, page: str) -> Turn:
    query = {"query": "warranty"}
    calls = (("search_docs", query), ("search_tickets", query), ("fetch_page", {"url": f"https://handbook/{page}"}))
    return call(*calls, **_numbers(chance))


def _research_in_parallel(chance: random.Random) -> dict[str, Any]:
    turns = [_search(chance, "warranty"), say("Two years, says the handbook.", **_numbers(chance))]
    return {"agent": "research_agent", "prompt": "How long is the warranty?", "turns": {"research_agent": turns}}


def _research_handed_over(chance: random.Random) -> dict[str, Any]:
    text = "Does the warranty cover water damage?"
    turns = {
        "support_triage": [
            *_hand_over(chance, "ask_research_agent", "question", text),
            say("No, it does not.", **_numbers(chance)),
        ],
        "research_agent": [_search(chance, "water"), say("Not covered.", **_numbers(chance))],
    }
    return {"agent": "support_triage", "prompt": text, "turns": turns}


def _research_without_page(chance: random.Random) -> dict[str, Any]:
    turns = [_search(chance, "gone"), say("The page is gone; tickets say two years.", **_numbers(chance))]
    return {"agent": "research_agent", "prompt": "What does the handbook say?", "turns": {"research_agent": turns}}


def _model_overloaded(chance: random.Random) -> dict[str, Any]:
    error = ModelHTTPError(503, LARGE_MODEL, {"error": "overloaded"})
    turns = {"research_agent": [_search(chance, "prices"), Turn(error=error)]}
    return {"agent": "research_agent", "prompt": "Compare prices", "turns": turns, "ending": Ending.FAILED}


def _research_with_slow_page(chance: random.Random) -> dict[str, Any]:
    turns = [_search(chance, "slow"), say("The page is slow; tickets say two years.", **_numbers(chance))]
    return {"agent": "research_agent", "prompt": "What does the archive say?", "turns": {"research_agent": turns}}


def _customer_gives_up(chance: random.Random) -> dict[str, Any]:
    turns = {"research_agent": [_search(chance, "history"), Turn()]}
    return {"agent": "research_agent", "prompt": "Write the shop's history", "turns": turns, "ending": Ending.CUT_OFF}


KINDS: Sequence[Kind] = (
    Kind(14, _small_talk),
    Kind(12, _refund_alone),
    Kind(8, _refund_after_retry),
    Kind(16, _refund_handed_over),
    Kind(5, _unknown_order),
    Kind(4, _refused_by_bank),
    Kind(14, _research_in_parallel),
    Kind(10, _research_handed_over),
    Kind(5, _research_without_page),
    Kind(4, _model_overloaded),
    Kind(3, _research_with_slow_page),
    Kind(3, _customer_gives_up),
)
