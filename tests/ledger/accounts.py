"""Reads the ledger as users do, and checks that it adds up in itself."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx

SUMS = (
    "received", "stored", "duplicate", "rejected", "live", "late", "replaced", "dropped", "kept", "orphaned",
    "excluded_prompt_tokens", "excluded_completion_tokens", "refused_requests",
)  # fmt: skip


async def read(api: httpx.AsyncClient, signal: str = "traces", key: str | None = None) -> dict[str, Any]:
    """The answer for the last week, after its sums were checked."""
    headers = {"X-Stepwell-Key": key} if key else {}
    response = await api.get("/api/v1/ingest", params={"signal": signal}, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    for counts in (answer["totals"], *answer["by_key"], *answer["by_hour"]):
        assert_adds_up(counts)
    for part in ("by_key", "by_hour"):
        assert {name: sum(counts[name] or 0 for counts in answer[part]) for name in SUMS} == {
            name: answer["totals"][name] or 0 for name in SUMS
        }
    return answer


def assert_adds_up(counts: Mapping[str, Any]) -> None:
    """Every identity that the documentation states."""
    assert counts["received"] == counts["stored"] + counts["duplicate"] + counts["rejected"]
    kept = counts["stored"] - counts["replaced"] - counts["dropped"]
    assert counts["kept"] in (kept, None)
    assert counts["rejected"] == sum(told["count"] for told in counts["rejected_by_reason"])
    assert counts["dropped"] == sum(told["count"] for told in counts["dropped_by_reason"])
    assert counts["refused_requests"] == sum(told["count"] for told in counts["refused_by_reason"])
    assert 0 <= counts["orphaned"] <= kept
    assert 0 <= counts["replaced"] <= counts["live"] <= counts["stored"]
    assert 0 <= counts["late"] <= counts["stored"]


def nonzero(counts: Mapping[str, Any]) -> Counter[str]:
    """The counts that are not zero, those with reasons under ``name:reason``."""
    told = Counter(
        {name: counts[name] or 0 for name in SUMS if name not in ("rejected", "dropped", "refused_requests")}
    )
    for name in ("rejected", "dropped", "refused"):
        told.update({f"{name}:{one['reason']}": one["count"] for one in counts[f"{name}_by_reason"]})
    return +told
