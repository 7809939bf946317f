"""How well suggestions find what was planted, and say nothing where there is nothing.

    python -m bench.patterns [--seeds 20] [--quiet 5] [--kinds …] [--through-product]

For each seed: an agent with one pattern of each kind, near misses of each kind, and agents without any pattern. Reports
precision, recall, what was told instead, and false suggestions per agent that should have none.
"""

import argparse
import contextlib
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.near_misses import NEAR_MISSES
from bench.planted import simulate
from bench.planted_cases import PLANTED, Case, planted_case, quiet_case
from bench.planted_records import sample_of
from bench.planted_wire import DIALECTS, ask, bodies_of, send
from bench.stack import Api, running_stepwell

from stepwell_api.insight.suggestions import suggest

Suggestions = Sequence[dict[str, Any]]
Ask = Callable[[Case, int], Suggestions]
"""A case and its seed → the suggestions."""


@dataclass(slots=True)
class Score:
    """Counts over all cases."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    told: int = 0
    right: int = 0
    quiet_agents: int = 0
    quiet_told: int = 0
    instead: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(case, kind that was told and should not have been)."""
    missed: list[str] = field(default_factory=list)

    def add(self, case: Case, suggestions: Suggestions, seed: int) -> None:
        """Adds one agent's suggestions."""
        right = [s for s in suggestions if s["kind"] == case.kind and case.is_right(s["target"])][:1]
        self.told += len(suggestions)
        self.right += len(right)
        for suggestion in suggestions:
            if suggestion not in right:
                self.instead[case.name, suggestion["kind"]] += 1
                self.missed.append(f"seed {seed} {case.name}: told {suggestion['kind']} {suggestion['target']}")
        if case.kind is None:
            self.quiet_agents += 1
            self.quiet_told += len(suggestions)
            return
        self.planted[case.kind] += 1
        self.found[case.kind] += len(right)
        if not right:
            self.missed.append(f"seed {seed} {case.name}: missed ({case.plan.runs} runs, {case.plan.days} days)")

    def report(self) -> Iterator[str]:
        """The figures, line by line."""
        for kind in sorted(self.planted):
            yield f"{kind:24} {self.found[kind]:4} of {self.planted[kind]:4} found"
        yield f"recall    {sum(self.found.values()) / max(sum(self.planted.values()), 1):.4f}"
        yield f"precision {self.right / max(self.told, 1):.4f}"
        agents = max(self.quiet_agents, 1)
        yield f"false suggestions in {self.quiet_agents} agents without a pattern: {self.quiet_told}, " + (
            f"{self.quiet_told / agents * 50:.2f} per 50"
        )
        for (case, kind), count in self.instead.most_common():
            yield f"  {case}: told {kind} {count} times"


def cases_of(seed: int, quiet: int, only: Sequence[str]) -> Iterator[Case]:
    """All cases of one seed."""
    for kind in PLANTED:
        if not only or kind.value in only:
            yield planted_case(kind, Random(f"{seed} {kind}"))
    for name, make in NEAR_MISSES.items():
        if not only or name in only:
            yield make(Random(f"{seed} {name}"))
    for number in range(0 if only else quiet):
        yield quiet_case(Random(f"{seed} quiet {number}"))


def direct(case: Case, seed: int) -> Suggestions:
    """The suggestions on the planned runs themselves."""
    runs = simulate(case.plan, Random(f"{seed} {case.plan.agent_id}"))
    return suggest(sample_of(case.plan, runs))


@contextlib.contextmanager
def through_product() -> Iterator[Ask]:
    """Asks a Stepwell of our own: spans in, each agent in a dialect by turns, suggestions out."""
    with running_stepwell() as stack:
        api, dialects = Api(stack.api), itertools.cycle(DIALECTS.items())

        def ask_for(case: Case, seed: int) -> Suggestions:
            name, dialect = next(dialects)
            dice = Random(f"{seed} {case.plan.agent_id}")
            case.plan.agent_id += f"-{name}"
            runs = simulate(case.plan, dice)
            send(bodies_of(case.plan, runs, dialect), stack.otlp_http)
            return ask(api, case.plan, len(runs))

        yield ask_for


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 1 where it falls short of the targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--quiet", type=int, default=5, help="agents without a pattern, for each seed")
    parser.add_argument("--kinds", nargs="*", default=[], help="kinds, or near misses, to try alone")
    parser.add_argument("--verbose", action="store_true", help="name every miss")
    parser.add_argument("--through-product", action="store_true", help="send spans, and ask the API")
    asked = parser.parse_args(arguments)
    score = Score()
    with through_product() if asked.through_product else contextlib.nullcontext(direct) as ask_for:
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            for case in cases_of(seed, asked.quiet, asked.kinds):
                score.add(case, ask_for(case, seed), seed)
    for line in [*(score.missed if asked.verbose else ()), *score.report()]:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
