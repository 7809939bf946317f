"""A recorder for tests of what agents tell."""

from collections.abc import Iterator

import pytest

from stepwell.testing import Recorder, recorded


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """What steps tell while the test runs."""
    with recorded() as found:
        yield found
