"""One stack for the tests of a module: every fault has to leave it as it was, or the next test tells."""

from collections.abc import Iterator

import pytest
from tests.faults.stack import Stack, stack
from tests.faults.traffic import Traffic, traffic


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two receivers and two workers over one database, each with the network in between."""
    with stack(tmp_path_factory.mktemp("stack")) as found:
        yield found


@pytest.fixture
def shared(_stack: Stack) -> Iterator[Stack]:
    """That stack, its network healed afterwards."""
    yield _stack
    _stack.network.heal()
    _stack.network.delay_commits(0)


@pytest.fixture
def sent(request: pytest.FixtureRequest) -> Traffic:
    """Two thousand spans of a hundred runs, for this test alone; every twentieth batch comes twice."""
    return traffic(request.node.nodeid)
