"""Hard cases of counting: what was used counts once, whoever reports it and however often."""

import json

import orjson
import pytest
from tests.folding import only, operations
from tests.hard_cases.spoken import GENAI, OPENINFERENCE, Spoken, in_every_dialect
from tests.spans import Sent, step

from stepwell_receiver import wire
from stepwell_storage.model import Execution, Role, Status


def used(run: Execution) -> tuple[int | None, int | None]:
    return run.prompt_tokens, run.completion_tokens


def model_calls(run: Execution) -> int:
    return sum(operation == "chat" for operation, _ in operations(run))


@in_every_dialect
def test_agent_span_and_model_span_both_with_usage(says: Spoken) -> None:
    run = only(
        says.agent("refund", (300, 30), for_ms=100),
        says.model("c1", (100, 10), parent="refund", at_ms=1),
        says.model("c2", (200, 20), parent="refund", at_ms=20),
    )

    assert (used(run), model_calls(run), run.agent_id, run.status) == ((300, 30), 2, "refund", Status.SUCCESS)


@in_every_dialect
def test_agent_span_alone_with_usage(says: Spoken) -> None:
    run = only(says.agent("refund", (300, 30), for_ms=100), says.tool("lookup", parent="refund", at_ms=1))

    assert (used(run), model_calls(run), run.cost_usd) == ((300, 30), 0, None)


@in_every_dialect
def test_cumulative_usage_of_an_agent_object_over_two_turns(says: Spoken) -> None:
    second = only(
        says.agent("refund", (80, 8), for_ms=100),
        says.model("c", (50, 5), parent="refund", at_ms=1),
    )

    assert used(second) == (50, 5)


@in_every_dialect
def test_usage_summed_up_on_every_level_counts_on_the_lowest(says: Spoken) -> None:
    run = only(
        says.agent("team", (300, 30), for_ms=100),
        says.agent("writer", (300, 30), parent="team", at_ms=1, for_ms=50),
        says.agent("editor", (200, 20), parent="writer", at_ms=2, for_ms=40),
        says.model("c1", (200, 20), parent="editor", at_ms=3),
        says.model("c2", (100, 10), parent="writer", at_ms=45),
    )

    assert used(run) == (300, 30)


@in_every_dialect
def test_model_spans_nested_in_model_spans(says: Spoken) -> None:
    run = only(
        says.agent("refund", for_ms=100),
        says.model("wrapper", (100, 10), parent="refund", at_ms=1, for_ms=30),
        says.model("sdk", (100, 10), parent="wrapper", at_ms=2, for_ms=20),
        says.model("http client", (100, 10), parent="sdk", at_ms=3, for_ms=10),
    )

    assert (used(run), model_calls(run), run.api_calls) == ((100, 10), 1, 1)


@pytest.mark.parametrize("key", ["gen_ai.response.id", "llm.response.id", "ai.response.id"])
def test_twin_spans_of_the_same_response_id_in_two_dialects(key: str) -> None:
    run = only(
        GENAI.agent("refund", for_ms=100),
        GENAI.model("native", (184, 18), parent="refund", at_ms=1, attributes={"gen_ai.response.id": "msg_1"}),
        OPENINFERENCE.model("other", (184, 18), parent="refund", at_ms=1, attributes={key: "msg_1"}),
    )

    assert (used(run), model_calls(run)) == ((184, 18), 1)


@in_every_dialect
def test_two_calls_without_a_response_id_side_by_side_are_two(says: Spoken) -> None:
    run = only(
        says.agent("refund", for_ms=100),
        says.model("c1", parent="refund", at_ms=1, for_ms=30),
        says.model("c2", parent="refund", at_ms=2, for_ms=30),
    )

    assert (used(run), model_calls(run)) == ((200, 20), 2)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        pytest.param({"gen_ai.usage.cache_read.input_tokens": 64}, (64, None, None), id="genai-read"),
        pytest.param({"gen_ai.usage.cache_creation.input_tokens": 32}, (None, 32, None), id="genai-written"),
        pytest.param({"llm.token_count.prompt_details.cache_read": 64}, (64, None, None), id="openinference-read"),
        pytest.param({"llm.token_count.prompt_details.cache_write": 32}, (None, 32, None), id="openinference-written"),
        pytest.param({"gen_ai.usage.reasoning.output_tokens": 7}, (None, None, 7), id="genai-reasoning"),
        pytest.param(
            {"llm.token_count.completion_details.reasoning": 7}, (None, None, 7), id="openinference-reasoning"
        ),
    ],
)
def test_cached_and_reasoning_tokens_are_parts_and_never_added(
    attributes: dict[str, int], told: tuple[int | None, ...]
) -> None:
    run = only(GENAI.agent("refund"), GENAI.model("c", (120, 18), parent="refund", attributes=attributes))

    assert used(run) == (120, 18)
    assert (run.cache_read_tokens, run.cache_write_tokens, run.reasoning_tokens) == told


@pytest.mark.parametrize(
    ("says", "key"),
    [
        pytest.param(GENAI, "gen_ai.usage.input_audio_tokens", id="genai"),
        pytest.param(OPENINFERENCE, "llm.token_count.prompt_details.audio", id="openinference"),
    ],
)
def test_audio_tokens_are_a_part_of_the_prompt_and_kept_with_the_step(says: Spoken, key: str) -> None:
    call = says.model("c", (120, 18), parent="voice", attributes={key: 90})

    assert used(only(says.agent("voice"), call)) == (120, 18)
    assert orjson.loads(step(call).attributes_json or "")[key] == 90


@pytest.mark.parametrize(
    "embedding",
    [
        {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 9},
        {"openinference.span.kind": "EMBEDDING", "llm.token_count.prompt": 9},
        {"langfuse.observation.type": "embedding", "langfuse.observation.usage_details": json.dumps({"input": 9})},
        {"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 9},
        {"llm.request.type": "embedding", "gen_ai.usage.prompt_tokens": 9},
    ],
    ids=["genai", "openinference", "langfuse", "vercel", "traceloop"],
)
def test_embeddings_stay_outside_prompt_tokens(embedding: wire.Attributes) -> None:
    sent = Sent("e", embedding, parent="rag", at_ms=1)
    run = only(GENAI.agent("rag", for_ms=100), sent, GENAI.model("c", parent="rag", at_ms=20))

    assert (used(run), model_calls(run), run.api_calls) == ((100, 10), 1, 2)
    assert (step(sent).role, step(sent).prompt_tokens) == (Role.EMBEDDING, 9)


@in_every_dialect
def test_a_streamed_call_without_usage_has_unknown_tokens_and_is_no_failure(says: Spoken) -> None:
    streamed = says.model("c", None, parent="refund", at_ms=1, attributes={says.output_of: "hello"})

    run = only(says.agent("refund", for_ms=100), streamed)

    assert (used(run), run.status, model_calls(run)) == ((None, None), Status.SUCCESS, 1)


def test_usage_repeated_on_the_events_of_a_stream_counts_once() -> None:
    chunks = [wire.Event("gen_ai.content.completion.chunk", 0, {"gen_ai.usage.output_tokens": n}) for n in range(1, 19)]

    assert used(only(GENAI.agent("refund"), GENAI.model("c", (120, 18), parent="refund", events=chunks))) == (120, 18)
