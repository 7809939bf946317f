"""Patterns that are planted are found, as they are; agents without any get no suggestion."""

from random import Random

import orjson
import pytest
from bench.near_misses import NEAR_MISSES
from bench.planted import simulate
from bench.planted_cases import PLANTED, Case, planted_case, quiet_case
from bench.planted_records import sample_of

from stepwell_api.insight.finding import Kind
from stepwell_api.insight.suggestions import suggest
from stepwell_api.models.suggestions import SuggestionList

OPEN = {"state": "open", "note": None, "changed_at": None, "is_current": True, "effect": None}
WINDOW = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}


def suggestions(case: Case) -> list[dict[str, object]]:
    found = suggest(sample_of(case.plan, simulate(case.plan, Random(case.plan.agent_id))))
    told = [{**suggestion, **OPEN} for suggestion in found]
    SuggestionList.model_validate_json(orjson.dumps({"items": told, "next_cursor": None, **WINDOW}))
    return found


@pytest.mark.parametrize("kind", PLANTED, ids=lambda kind: kind.value)
def test_planted_pattern_is_the_one_suggestion(kind: Kind) -> None:
    case = planted_case(kind, Random(f"planted {kind}"))
    found = suggestions(case)
    assert [suggestion["kind"] for suggestion in found] == [kind]
    assert case.is_right(found[0]["target"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_near_miss_gets_no_suggestion(name: str) -> None:
    assert suggestions(NEAR_MISSES[name](Random(f"near {name}"))) == []


@pytest.mark.parametrize("seed", range(4))
def test_agent_without_a_pattern_gets_no_suggestion(seed: int) -> None:
    assert suggestions(quiet_case(Random(f"quiet {seed}"))) == []
