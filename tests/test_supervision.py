"""The pure pieces of the supervisor: delays between restarts, and how logs are written."""

import json
import logging

from stepwell_api.logging import JsonFormatter, TextFormatter
from stepwell_api.supervision.backoff import Backoff
from stepwell_api.supervision.part import ending


def test_delays_double_up_to_the_limit() -> None:
    backoff = Backoff()
    assert [backoff.next_delay_s(1) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_minute_of_health_begins_anew() -> None:
    backoff = Backoff()
    delays_s = [backoff.next_delay_s(ran_s) for ran_s in (1, 1, 59.9, 60, 1)]
    assert delays_s == [0.5, 1, 2, 0.5, 1]


def test_endings_are_told_in_words() -> None:
    assert [ending(code) for code in (0, 3, -9)] == ["exit code 0", "exit code 3", "signal 9"]


def record(**fields: object) -> logging.LogRecord:
    made = logging.getLogger("stepwell.test").makeRecord(
        "stepwell.test", logging.WARNING, "file.py", 1, "%s ended", ("worker",), None, extra=fields
    )
    made.created = 1_700_000_000.25
    return made


def test_text_shows_time_level_message_and_fields() -> None:
    line = TextFormatter().format(record(delay_s=0.5))
    assert line == "2023-11-14T22:13:20.250Z WARNING stepwell.test worker ended delay_s=0.5"


def test_json_holds_the_same_and_stays_on_one_line() -> None:
    line = JsonFormatter().format(record(reason="two\nlines", delay_s=0.5))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "stepwell.test",
        "message": "worker ended",
        "reason": "two\nlines",
        "delay_s": 0.5,
    }


def test_tracebacks_are_kept() -> None:
    made = record()
    error = RuntimeError("broken")
    made.exc_info = (RuntimeError, error, None)
    assert "RuntimeError: broken" in TextFormatter().format(made)
    assert "RuntimeError: broken" in json.loads(JsonFormatter().format(made))["exception"]
