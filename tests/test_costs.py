"""Where a step's and an execution's cost comes from: what a span states, else the model's list price."""

import pytest
from tests.folding import OUTPUT, only
from tests.spans import Sent, agent, chat, step, steps, tool

from stepwell_receiver import wire
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Role

PRICED = 0.00035
"""100 input tokens at 2.50 and 10 output tokens at 10 US dollars for a million: gpt-4o."""

UNKNOWN = {"gen_ai.request.model": "house-model"}


@pytest.mark.parametrize(
    ("attributes", "cost_usd"),
    [
        pytest.param({}, PRICED, id="list-price"),
        pytest.param({"gen_ai.response.model": "gpt-4o-2026-01-01"}, PRICED, id="of-the-model-asked-for"),
        pytest.param({"gen_ai.response.model": "gpt-4o-mini-2024-07-18"}, 0.000021, id="of-the-model-that-answered"),
        pytest.param({"gen_ai.usage.cache_read.input_tokens": 60}, 0.000275, id="cached-tokens-for-less"),
        pytest.param({"gen_ai.usage.cost": 0.25}, 0.25, id="a-stated-cost-wins"),
        pytest.param({"gen_ai.usage.cost": 0}, 0, id="also-where-it-is-nothing"),
        pytest.param({"gen_ai.provider.name": "ollama"}, None, id="on-ones-own-machine"),
        pytest.param({"gen_ai.provider.name": "strands-agents"}, PRICED, id="a-framework-for-a-provider"),
        pytest.param(UNKNOWN, None, id="unknown-model"),
    ],
)
def test_cost_of_a_model_call(attributes: wire.Attributes, cost_usd: float | None) -> None:
    assert step(chat("c", attributes=attributes)).cost_usd == cost_usd


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(
            {
                "openinference.span.kind": "LLM",
                "llm.provider": "anthropic",
                "llm.model_name": "claude-sonnet-4-5",
                "llm.token_count.prompt": 184,
                "llm.token_count.completion": 18,
                "llm.token_count.prompt_details.cache_read": 64,
            },
            id="openinference",
        ),
        pytest.param(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.provider": "anthropic.messages",
                "ai.model.id": "claude-sonnet-4-5",
                "ai.usage.promptTokens": 184,
                "ai.usage.completionTokens": 18,
                "ai.usage.cachedInputTokens": 64,
            },
            id="vercel",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "anthropic",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.usage.input_tokens": 184,
                "gen_ai.usage.output_tokens": 18,
                "gen_ai.usage.cache_read_input_tokens": 64,
            },
            id="genai",
        ),
    ],
)
def test_cost_in_other_dialects(attributes: wire.Attributes) -> None:
    """120 at 3, 64 at 0.30 and 18 at 15 US dollars for a million."""
    assert step(Sent("m", attributes)).cost_usd == 0.0006492


def test_embeddings_cost_and_have_no_output() -> None:
    attributes = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"}

    assert step(Sent("e", attributes | {"gen_ai.usage.input_tokens": 1000})).cost_usd == 0.00002


def test_usage_on_an_agent_has_no_price_of_its_own() -> None:
    usage = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}

    assert (step(agent("a", attributes=usage)).role, step(agent("a", attributes=usage)).cost_usd) == (Role.AGENT, None)


def test_a_call_that_still_runs_has_no_cost() -> None:
    assert step(chat("c", attributes={"stepwell.span.state": "started"})).cost_usd is None


def test_a_run_costs_what_its_model_calls_cost() -> None:
    calls = [chat(f"c{i}", parent="a", at_ms=i * 20) for i in range(3)]

    assert only(agent("a", for_ms=100, attributes=OUTPUT), *calls).cost_usd == 0.00105


def test_a_run_with_a_call_of_unknown_cost_has_an_unknown_cost() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("known", parent="a"),
        chat("unknown", parent="a", at_ms=20, attributes=UNKNOWN),
    )

    assert (run.prompt_tokens, run.cost_usd) == (200, None)


@pytest.mark.parametrize("tokens", [None, (0, 0)], ids=["none-told", "none-used"])
def test_a_call_that_used_no_tokens_leaves_the_cost_of_the_others(tokens: tuple[int, int] | None) -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("failed", tokens, parent="a", status=wire.STATUS_ERROR),
        chat("again", parent="a", at_ms=20),
    )

    assert run.cost_usd == PRICED


def test_a_call_that_is_reported_twice_costs_once() -> None:
    same = {"gen_ai.response.id": "r1"}
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("sdk", parent="a", scope="sdk", attributes=same),
        chat("otel", parent="a", scope="otel", attributes=same),
    )

    assert run.cost_usd == PRICED


def test_embeddings_stay_outside_a_runs_cost_as_their_tokens_do() -> None:
    embedding = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "text-embedding-3-small",
        "gen_ai.usage.input_tokens": 1000,
    }
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        tool("t", parent="a"),
        Sent("e", embedding, parent="t"),
        chat("c", parent="a", at_ms=20),
    )

    assert run.cost_usd == PRICED


def test_the_sum_of_costs_does_not_depend_on_their_order() -> None:
    costs = [0.1, 0.2, 0.3]

    def total(given: list[float]) -> float | None:
        calls = [
            chat(f"c{i}", parent="a", at_ms=i * 20, attributes={"gen_ai.usage.cost": cost})
            for i, cost in enumerate(given)
        ]
        return only(agent("a", for_ms=100, attributes=OUTPUT), *calls).cost_usd

    assert total(costs) == total(costs[::-1]) == 0.6


@pytest.mark.parametrize(
    ("stated", "cost", "rate", "expected"),
    [
        pytest.param(None, 0.25, None, None, id="no-rate"),
        pytest.param(None, 0.25, 100.0, 25.0, id="cost-times-rate"),
        pytest.param(None, 0.25, 0.0, 0.0, id="free"),
        pytest.param(2.5, 0.25, 100.0, 2.5, id="stated-credits-win"),
        pytest.param(0, 0.25, 100.0, 0.0, id="stated-as-none"),
        pytest.param(2.5, None, None, 2.5, id="stated-without-a-rate"),
        pytest.param(None, None, 100.0, None, id="unknown-cost"),
    ],
)
def test_credits_are_stated_or_the_cost_at_the_workspaces_rate(
    stated: float | None, cost: float | None, rate: float | None, expected: float | None
) -> None:
    given = {"stepwell.credits": stated, "gen_ai.usage.cost": cost}
    call = chat("c", parent="a", attributes=UNKNOWN | {key: value for key, value in given.items() if value is not None})

    (run,) = fold_trace(steps(agent("a", for_ms=100, attributes=OUTPUT), call), credits_per_usd=rate)

    assert run.credits == expected
