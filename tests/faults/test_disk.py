"""A disk that is full while spans come in: what is acknowledged is stored, and all goes on with new room."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import RawIOBase
from pathlib import Path
from typing import NoReturn

import pytest
from tests.faults import small_disk
from tests.faults.exactness import assert_exact
from tests.faults.stack import refuses
from tests.faults.traffic import Traffic
from tests.faults.whole import Whole, whole
from tests.lifecycle.process_table import answers, needs_process_table, until
from tests.lifecycle.running import FREE_PORTS

pytestmark = needs_process_table

DISK_BYTES = 300_000_000
BLOCK_BYTES = 64 * 1024
RECOVERY_S = 90.0


@pytest.fixture
def cramped(tmp_path: Path, data_dir: Path) -> Iterator[Whole]:
    """A ``stepwell up`` whose data folder is on a small disk, which it alone sees."""
    data_dir.mkdir()
    before = (sys.executable, small_disk.__file__, data_dir, str(DISK_BYTES))
    with whole(tmp_path, data_dir, *FREE_PORTS, before=before) as found:
        yield replace(found, data_dir=Path(f"/proc/{found.command.process.pid}/root{data_dir}"))


def test_full_disk_refuses_and_goes_on_with_new_room(cramped: Whole, sent: Traffic) -> None:
    with cramped.load(sent), full(cramped.data_dir):
        until(lambda: refuses(cramped.addresses, sent), "requests are refused", RECOVERY_S)
    until(lambda: answers(cramped.database_url), "the database is back", RECOVERY_S)
    assert_exact(cramped.database_url, sent)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No room is left on the folder's disk during the block."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        _fill(file)
    try:
        yield
    finally:
        ballast.unlink()


def _fill(file: RawIOBase) -> NoReturn:
    while True:
        file.write(bytes(BLOCK_BYTES))
