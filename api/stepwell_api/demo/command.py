"""The course of ``stepwell demo``: check the server, play the cases, wait until the API shows them, report."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stepwell_api.demo.cases import draw_cases
from stepwell_api.demo.comparison import Comparison
from stepwell_api.demo.player import Sent, play_all
from stepwell_api.demo.report import print_report
from stepwell_api.demo.server import Server, ServerError
from stepwell_api.demo.telemetry import open_telemetry

POLL_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    otlp_http: str
    api: str
    key: str | None
    runs: int
    concurrency: int
    seed: int | None
    wait_s: float
    """Longest wait for the API to show what was sent."""


def run_demo(options: Options) -> int:
    """Sends the runs and compares; 0 when all of them are shown right, 1 otherwise."""
    console, errors = Console(), Console(stderr=True)
    api = Server(options.api, "--api", options.key)
    try:
        api.check_api()
        Server(options.otlp_http, "--otlp-http", options.key).check_receiver()
        seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
        sent = _send(options, seed, console)
        comparison = Comparison(sent)
        waited_s = _wait_until_shown(comparison, api, options.wait_s, console)
    except ServerError as error:
        errors.print(f"stepwell demo: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    how = "not everything was shown" if comparison.differing() else "everything was shown"
    console.print(f"Seed {seed}; {how} {waited_s:.1f} s after the last span was sent.", highlight=False)
    print_report(comparison, options.api, console)
    return 1 if comparison.differing() else 0


def _send(options: Options, seed: int, console: Console) -> Sequence[Sent]:
    cases = draw_cases(options.runs, seed)
    telemetry = open_telemetry(options.otlp_http, options.key)
    with _progress(console) as progress:
        task = progress.add_task("Agents at work", total=len(cases))
        playing = play_all(cases, telemetry, concurrency=options.concurrency, played=lambda: progress.advance(task))
        sent = asyncio.run(playing)
    telemetry.close()
    return sent


def _wait_until_shown(comparison: Comparison, api: Server, wait_s: float, console: Console) -> float:
    """Looks until everything is shown right or `wait_s` is over; returns the seconds it took."""
    start = time.monotonic()
    with _progress(console) as progress:
        task = progress.add_task("Shown by the API", total=len(comparison.sent))
        while True:
            comparison.refresh(api)
            missing = len(comparison.differing())
            progress.update(task, completed=len(comparison.sent) - missing)
            waited_s = time.monotonic() - start
            if not missing or waited_s > wait_s:
                return waited_s
            time.sleep(POLL_S)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
