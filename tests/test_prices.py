"""What model calls cost: figures computed by hand from published prices, and the names that lead to them."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.types import ClauseEquals, ConditionalPrice, ModelInfo, ModelPrice, TimeOfDateConstraint
from hypothesis import given
from hypothesis import strategies as st

from stepwell_receiver import prices, vendors

LISTED = [(provider, model) for provider in providers for model in provider.models]
AUTUMN = datetime(2026, 9, 21, 12, tzinfo=UTC)


def ns(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def cost(
    model: str | None,
    prompt: int | None = 1000,
    completion: int | None = 100,
    *,
    read: int | None = None,
    written: int | None = None,
    thought: int | None = None,
    requested: str | None = None,
    provider: str | None = "openai",
    at: datetime = AUTUMN,
) -> float | None:
    tariff = None if model is None else prices.tariff_of_call(model, requested, provider)
    return None if tariff is None else prices.call_usd(tariff, ns(at), (prompt, completion, read, written, thought))


def listed(model: str, provider: str | None, requested: str | None = None) -> str | None:
    """The price list and the entry that names lead to, as ``list/entry``."""
    found = vendors.find(model, requested, provider)
    return next((f"{seller.id}/{entry.id}" for seller, entry in LISTED if entry is found), None)


# Figures


@pytest.mark.parametrize(
    ("expected", "call"),
    [
        pytest.param(0.0035, {"model": "gpt-4o"}, id="input-at-2.50-and-output-at-10"),
        pytest.param(0.003, {"model": "gpt-4o", "read": 400}, id="cached-input-at-1.25"),
        pytest.param(0.00021, {"model": "gpt-4o-mini"}, id="input-at-0.15-and-output-at-0.60"),
        pytest.param(0.0033, {"model": "o4-mini", "completion": 500, "thought": 300}, id="reasoning-is-output"),
        pytest.param(
            0.0228,
            {
                "model": "claude-sonnet-4-5",
                "provider": "anthropic",
                **{"prompt": 10_000, "completion": 500, "read": 6000, "written": 2000},
            },
            id="3-and-cached-at-0.30-and-written-at-3.75-and-output-at-15",
        ),
        pytest.param(
            0.0228,
            {
                "model": "claude-sonnet-4-5",
                "provider": "anthropic",
                **{"prompt": 2000, "completion": 500, "read": 6000, "written": 2000},
            },
            id="cached-tokens-beyond-the-input-were-counted-apart",
        ),
        pytest.param(
            0.0044, {"model": "o4-mini", "completion": 300, "thought": 450}, id="so-was-reasoning-beyond-the-output"
        ),
        pytest.param(
            0.26, {"model": "gemini-2.5-pro", "provider": "gcp.gemini", "prompt": 200_000, "completion": 1000},
            id="up-to-a-tier-at-1.25-and-10",
        ),
        pytest.param(
            0.5150025, {"model": "gemini-2.5-pro", "provider": "gcp.gemini", "prompt": 200_001, "completion": 1000},
            id="beyond-a-tier-all-of-it-at-2.50-and-15",
        ),
        pytest.param(
            0.1200006, {"model": "claude-sonnet-4-5", "provider": "anthropic", "completion": 0,
                        "prompt": 200_001, "read": 200_001},
            id="cached-tokens-count-towards-a-tier",
        ),
        pytest.param(
            0.00002, {"model": "text-embedding-3-small", "completion": None}, id="embeddings-have-no-output-to-know"
        ),
        pytest.param(0.00002, {"model": "text-embedding-3-small", "completion": 0}, id="or-none"),
        pytest.param(0.0025, {"model": "gpt-4o", "completion": 0}, id="a-call-that-returned-nothing"),
        pytest.param(
            0.00363, {"model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "provider": "aws.bedrock", "read": 1000,
                      "prompt": 1000, "completion": 200}, id="a-region-of-bedrock-at-3.30-0.33-16.50",
        ),
    ],
)  # fmt: skip
def test_cost_of_a_call(expected: float, call: dict[str, Any]) -> None:
    assert cost(**call) == expected


@pytest.mark.parametrize(
    "call",
    [
        pytest.param({"model": "gpt-99-ultra"}, id="unknown-model"),
        pytest.param({"model": None}, id="no-model"),
        pytest.param({"model": "gpt-4o", "prompt": None}, id="unknown-input"),
        pytest.param({"model": "gpt-4o", "completion": None}, id="unknown-output"),
        pytest.param({"model": "gpt-4o", "prompt": 0, "completion": 0}, id="no-tokens"),
        pytest.param({"model": "gpt-4o", "prompt": 0, "completion": None}, id="no-input-and-unknown-output"),
        pytest.param({"model": "text-embedding-3-small", "completion": 1}, id="output-of-a-model-that-has-none"),
        pytest.param({"model": "gpt-realtime"}, id="tokens-that-may-be-sound"),
        pytest.param({"model": "whisper-1"}, id="priced-by-the-hour"),
        pytest.param({"model": "sonar", "provider": "perplexity"}, id="priced-by-the-search-as-well"),
        pytest.param({"model": "gpt-4o" + " " * 300}, id="a-name-beyond-reason"),
    ],
)
def test_what_cannot_be_priced_has_no_cost(call: dict[str, Any]) -> None:
    assert cost(**call) is None


@pytest.mark.parametrize(
    ("expected", "model", "provider", "at"),
    [
        pytest.param(0.014, "o3", "openai", datetime(2025, 6, 9, 23, 59, 59, 999_999, UTC), id="o3-at-10-and-40"),
        pytest.param(0.0028, "o3", "openai", datetime(2025, 6, 10, tzinfo=UTC), id="o3-from-june-2025-at-2-and-8"),
        pytest.param(
            0.00019, "deepseek-chat", "deepseek", datetime(2026, 9, 21, 0, 29, 59, tzinfo=UTC), id="off-peak-at-night"
        ),
        pytest.param(0.00038, "deepseek-chat", "deepseek", datetime(2026, 9, 21, 0, 30, tzinfo=UTC), id="by-day"),
        pytest.param(0.00019, "deepseek-chat", "deepseek", datetime(2026, 9, 21, 16, 30, tzinfo=UTC), id="off-peak"),
    ],
)
def test_prices_are_those_of_the_calls_time(expected: float, model: str, provider: str, at: datetime) -> None:
    assert cost(model, provider=provider, at=at) == expected


def test_a_long_context_lost_its_surcharge_on_the_day_of_the_change() -> None:
    call: dict[str, Any] = {
        "model": "claude-sonnet-4-6",
        "prompt": 300_000,
        "completion": 1000,
        "provider": "anthropic",
    }

    assert cost(**call, at=datetime(2026, 3, 12, 23, tzinfo=UTC)) == 1.8225
    assert cost(**call, at=datetime(2026, 3, 13, tzinfo=UTC)) == 0.915


# Names


@pytest.mark.parametrize(
    ("provider", "model", "entry"),
    [
        pytest.param("openai", "gpt-4o", "openai/gpt-4o", id="openai"),
        pytest.param("OpenAI", "GPT-4o", "openai/gpt-4o", id="case"),
        pytest.param("openai.responses", "o3", "openai/o3", id="vercel-openai"),
        pytest.param("azure.ai.openai", "gpt-4o-2024-11-20", "openai/gpt-4o", id="azure-openai"),
        pytest.param("az.ai.inference", "phi-4", "azure/phi-4", id="azure-inference"),
        pytest.param("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5", id="anthropic"),
        pytest.param(
            "aws.bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0", id="bedrock",
        ),
        pytest.param(
            "aws.bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0", id="bedrock-profile",
        ),
        pytest.param(
            "strands-agents", "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws/global.anthropic.claude-sonnet-4-5-20250929-v1:0", id="bedrock-known-by-the-name-alone",
        ),
        pytest.param("gcp.gemini", "models/gemini-2.5-flash", "google/gemini-2.5-flash", id="gemini-path"),
        pytest.param(
            "gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro", id="vertex-path"
        ),
        pytest.param("gcp.vertex_ai", "claude-sonnet-4@20250514", "google/claude-4-sonnet", id="vertex-other-maker"),
        pytest.param("google", "gemini-2.5-flash", "google/gemini-2.5-flash", id="google"),
        pytest.param("mistral_ai", "mistral-large-latest", "mistral/mistral-large", id="mistral"),
        pytest.param("groq", "openai/gpt-oss-120b", "groq/openai/gpt-oss-120b", id="groq"),
        pytest.param("deepseek", "deepseek-chat", "deepseek/deepseek-chat", id="deepseek"),
        pytest.param("cohere", "command-a-03-2025", "cohere/command-a", id="cohere"),
        pytest.param("x_ai", "grok-4", "x-ai/grok-4-0709", id="x-ai"),
        pytest.param(
            "openrouter", "anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5", id="openrouter"
        ),
        pytest.param("microsoft.agent_framework", "gpt-4o", "openai/gpt-4o", id="framework-and-gpt"),
        pytest.param("langchain", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", id="framework-and-claude"),
        pytest.param("gcp.vertex.agent", "gemini-2.5-flash", "google/gemini-2.5-flash", id="framework-and-gemini"),
        pytest.param(None, "grok-4", "x-ai/grok-4-0709", id="no-provider"),
        pytest.param(None, "text-embedding-3-small", "openai/text-embedding-3-small", id="no-provider-embeddings"),
        pytest.param("gcp.vertex.agent", "openai/gpt-4o", "openai/gpt-4o", id="author"),
        pytest.param("litellm", "azure/gpt-4o", "openai/gpt-4o", id="route"),
        pytest.param("litellm", "vertex_ai/gemini-2.5-flash", "google/gemini-2.5-flash", id="route-with-underscore"),
        pytest.param("openai", "gemini-2.5-flash", "google/gemini-2.5-flash", id="openais-client-for-another-maker"),
        pytest.param("openai", "google/gemini-2.5-flash", "google/gemini-2.5-flash", id="openais-client-for-a-gateway"),
        pytest.param("openai", "gpt-4o-mini-2026-01-01", "openai/gpt-4o-mini", id="unknown-date"),
        pytest.param("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", id="date-with-a-price-of-its-own"),
        pytest.param("openai", "ft:gpt-4o-mini-2024-07-18:org::id", "openai/ft:gpt-4o-mini", id="fine-tuned"),
    ],
)  # fmt: skip
def test_names_on_the_wire_lead_to_a_price(provider: str | None, model: str, entry: str) -> None:
    assert listed(model, provider) == entry


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        pytest.param("ollama", "gpt-oss:20b", id="own-machine"),
        pytest.param("vllm", "gpt-4o", id="own-machine-under-a-known-name"),
        pytest.param("ibm.watsonx.ai", "mistralai/mistral-large", id="vendor-without-a-list"),
        pytest.param("langchain", "deepseek-r1:8b", id="open-model-run-by-someone"),
        pytest.param(None, "mistral-nemo", id="open-model-run-by-anyone"),
        pytest.param("openai", "gpt-oss-120b", id="open-model-that-its-maker-does-not-sell"),
        pytest.param("openai", "deepseek/deepseek-chat", id="open-model-at-a-gateway"),
        pytest.param("az.ai.inference", "DeepSeek-R1", id="open-model-in-a-cloud"),
        pytest.param("azure.ai.openai", "my-deployment", id="deployment"),
        pytest.param("aws.bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", id="own-profile"),
        pytest.param("groq", "gpt-4o", id="model-that-the-vendor-does-not-have"),
        pytest.param("openai", "", id="empty"),
        pytest.param("openai", "azure/" * 30, id="routes-without-a-model"),
        pytest.param("openai", "/", id="slash"),
    ],
)
def test_names_that_leave_a_doubt_lead_to_none(provider: str | None, model: str) -> None:
    assert listed(model, provider) is None


@pytest.mark.parametrize(
    ("requested", "answered", "provider", "entry"),
    [
        pytest.param("gpt-4o", "gpt-4o-2026-01-01", "openai", "openai/gpt-4o", id="unknown-date"),
        pytest.param("my-deployment", "gpt-4o-2024-11-20", "azure", "openai/gpt-4o", id="deployment"),
        pytest.param("gpt-4o", "gpt-4o-mini", "openai", "openai/gpt-4o-mini", id="the-answering-model-counts"),
        pytest.param("gpt-4o", "house-model", "openai", None, id="another-model-answered"),
        pytest.param(
            "bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929", "litellm",
            "aws/global.anthropic.claude-sonnet-4-5-20250929-v1:0", id="only-the-request-tells-the-region",
        ),
    ],
)  # fmt: skip
def test_the_model_asked_for_helps_where_the_answer_tells_less(
    requested: str, answered: str, provider: str, entry: str | None
) -> None:
    assert listed(answered, provider, requested) == entry


# The whole price list

TOKENS = st.integers(0, 2_000_000)


def priceable() -> Iterator[ModelInfo]:
    for _, model in LISTED:
        if prices.tariff_of(model) is not None:
            yield model


def every(model: ModelInfo) -> list[ModelPrice]:
    return [model.prices] if isinstance(model.prices, ModelPrice) else [price.prices for price in model.prices]


def test_most_of_the_list_is_priced() -> None:
    assert len(list(priceable())) > len(LISTED) * 0.9


@given(
    model=st.sampled_from(list(priceable())),
    at=st.datetimes(datetime(2023, 1, 1), datetime(2028, 1, 1)),
    data=st.data(),
)
def test_costs_are_those_of_the_packages_own_calculation(model: ModelInfo, at: datetime, data: st.DataObject) -> None:
    plain, read, written, output, thought = (data.draw(TOKENS) for _ in range(5))
    has_output = all(price.output_mtok is not None for price in every(model))
    usage = Usage(
        input_tokens=plain + read + written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=output + thought if has_output else 0,
        output_reasoning_tokens=thought if has_output else 0,
    )
    moment = at.replace(tzinfo=UTC)
    tariff = prices.tariff_of(model)

    assert tariff is not None
    assert tariff.cost_usd(
        at_ns=ns(moment),
        prompt_tokens=plain + read + written,
        completion_tokens=output + thought if has_output else 0,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=thought if has_output else 0,
    ) == float(model.calc_price(usage, LISTED[0][0], genai_request_timestamp=moment).total_price)


def test_a_price_for_a_time_of_day_may_cross_midnight() -> None:
    by_night = ConditionalPrice(TimeOfDateConstraint(time(22), time(6)), prices=ModelPrice(input_mtok=Decimal(1)))
    by_day = ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(2)))
    tariff = prices.tariff_of(ModelInfo("m", ClauseEquals("m"), prices=[by_day, by_night]))

    def cost_at(hour: int, minute: int) -> float | None:
        assert tariff is not None
        return tariff.cost_usd(
            at_ns=ns(datetime(2026, 9, 21, hour, minute, tzinfo=UTC)),
            prompt_tokens=1_000_000,
            completion_tokens=None,
            cache_read_tokens=0,
            cache_write_tokens=0,
            reasoning_tokens=0,
        )

    assert [cost_at(21, 59), cost_at(22, 0), cost_at(0, 0), cost_at(5, 59), cost_at(6, 0)] == [2, 1, 1, 1, 2]


# Remembering


def test_a_name_is_looked_up_once_whether_it_has_a_price_or_not() -> None:
    before = prices.tariff_for.cache_info()

    for _ in range(3):
        cost("gpt-4o-mini-2026-02-02")
        cost("of-nobody-and-nowhere")

    after = prices.tariff_for.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (2, 4)


def test_memory_for_names_is_bounded() -> None:
    for number in range(prices.CACHED_NAMES + 50):
        cost(f"model-{number}", provider="groq")

    assert prices.tariff_for.cache_info().currsize == prices.CACHED_NAMES
