"""What the network between receivers, workers and the database may do to a load: hold it up, and nothing else."""

import pytest
from tests.faults.exactness import assert_exact
from tests.faults.proxy import Loss, Part
from tests.faults.stack import Stack
from tests.faults.traffic import Traffic
from tests.lifecycle.process_table import needs_process_table, until

pytestmark = needs_process_table


def test_two_receivers_and_two_workers_share_traces(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent):
        pass
    assert_exact(shared.server.url, sent)


def test_network_that_is_cut_loses_nothing(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent):
        shared.network.cut()
        shared.wait_for_refusals(sent)
        shared.network.heal()
    assert_exact(shared.server.url, sent)


def test_network_that_holds_everything_up_loses_nothing(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent):
        shared.network.hold()
        until(lambda: shared.network.held_chunks >= 2, "something is held up")
        shared.network.heal()
    assert_exact(shared.server.url, sent)


def test_network_that_is_cut_while_it_holds_everything_up_loses_nothing(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent):
        shared.network.hold()
        until(lambda: shared.network.held_chunks >= 2, "something is held up")
        shared.network.cut()
        shared.network.heal()
    assert_exact(shared.server.url, sent)


@pytest.mark.parametrize("part", ["receiver", "worker"])
@pytest.mark.parametrize("loss", ["answer", "question"])
def test_connections_lost_in_the_middle_of_a_commit_lose_and_double_nothing(
    shared: Stack, sent: Traffic, loss: Loss, part: Part
) -> None:
    with shared.load(sent):
        shared.network.lose(loss, part, 8)
        until(lambda: shared.network.commits_to_lose == 0, "the commits are lost")
    assert_exact(shared.server.url, sent)


def test_slow_disk_holds_up_and_loses_nothing(shared: Stack, sent: Traffic) -> None:
    shared.network.delay_commits(0.2)
    with shared.load(sent):
        pass
    shared.network.delay_commits(0)
    assert shared.network.delayed_commits > 0
    assert_exact(shared.server.url, sent)
