"""How soon the dashboard's pages are usable, and how soon a step that an agent starts is a row on the screen.

    python -m bench.dashboard --data-dir FOLDER [--repeats 5] [--only pages|live]

Starts a ``stepwell up`` over the data folder, puts runs of 5,000 and 50,000 steps into it unless they are there, and
looks at it with Chromium through Playwright. A page is usable when its figures, or the chosen step with what it
carried, are drawn: the time runs from the start of the navigation, in a new browser profile each time, and for an
agent's page over an agent that nobody has asked for before. Then agents in a process of their own run at the same time
while the live page is open: the time runs from a step's start in the agent to the frame that shows its row.
"""

import argparse
import asyncio
import gzip
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from bench import longrun
from bench.figures import machine, quantile, table
from bench.stack import Api, Stack, running_stepwell
from playwright.sync_api import Browser, CDPSession, sync_playwright

from stepwell_api.dashboard import BUILT

LONGEST_MS: Final = 60_000
SETTLING_S: Final = 3.0
"""The first moments of the live page do not count."""
HOUR_NS: Final = 3_600_000_000_000
LONG_TASK_MS: Final = 100
CHROMIUM: Final = "/usr/bin/chromium"
FIGURES: Final = "document.querySelectorAll('main dl dd').length > 3 && document.querySelector('main canvas')"
STEP: Final = "document.querySelector('[role=option][aria-selected=true]') && document.querySelector('#step-panel dl')"
AGENTS: Final = """
import asyncio, random, sys, time
import stepwell
endpoint, runs, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
stepwell.configure(endpoint)
async def work(number):
    await asyncio.sleep(random.random())
    with stepwell.agent(f"watched {number % 20}"):
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            with stepwell.step(f"t{time.time_ns() // 1000}"):
                await asyncio.sleep(random.uniform(0.5, 1.5))
async def main():
    await asyncio.gather(*map(work, range(runs)))
asyncio.run(main())
"""
WATCHING: Final = r"""
window.delays = []; window.longTasks = [];
const seen = new Set();
const look = (text) => {
  const found = /\bt(\d{16})\b/.exec(text ?? "");
  if (found === null || seen.has(found[1])) return;
  seen.add(found[1]);
  const startMs = Number(found[1]) / 1000;
  requestAnimationFrame(() => window.delays.push(performance.timeOrigin + performance.now() - startMs));
};
new MutationObserver((changes) => {
  for (const change of changes) {
    look(change.target.textContent?.length < 200 ? change.target.textContent : null);
    for (const node of change.addedNodes) node.querySelectorAll?.("li").forEach((item) => look(item.textContent));
    if (change.addedNodes.length > 0 && change.target.nodeName === "UL") {
      for (const node of change.addedNodes) look(node.textContent);
    }
  }
}).observe(document, {subtree: true, childList: true, characterData: true});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
}).observe({type: "longtask"});
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A page, and what it is measured against."""

    name: str
    paths: Sequence[str]
    """Each is looked at once."""
    is_usable: str
    target_ms: float
    is_slow: bool = False
    """Whether by 10 Mbit/s, a round trip of 40 ms and a processor four times slower."""


def cases(agents: Sequence[str], repeats: int) -> Iterator[Case]:
    """What is looked at; each visit of an agent's page is of another agent."""
    paths = [f"/agents/{quote(agent, safe='')}" for agent in agents]
    yield Case("agent", paths[:repeats], FIGURES, 1_000)
    yield Case("agent, 10 Mbit/s, 40 ms, CPU 4x slower", paths[repeats : 2 * repeats], FIGURES, 2_000, is_slow=True)
    for steps, target_ms in ((5_000, 1_000), (50_000, 2_000)):
        yield Case(f"run of {steps:,} steps", [f"/executions/{trace_of(steps).hex()}"] * repeats, STEP, target_ms)


def trace_of(steps: int) -> bytes:
    """The trace of the long run of so many steps."""
    return longrun.TRACE_ID if steps == longrun.STEPS else b"\x05" * 16


def usable_ms(browser: Browser, url: str, case: Case) -> list[tuple[float, float]]:
    """Milliseconds of each visit, and of processor time that the page's own thread took until then."""
    found = []
    for path in case.paths:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        if case.is_slow:
            slow_down(session)
        page.goto(url + path, wait_until="commit")
        done = page.wait_for_function(f"() => {case.is_usable} && performance.now()", timeout=LONGEST_MS)
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        found.append((float(done.json_value()), metrics["TaskDuration"] * 1000))
        context.close()
    return found


