"""Takes the current step over to other processes, in headers by W3C Trace Context or what ``OTEL_PROPAGATORS`` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TypeVar

from opentelemetry import context, propagate

from stepwell import notices

Headers = TypeVar("Headers", bound=MutableMapping[str, str])


def inject(headers: Headers) -> Headers:
    """Adds the headers that tell the current step, for a request, a message or a task; gives them back."""
    try:
        propagate.inject(headers)
    except Exception as error:
        notices.count("step_failed", "A step could not be passed on: %s", error)
    return headers


@contextmanager
def extract(headers: Mapping[str, object]) -> Iterator[None]:
    """A block that runs in the step that the headers tell of; in none of them, as outside.

    Names may come in any case; values as text, bytes or lists of those.
    """
    outside = context.get_current()
    try:
        context.attach(propagate.extract(_plain(headers), outside))
    except Exception as error:
        notices.count("step_failed", "A step could not be taken over: %s", error)
    try:
        yield
    finally:
        context.attach(outside)


def _plain(headers: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        first = value[0] if isinstance(value, list | tuple) and value else value
        text = first.decode("latin-1") if isinstance(first, bytes) else first
        if isinstance(text, str):
            found[str(name).lower()] = text
    return found
