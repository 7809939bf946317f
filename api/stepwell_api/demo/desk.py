"""The support desk: three agents with real tools over a small shop's data.

`support_triage` answers customers and hands over to `refund_agent` and `research_agent`, which also run alone. How a
tool call goes depends on its arguments alone: a malformed order number is sent back to the model, an unknown one fails
the run, a card that is refused too.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.exceptions import ToolFailed

from stepwell_api.demo.script import Script

ORDERS: Mapping[str, float] = {"ORD-1001": 39.9, "ORD-1002": 120.0, "ORD-1003": 15.5, "ORD-1004": 260.0}
REFUSED_ORDER = "ORD-1004"
PAGE_TIMEOUT_S = 0.5
ORDER_NUMBER = re.compile(r"ORD-\d+")


class OrderNotFoundError(Exception):
    """No order has this number."""


class PaymentDeclinedError(Exception):
    """The customer's bank refuses the refund."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a run needs: the script of each agent's model, where its telemetry goes, and how fast its tools are."""

    scripts: Mapping[str, Script]
    instrumentation: Instrumentation
    tool_seconds: float

    async def run(self, agent: Agent["Desk", str], prompt: str) -> str:
        """Runs an agent on its script; raises what the run raises."""
        model = self.scripts[agent.name or ""].model()
        result = await agent.run(prompt, model=model, deps=self, capabilities=[self.instrumentation])
        return result.output


triage = Agent(name="support_triage", deps_type=Desk, instructions="Answer the customer, or hand over.")
refunds = Agent(name="refund_agent", deps_type=Desk, instructions="Refund what the rules allow.")
research = Agent(name="research_agent", deps_type=Desk, instructions="Find out, and name your sources.")
AGENTS = {"support_triage": triage, "refund_agent": refunds, "research_agent": research}


@triage.tool
async def classify_ticket(ctx: RunContext[Desk], text: str) -> str:
    """Tells what a ticket is about."""
    await asyncio.sleep(ctx.deps.tool_seconds)
    return "refund" if "refund" in text.lower() else "question"


@triage.tool
async def ask_refund_agent(ctx: RunContext[Desk], request: str) -> str:
    """Hands the case over to the refund agent."""
    return await ctx.deps.run(refunds, request)


@triage.tool
async def ask_research_agent(ctx: RunContext[Desk], question: str) -> str:
    """Hands a question over to the research agent."""
    return await ctx.deps.run(research, question)


@refunds.tool
async def lookup_order(ctx: RunContext[Desk], order_id: str) -> float:
    """The amount of an order."""
    await asyncio.sleep(ctx.deps.tool_seconds)
    if not ORDER_NUMBER.fullmatch(order_id):
        raise ModelRetry(f"{order_id} is no order number; they look like ORD-1234")
    if order_id not in ORDERS:
        raise OrderNotFoundError(f"There is no order {order_id}")
    return ORDERS[order_id]


@refunds.tool
async def issue_refund(ctx: RunContext[Desk], order_id: str, amount: float) -> str:
    """Pays an amount back."""
    await asyncio.sleep(2 * ctx.deps.tool_seconds)
    if order_id == REFUSED_ORDER:
        raise PaymentDeclinedError(f"The bank refused {amount:.2f} for {order_id}")
    return f"refunded {amount:.2f}"


@research.tool
async def search_docs(ctx: RunContext[Desk], query: str) -> list[str]:
    """Searches the handbook."""
    await asyncio.sleep(2 * ctx.deps.tool_seconds)
    return [f"handbook: {query}"]


@research.tool
async def search_tickets(ctx: RunContext[Desk], query: str) -> list[str]:
    """Searches earlier tickets."""
    await asyncio.sleep(3 * ctx.deps.tool_seconds)
    return [f"ticket: {query}"]


@research.tool(timeout=PAGE_TIMEOUT_S)
async def fetch_page(ctx: RunContext[Desk], url: str) -> str:
    """Fetches a page of the handbook; one that is gone or too slow is reported to the model."""
    await asyncio.sleep(2 * PAGE_TIMEOUT_S if url.endswith("/slow") else ctx.deps.tool_seconds)
    if url.endswith("/gone"):
        raise ToolFailed(f"410 Gone: {url}")
    return f"contents of {url}"