def slow_down(session: CDPSession) -> None:
    """A narrow line and a slow processor."""
    bytes_per_s = 10e6 / 8
    line = {"offline": False, "latency": 40, "downloadThroughput": bytes_per_s, "uploadThroughput": bytes_per_s}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", line)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})


def watched(browser: Browser, stack: Stack, runs: int, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds until each step's row was on the screen, and of the browser's long tasks."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(WATCHING)
    page.goto(f"{stack.api}/live")
    with agents(stack, runs, seconds + SETTLING_S):
        page.wait_for_timeout(SETTLING_S * 1000)
        page.evaluate("window.delays.length = window.longTasks.length = 0")
        page.wait_for_timeout(seconds * 1000)
        seen: dict[str, Any] = page.evaluate("({delays: window.delays, longTasks: window.longTasks})")
    page.close()
    return seen["delays"], seen["longTasks"]


@contextmanager
def agents(stack: Stack, runs: int, seconds: float) -> Iterator[None]:
    """So many runs at once in a process of their own."""
    process = subprocess.Popen([sys.executable, "-c", AGENTS, stack.otlp_http, str(runs), str(seconds)])
    try:
        yield
        if process.wait(LONGEST_MS / 1000):
            raise SystemExit("the agents failed")
    finally:
        process.kill()
        process.wait()


def entry_bytes() -> int:
    """What the browser loads before the first view's own script, compressed."""
    return sum(len(gzip.compress(script.read_bytes())) for script in (BUILT / "assets").glob("index-*.js"))


def ensure_long_runs(url: str) -> None:
    """Makes the long runs unless they are there."""
    start_ns = time.time_ns() // 1000 * 1000 - HOUR_NS
    for steps in (5_000, longrun.STEPS):
        asyncio.run(longrun.ensure_long_run(url, start_ns, steps=steps, trace_id=trace_of(steps)))


def pages(browser: Browser, stack: Stack, repeats: int) -> None:
    """Measures how soon pages are usable."""
    known = [agent["agent_id"] for agent in Api(stack.api).ask("/agents?limit=1000")["items"]]
    rows = {}
    for case in cases(known, repeats):
        ms, cpu_ms = zip(*usable_ms(browser, stack.api, case), strict=True)
        figures = (quantile(ms, 0.5), max(ms), case.target_ms, quantile(cpu_ms, 0.5))
        rows[case.name] = [*(f"{figure:,.0f}" for figure in figures), str(len(ms))]
    columns = ("page", "usable: median, ms", "slowest, ms", "target, ms", "processor time of the page, ms", "visits")
    print("\n".join(table(columns, rows)))
    print(f"\nentry script {entry_bytes() / 1000:,.0f} kB gzip, target 180\n")


def live(browser: Browser, stack: Stack, counts: Sequence[int], seconds: float) -> None:
    """Measures the live page."""
    rows = {}
    for runs in counts:
        delays, tasks = watched(browser, stack, runs, seconds)
        told = [f"{quantile(delays, share):,.0f}" for share in (0.5, 0.99)] if delays else ["–", "–"]
        longest = f"{max(tasks, default=0):,.0f}"
        rows[f"{runs} runs"] = [f"{len(delays):,}", *told, longest, str(sum(ms > LONG_TASK_MS for ms in tasks))]
    print("\n".join(table(("live", "steps", "on screen p50, ms", "p99, ms", "longest task, ms", "over 100 ms"), rows)))


def measure(stack: Stack, given: argparse.Namespace) -> None:
    """Measures what is asked for."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        print(f"{machine()} at the start\n")
        if given.only != "live":
            pages(browser, stack, given.repeats)
        if given.only != "pages":
            live(browser, stack, given.runs, given.seconds)
        print(f"\n{machine()} at the end")
        browser.close()


def main() -> None:
    """Prints tables with what they were measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="as for stepwell up")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=int, nargs="+", default=[50, 500], help="that go on at once")
    parser.add_argument("--seconds", type=float, default=20.0, help="for which they are watched")
    parser.add_argument("--only", choices=("pages", "live"))
    given = parser.parse_args()
    with running_stepwell(given.data_dir) as stack:
        ensure_long_runs(stack.database_url)
        measure(stack, given)


if __name__ == "__main__":
    main()
