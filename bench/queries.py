"""How long the API's questions take over a million runs, and over a tenth of them.

    python -m bench.queries --folder FOLDER [--executions 1000000] [--repeats 20] [--only TEXT]
    python -m bench.queries --folder FOLDER --clean

Builds both data sets unless they are there (`dataset`; 20 GB for a million runs), starts a ``stepwell up`` on each,
asks every question over one HTTP connection, and prints a table in Markdown: median and 95th percentile in
milliseconds, and the ratio of the medians. The first answers of each question are not counted.
"""

import argparse
import asyncio
import http.client
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import longrun
from bench.dataset import DataSet, build
from bench.figures import machine, quantile, table
from bench.stack import Api, running_stepwell
from bench.texts import word

from stepwell_migrations import runner
from stepwell_storage.embedded import EmbeddedPostgres

WARM_UP = 3
COLUMNS = ("question", "a tenth: median / p95 ms", "all: median / p95 ms", "ratio")
NOT_OFFERED = 404
AGENT = "/agents/refund_planner"
SORTS = ("start_time", "-duration_ms", "duration_ms", "-cost_usd", "-tokens", "-steps_total")
DEEP_PAGES = 20
COMMON, MIDDLING, RARE = word(3), word(900), word(59_000)


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of one question's answers, in order of size; empty where the API does not offer it."""

    ms: Sequence[float]

    def __str__(self) -> str:
        return f"{self.median_ms:,.1f} / {self.p95_ms:,.1f}" if self.ms else "not offered"

    @property
    def median_ms(self) -> float:
        """The middle one."""
        return statistics.median(self.ms)

    @property
    def p95_ms(self) -> float:
        """The smallest that at least 95 % do not exceed."""
        return quantile(self.ms, 0.95)


def timed(api: Api, path: str, repeats: int) -> Timed:
    """How long the answers take, once the caches are warm."""
    found = []
    for number in range(-WARM_UP, repeats):
        start_s = time.perf_counter()
        status, body = api.get(path)
        taken_ms = (time.perf_counter() - start_s) * 1000
        if status == NOT_OFFERED:
            return Timed(())
        if status != http.HTTPStatus.OK:
            raise SystemExit(f"{path} was answered with {status}: {body[:300]!r}")
        if number >= 0:
            found.append(taken_ms)
    return Timed(sorted(found))


def questions(api: Api, data: DataSet) -> dict[str, str]:
    """What is asked, by name; ids, users and cursors are those of runs in the data."""
    stop = datetime.fromisoformat(data.stop)
    week, month = _window(stop, 7), _window(stop, 30)
    asked = {
        f"{AGENT}/analytics, 30 days": f"{AGENT}/analytics?{urlencode(month)}",
        "/analytics, 30 days": f"/analytics?{urlencode(month)}",
        "/agents, 30 days": f"/agents?{urlencode(month)}",
        f"{AGENT}/failures, 30 days": f"{AGENT}/failures?{urlencode(month)}",
        f"{AGENT}/patterns, 30 days": f"{AGENT}/patterns?{urlencode(month)}",
        f"{AGENT}/suggestions, 30 days": f"{AGENT}/suggestions?{urlencode(month)}",
        f"{AGENT}/compare, 30 days": f"{AGENT}/compare?{urlencode({**month, 'a': '1.0.0', 'b': '2.0.0'})}",
        "/executions, newest": _runs(week),
        "/executions, 30 days, newest": _runs(month),
        f"/executions, after {DEEP_PAGES * 500:,} by cursor": _runs(week, cursor=_deep_cursor(api, week)),
    }
    asked |= {f"/executions, sort={sort}": _runs(week, sort=sort) for sort in SORTS}
    asked |= {f"/executions, 30 days, sort={sort}": _runs(month, sort=sort) for sort in SORTS}
    asked |= {f"/executions, {name}": _runs(month, **given) for name, given in _filters(api, month).items()}
    asked |= {f"/executions, q={kind}": _runs(week, q=text) for kind, text in _texts(api, week).items()}
    asked |= {f"/executions, 30 days, q={kind}": _runs(month, q=text) for kind, text in _texts(api, month).items()}
    run = api.ask(_runs(_window(stop - timedelta(days=3), 1), limit=1))["items"][0]["execution_id"]
    long_run = f"/executions/{longrun.EXECUTION_ID}/steps"
    middle = api.ask(f"{long_run}?limit=1000")["next_cursor"]
    return asked | {
        "an execution": f"/executions/{run}",
        "its steps": f"/executions/{run}/steps",
        f"50 of {longrun.STEPS:,} steps": long_run,
        f"the next 50 of {longrun.STEPS:,} steps": f"{long_run}?{urlencode({'cursor': middle})}",
        "export of a day": f"/export/executions?{urlencode({**_window(stop, 1), 'format': 'jsonl'})}",
    }


