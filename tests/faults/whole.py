"""A whole ``stepwell up`` under load."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.stack import UNDER_LOAD
from tests.faults.traffic import Sending, Traffic, exporters
from tests.lifecycle.process_table import until
from tests.lifecycle.running import Running, running

from stepwell_api.data_folder import runtime_url


@dataclass(frozen=True, slots=True)
class Whole:
    """A ``stepwell up`` that is ready."""

    command: Running
    addresses: dict[str, str]
    data_dir: Path

    @property
    def database_url(self) -> str:
        """Where its database answers."""
        url = runtime_url(self.data_dir, self.command.process.pid)
        assert url is not None
        return url

    @contextmanager
    def load(self, sent: Traffic) -> Iterator[Sending]:
        """As `Stack.load`."""
        with Sending(sent.batches, exporters([self.addresses] * 2)) as sending:
            until(lambda: len(sending.acknowledged) >= len(sent.spans) // UNDER_LOAD, "a part of the load")
            yield sending


@contextmanager
def whole(folder: Path, data_dir: Path, *options: str, before: Sequence[str | Path] = ()) -> Iterator[Whole]:
    """Everything in one go; `before` as for `Running`."""
    with running(folder, "up", "--data-dir", data_dir, *options, before=before) as command:
        yield Whole(command, command.ready(), data_dir)
