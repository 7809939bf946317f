"""Compares the runs that were sent with what the API shows of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepwell_api.demo.cases import Ending
from stepwell_api.demo.player import Sent
from stepwell_api.demo.server import Server

ENDINGS = {"success": Ending.SUCCESS, "failed": Ending.FAILED, "cancelled": Ending.CUT_OFF, "timeout": Ending.CUT_OFF}


@dataclass(frozen=True, slots=True)
class Figures:
    """A run in the figures that are compared. `ending` is another word while the run is not over."""

    agent: str
    ending: str
    prompt_tokens: int
    completion_tokens: int
    model_calls: int
    tool_calls: int


@dataclass(frozen=True, slots=True)
class Shown:
    """An execution as the API shows it."""

    execution_id: str
    figures: Figures


class Comparison:
    """What is shown of each run that was sent; `refresh` looks again at those that still differ."""

    def __init__(self, sent: Iterable[Sent]) -> None:
        self.sent: Mapping[str, Figures] = {run.trace_id: _figures_sent(run) for run in sent}
        self.shown: dict[str, list[Shown]] = {}

    def refresh(self, api: Server) -> None:
        """Reads the runs that differ anew."""
        differing = self.differing()
        rows = api.executions(differing)
        self.shown |= {trace_id: [] for trace_id in differing}
        for row in rows:
            figures = _figures_shown(row, api.steps(row["execution_id"]))
            self.shown[row["trace_id"]].append(Shown(row["execution_id"], figures))

    def differing(self) -> Sequence[str]:
        """Traces that are not shown as exactly the one run that was sent."""
        return [trace_id for trace_id, figures in self.sent.items() if self._figures(trace_id) != [figures]]

    def totals(self) -> list[tuple[str, int, int]]:
        """Name, sent and shown of each total."""
        sent, shown = _sum(self.sent.values()), _sum(run.figures for runs in self.shown.values() for run in runs)
        return [(name, sent[name], shown[name]) for name in dict.fromkeys([*sent, *shown])]

    def _figures(self, trace_id: str) -> list[Figures]:
        return [run.figures for run in self.shown.get(trace_id, [])]


def _figures_sent(run: Sent) -> Figures:
    totals = run.totals
    return Figures(
        agent=run.agent,
        ending=run.ending,
        prompt_tokens=totals.prompt_tokens,
        completion_tokens=totals.completion_tokens,
        model_calls=totals.model_calls,
        tool_calls=totals.tool_calls,
    )


def _figures_shown(row: Mapping[str, Any], steps: Iterable[Mapping[str, Any]]) -> Figures:
    operations = Counter(step["operation"] for step in steps)
    return Figures(
        agent=row["agent_id"],
        ending=ENDINGS.get(row["status"], row["status"]),
        prompt_tokens=row["prompt_tokens"] or 0,
        completion_tokens=row["completion_tokens"] or 0,
        model_calls=operations["chat"],
        tool_calls=operations["execute_tool"],
    )


def _sum(runs: Iterable[Figures]) -> Counter[str]:
    totals: Counter[str] = Counter({"runs": 0} | {str(ending): 0 for ending in Ending})
    for run in runs:
        totals["runs"] += 1
        totals[run.ending] += 1
        totals["prompt tokens"] += run.prompt_tokens
        totals["completion tokens"] += run.completion_tokens
        totals["model calls"] += run.model_calls
        totals["tool calls"] += run.tool_calls
    return totals
