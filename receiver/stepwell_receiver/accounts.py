"""The account of what became of every item that came in, on the metrics of its signal.

received = stored + duplicate + rejected + unavailable, for spans, log records and samples of memory alike.
"""

from typing import Final, Protocol

from stepwell_receiver.signals import LOGS, METRICS, TRACES, Signal
from stepwell_storage import metrics


class Account(Protocol):
    """Counts the items of one signal; each is received and then ends in one of the others."""

    def received(self, count: int) -> None:
        """Items in requests that could be decoded."""

    def stored(self, count: int) -> None:
        """Items that are new."""

    def duplicate(self, count: int) -> None:
        """Items that were stored already."""

    def rejected(self, reason: str, count: int) -> None:
        """Items that are never stored."""

    def unavailable(self, count: int) -> None:
        """Items that their sender keeps, to send them again."""


class _Spans:
    def received(self, count: int) -> None:
        metrics.SPANS_RECEIVED.inc(count)

    def stored(self, count: int) -> None:
        metrics.SPANS_STORED.inc(count)

    def duplicate(self, count: int) -> None:
        metrics.SPANS_DUPLICATE.inc(count)

    def rejected(self, reason: str, count: int) -> None:
        metrics.SPANS_REJECTED.labels(reason).inc(count)

    def unavailable(self, count: int) -> None:
        metrics.SPANS_UNAVAILABLE.inc(count)


class _LogRecords:
    def received(self, count: int) -> None:
        metrics.LOG_RECORDS.labels("received").inc(count)

    def stored(self, count: int) -> None:
        metrics.LOG_RECORDS.labels("stored").inc(count)

    def duplicate(self, count: int) -> None:
        metrics.LOG_RECORDS.labels("duplicate").inc(count)

    def rejected(self, reason: str, count: int) -> None:
        metrics.LOG_RECORDS.labels("rejected").inc(count)
        metrics.RECORDS_UNSTORED.labels(LOGS.name).inc(count)

    def unavailable(self, count: int) -> None:
        metrics.LOG_RECORDS.labels("unavailable").inc(count)


class _MemorySamples:
    def received(self, count: int) -> None:
        metrics.MEMORY_SAMPLES.labels("received").inc(count)

    def stored(self, count: int) -> None:
        metrics.MEMORY_SAMPLES.labels("stored").inc(count)

    def duplicate(self, count: int) -> None:
        metrics.MEMORY_SAMPLES.labels("duplicate").inc(count)

    def rejected(self, reason: str, count: int) -> None:
        metrics.MEMORY_SAMPLES.labels("rejected").inc(count)
        metrics.RECORDS_UNSTORED.labels(METRICS.name).inc(count)

    def unavailable(self, count: int) -> None:
        metrics.MEMORY_SAMPLES.labels("unavailable").inc(count)


_ACCOUNTS: Final[dict[str, Account]] = {
    TRACES.name: _Spans(),
    LOGS.name: _LogRecords(),
    METRICS.name: _MemorySamples(),
}


def of(signal: Signal) -> Account:
    """The account of a signal."""
    return _ACCOUNTS[signal.name]
