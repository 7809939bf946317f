"""What is bounded and mended when a span is mapped: names, attributes wherever they stand, times of events."""

import orjson
from tests.spans import RESOURCE, START_NS, Sent, chat, request, steps

from stepwell_receiver import wire
from stepwell_receiver.mapping import map_request
from stepwell_receiver.values import MAX_NAME_CHARACTERS
from stepwell_storage.model import Checkpoint, Step

LONG = "x" * 4_000


def _only(sent: Sent, resource: wire.Attributes | None = None) -> Step:
    (mapped,) = map_request(request(sent, resource=resource), max_attribute_bytes=1_000)
    return mapped


def test_names_are_cut_and_what_was_sent_stays_in_the_attributes() -> None:
    (mapped,) = steps(
        Sent("s", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": LONG}, name=LONG),
        resource={"service.name": LONG},
    )

    cut = LONG[:MAX_NAME_CHARACTERS]
    assert (mapped.name, mapped.step_name, mapped.agent_name, mapped.service_name) == (cut, cut, cut, cut)
    assert mapped.flags == ("name_cut",)
    assert orjson.loads(mapped.attributes_json or "")["gen_ai.agent.name"] == LONG


def test_attributes_of_events_links_and_resources_are_cut_as_those_of_spans_are() -> None:
    mapped = _only(
        Sent("s", events=[wire.Event("log", START_NS, {"text": LONG})]), resource={**RESOURCE, "command": LONG}
    )

    assert orjson.loads(mapped.events_json or "")[0]["attributes"] == {"text": LONG[:1_000]}
    assert orjson.loads(mapped.resource_json or "")["command"] == LONG[:1_000]
    assert mapped.flags == ("attribute_cut",)


def test_an_event_at_a_time_that_no_clock_shows_keeps_its_span() -> None:
    at_ns = 10**29
    events = [
        wire.Event("stepwell.checkpoint", at_ns, {"stepwell.checkpoint.id": "c1"}),
        wire.Event("stepwell.checkpoint", START_NS, {"stepwell.checkpoint.id": "c2"}),
    ]

    mapped = _only(chat("c", events=events))

    assert mapped.checkpoints == (Checkpoint("c1", 0, None), Checkpoint("c2", START_NS, None))
    assert [event["time_unix_nano"] for event in orjson.loads(mapped.events_json or "")] == [0, START_NS]
    assert mapped.flags == ("event_time_out_of_range",)