def _window(stop: datetime, days: int) -> dict[str, str]:
    return {"from": (stop - timedelta(days=days)).isoformat(), "to": stop.isoformat()}


def _runs(window: Mapping[str, str], **more: Any) -> str:
    return f"/executions?{urlencode({**window, **more})}"


def _deep_cursor(api: Api, window: Mapping[str, str]) -> str:
    """Where that many pages of 500 end, or the last but one page of a smaller data set."""
    cursor = api.ask(_runs(window, limit=500))["next_cursor"]
    for _ in range(DEEP_PAGES - 1):
        following = api.ask(_runs(window, limit=500, cursor=cursor))["next_cursor"]
        if following is None:
            break
        cursor = following
    return str(cursor)


def _filters(api: Api, window: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    run = api.ask(_runs(window, agent_id="travel_reviewer", status="failed", limit=1))["items"][0]
    return {
        "agent": {"agent_id": "refund_planner"},
        "rare agent": {"agent_id": "incident_router"},
        "failed": {"status": "failed"},
        "agent, failed": {"agent_id": "refund_planner", "status": "failed"},
        "error type": {"error_type": "KeyError"},
        "unknown error type": {"error_type": "NoSuchError"},
        "user": {"user_id": run["user_id"]},
        "session": {"session_id": run["session_id"]},
        "unknown user": {"user_id": "nobody"},
        "trace id": {"trace_id": run["trace_id"]},
        "model": {"model": "gpt-4o-mini"},
        "unknown model": {"model": "none"},
        "path": {"path": run["path"]},
        "unknown path": {"path": "nowhere"},
        "version, development": {"version": "2.0.0", "environment": "development"},
        "unknown environment": {"environment": "moon"},
        "longer than 30 s": {"min_duration_ms": 30_000},
        "longer than a day": {"min_duration_ms": 86_400_000},
        "dearer than 1 $": {"min_cost_usd": 1},
        "dearer than 1,000 $": {"min_cost_usd": 1000},
        "failed, longest first": {"status": "failed", "sort": "-duration_ms"},
    }


def _texts(api: Api, window: Mapping[str, str]) -> dict[str, str]:
    failed = api.ask(_runs(window, status="failed", limit=1))["items"][0]
    number = next(part for part in failed["error_message"].replace("-", " ").split() if part.isdigit())
    return {
        "common word": COMMON,
        "word of some runs": MIDDLING,
        "rare word": RARE,
        "two words": f"{MIDDLING} {COMMON}",
        "number of one run": number,
        "nothing": "xylophonist",
        "error message": "too many requests",
    }


def measure(folder: Path, data: DataSet, repeats: int, only: str) -> dict[str, Timed]:
    """Every question's times over one data set."""
    with EmbeddedPostgres(folder) as server:
        runner.migrate(server.url)
        start = datetime.fromisoformat(data.stop) - timedelta(days=2)
        asyncio.run(longrun.ensure_long_run(server.url, int(start.timestamp()) * 1_000_000_000))
    with running_stepwell(folder) as stack:
        api = Api(stack.api)
        asked = questions(api, data)
        return {name: timed(api, path, repeats) for name, path in asked.items() if only in name}


def rows(small: Mapping[str, Timed], large: Mapping[str, Timed]) -> dict[str, list[str]]:
    """What the table tells of each question."""
    told = {}
    for name, few in small.items():
        many = large[name]
        ratio = f"{many.median_ms / few.median_ms:.2f}" if few.ms and many.ms else ""
        told[name] = [str(few), str(many), ratio]
    return told


def main() -> None:
    """Prints the table with what it was measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", default="", help="questions whose name holds this text")
    parser.add_argument("--clean", action="store_true", help="delete the folder instead")
    arguments = parser.parse_args()
    if arguments.clean:
        shutil.rmtree(arguments.folder)
        return
    found = []
    for name, executions in (("small", arguments.executions // 10), ("large", arguments.executions)):
        folder = arguments.folder / name
        data = build(folder, executions=executions, days=arguments.days, streams=arguments.streams)
        print(
            f"{data.executions:,} executions, {data.steps:,} steps in {data.days} days, loaded in {data.load_s:,.0f} s"
        )
        found.append(measure(folder, data, arguments.repeats, arguments.only))
    print(f"{machine()}, n = {arguments.repeats}\n")
    print("\n".join(table(COLUMNS, rows(*found))))


if __name__ == "__main__":
    main()
