"""docs/auto-instrumentation.md says what the table says, and names every example that it is about."""

import re

from tests.test_docs import ROOT, page, rows

from stepwell.auto.frameworks import FRAMEWORKS
from stepwell.auto.report import documented

PAGE = page("auto-instrumentation.md")


def test_the_table_is_documented() -> None:
    assert [tuple(row) for row in rows(PAGE, 3)] == documented(FRAMEWORKS)


def test_every_example_that_knows_nothing_of_stepwell_is_documented() -> None:
    scripts = {path.name for path in (ROOT / "examples").glob("*.py") if "stepwell instrument --" in path.read_text()}
    assert set(re.findall(r"^\| `examples/(\w+\.py)`", PAGE, re.MULTILINE)) == scripts
