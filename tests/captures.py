"""Captures of real agent frameworks with what was scripted in them, and the questions that each must answer.

A capture is a folder with the OTLP request bodies as a collector received them and a ``truth.json``: runs with agent,
status, model and tool calls and tokens. Fields ``visible_*`` say what the spans tell where that is less than the
script knew; ``alternatives`` are further readings that are right too.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("STEPWELL_CORPUS", Path(__file__).parent / "corpus"))
MODEL_OPERATIONS = frozenset(("chat", "generate_content", "text_completion"))
UNFINISHED = ("pending", "running")


@dataclass(frozen=True, slots=True)
class Capture:
    """One scenario of one framework."""

    name: str
    folder: Path

    def bodies(self, signal: str = "traces") -> list[bytes]:
        """The request bodies of a signal, protobuf, in the order of their arrival."""
        lines = (self.folder / "requests" / "index.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [(self.folder / "requests" / e["file"]).read_bytes() for e in entries if e["signal"] == signal]

    def truth(self) -> dict[str, Any]:
        """What was scripted."""
        truth: dict[str, Any] = json.loads((self.folder / "truth.json").read_text())
        return truth


@dataclass(frozen=True, slots=True)
class Run:
    """What is asked of an execution."""

    agent_id: str
    status: str
    prompt_tokens: int | None
    completion_tokens: int | None
    session_id: str | None
    calls: tuple[tuple[str, str, str], ...]
    """(operation, step name, status) of its steps."""


def captures(*frameworks: str) -> list[Capture]:
    """All captures, or those of the named instrumentations."""
    folders = sorted(path.parent for path in FOLDER.glob("*/truth.json"))
    found = [Capture(folder.name, folder) for folder in folders]
    return [c for c in found if not frameworks or c.name.partition("__")[0] in frameworks]


def wrong_answers(truth: dict[str, Any], runs: Sequence[Run]) -> dict[str, tuple[Any, Any]]:
    """Question → (wanted, got) where the runs differ from the truth, under the reading that fits best."""
    readings = [truth, *({**truth, **other} for other in truth.get("alternatives", ()))]
    return min((_differences(reading, runs) for reading in readings), key=len)


def _differences(truth: dict[str, Any], runs: Sequence[Run]) -> dict[str, tuple[Any, Any]]:
    questions = chain(_count(truth, runs), _agents_and_statuses(truth, runs), _tokens(truth, runs), _calls(truth, runs))
    return {name: (wanted, got) for name, wanted, got, fits in questions if not fits}


Answer = tuple[str, Any, Any, bool]


def _top_runs(truth: dict[str, Any]) -> list[dict[str, Any]]:
    if truth["agent_runs"] == 0:
        return []
    return [run for run in truth["runs"] if not run.get("parent_agent")]


def _wanted_count(truth: dict[str, Any]) -> int:
    count: int = truth["top_level_runs"] if truth["agent_runs"] else len(truth["orphan_llm_calls"])
    return count


def _count(truth: dict[str, Any], runs: Sequence[Run]) -> Iterable[Answer]:
    wanted = _wanted_count(truth)
    yield "executions", wanted, len(runs), wanted == len(runs)


def _agents_and_statuses(truth: dict[str, Any], runs: Sequence[Run]) -> Iterable[Answer]:
    scripted = _top_runs(truth)
    agents = truth.get("visible_agents", [run["agent"] for run in scripted])
    got = [run.agent_id for run in runs]
    if agents and None not in agents and ("visible_agents" in truth or len(agents) == _wanted_count(truth)):
        yield "agents", agents, got, _pair_up(agents, got, _is_agent)
    statuses = truth.get("visible_status", [run["status"] for run in scripted])
    if statuses:
        ended = [run.status for run in runs]
        yield "status", statuses, ended, _pair_up(statuses, ended, _is_status)
    sessions = {run["session_id"] for run in scripted if run.get("session_id")}
    if sessions:
        told = {run.session_id for run in runs}
        yield "sessions", sessions, told, sessions == told


def _tokens(truth: dict[str, Any], runs: Sequence[Run]) -> Iterable[Answer]:
    totals = truth["expected_totals"]
    wanted = truth.get("visible_tokens_total", [totals["prompt_tokens"], totals["completion_tokens"]])
    if wanted is not None:
        got = [sum(run.prompt_tokens or 0 for run in runs), sum(run.completion_tokens or 0 for run in runs)]
        yield "tokens", wanted, got, list(wanted) == got


def _calls(truth: dict[str, Any], runs: Sequence[Run]) -> Iterable[Answer]:
    steps = [step for run in runs for step in run.calls]
    wanted = truth.get("visible_llm_calls_total", truth["expected_totals"]["llm_calls"])
    models = sum(operation in MODEL_OPERATIONS for operation, _, _ in steps)
    yield "model calls", wanted, models, wanted == models
    scripted = [(call["name"], call["status"]) for run in truth["runs"] for call in run["tools"]]
    tools = sorted((name, status == "success") for name, status in truth.get("visible_tools", scripted))
    got = sorted((name, status == "success") for operation, name, status in steps if operation == "execute_tool")
    yield "tool calls", tools, got, tools == got


def _is_agent(wanted: Any, got: str) -> bool:
    return got in wanted if isinstance(wanted, list) else got == wanted


def _is_status(wanted: str, got: str) -> bool:
    if wanted in ("success", "open"):
        return (got == "success") == (wanted == "success")
    return wanted == "any" or (got != "success" and got not in UNFINISHED)


def _pair_up(wanted: Sequence[Any], got: Sequence[str], fits: Callable[[Any, str], bool]) -> bool:
    """Whether every wanted thing has a got one of its own that fits, and none is left over."""
    if len(wanted) != len(got):
        return False
    if not wanted:
        return True
    rest = wanted[1:]
    return any(fits(wanted[0], g) and _pair_up(rest, [*got[:i], *got[i + 1 :]], fits) for i, g in enumerate(got))
