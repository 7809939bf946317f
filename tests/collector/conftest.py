"""Without Go there is no Collector to test with; these files are then left out, and pytest's header tells so."""

from tests.collector.building import GO

collect_ignore_glob = [] if GO else ["test_*.py"]


def pytest_report_header() -> str | None:
    """What is missing."""
    return None if GO else "no Go on this machine: tests/collector is left out"
