"""What is kept of each step's place is what the fold found."""

import pytest
from tests.folding import only
from tests.spans import Sent, agent, chat, tool

from stepwell_storage.model import Execution
from stepwell_storage.places import columns_of_places, place_of, read_places


def _read_back(execution: Execution) -> list[object]:
    depths, marks, own_ms, duplicates_of = (column.strip("{}").split(",") for column in columns_of_places(execution))
    rows = [
        (p.step.span_id, p.attempt, int(depth), int(mark), None if own == "NULL" else float(own))
        for p, depth, mark, own in zip(execution.placements, depths, marks, own_ms, strict=True)
    ]
    repeated = [p.step.span_id for p in execution.placements if p.duplicate_of is not None]
    duplicates = dict(zip(repeated, [int(index) for index in duplicates_of if index], strict=True))
    return list(read_places(0, rows, duplicates))


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param([agent("a", for_ms=50), chat("c", parent="a"), tool("t", parent="a", at_ms=20)], id="plain"),
        pytest.param(
            [
                agent("a", for_ms=50),
                chat("outer", parent="a", for_ms=20, attributes={"gen_ai.response.id": "r"}),
                chat("inner", parent="outer", for_ms=20, status=2, attributes={"gen_ai.response.id": "r"}),
            ],
            id="a call reported twice, once as failed",
        ),
        pytest.param([tool("t", parent="gone"), chat("c", parent="t")], id="fragments"),
    ],
)
def test_places_are_read_as_they_were_folded(spans: list[Sent]) -> None:
    execution = only(*spans)
    assert _read_back(execution) == [place_of(placement) for placement in execution.placements]
