"""Bring a database to the newest schema; safe to run twice, and from two machines at once."""

import argparse
import sys
import time

from stepwell_api import logging
from stepwell_api.data_folder import reachable_database
from stepwell_api.options import DATABASE_OPTIONS, add_options, read_settings
from stepwell_api.process import announce
from stepwell_migrations import engine, runner
from stepwell_migrations.move import Progress

REPORT_EVERY_S = 1.0
MB = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the database is, and what is to store its rows."""
    add_options(parser, DATABASE_OPTIONS)
    parser.add_argument(
        "--to",
        choices=("timescale",),
        help="move a database on plain PostgreSQL with its data to TimescaleDB; goes on where it was cut off",
    )


def run(arguments: argparse.Namespace) -> int:
    """``stepwell migrate``."""
    settings = read_settings(arguments, DATABASE_OPTIONS)
    logging.configure(settings.log_level, settings.log_format)
    with reachable_database(settings) as url:
        before = runner.current(url)
        if arguments.to:
            _move(url)
        else:
            runner.migrate(url, may_use_timescale=settings.timescale)
        stored_by = engine.of(url)
    announce("migrated", {"from": before or "", "to": runner.HEAD, "engine": stored_by})
    return 0


def _move(url: str) -> None:
    rows = runner.move_to_timescale(url, _Reporter().report)
    print(f"moved {rows:,} rows; all of them are in hypertables", file=sys.stderr)


class _Reporter:
    """Tells how far a move has come, every now and then."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def report(self, progress: Progress) -> None:
        """A line on standard error, unless there was one just now."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + REPORT_EVERY_S
            print(_line(progress), file=sys.stderr, flush=True)


def _line(progress: Progress) -> str:
    done, total = progress.done_bytes, max(progress.total_bytes, 1)
    left_s = progress.seconds * (total - done) / done if done else 0.0
    return (
        f"moving {progress.table}: {progress.rows:,} rows, {done // MB:,} of {total // MB:,} MB "
        f"({done / total:.0%}), about {left_s:.0f} s left"
    )
