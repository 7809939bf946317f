"""The lines by which docs/frameworks.md connects a framework are those that run in the tests."""

import re

import pytest
from tests.frameworks.environment import ROOT
from tests.frameworks.frameworks import FRAMEWORKS

AGENTS = ROOT / "tests" / "frameworks" / "agents"
PAGE = (ROOT / "docs" / "frameworks.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_documented_lines_are_run(block: str) -> None:
    wanted = {line for line in block.splitlines() if line}
    scripts = [set(path.read_text().splitlines()) for path in AGENTS.glob("*.py")]
    assert any(wanted <= lines for lines in scripts)


def test_every_script_is_run_and_every_run_has_its_script() -> None:
    scripts = {path.stem for path in AGENTS.glob("*.py")} - {"desk", "telemetry"}
    assert scripts == {framework.script for framework in FRAMEWORKS}


def test_what_instruments_a_framework_in_the_tests_is_documented() -> None:
    switches = {
        line
        for framework in FRAMEWORKS
        for line in (AGENTS / f"{framework.script}.py").read_text().splitlines()
        if re.search(r"instrument\w*\(|enable_tracing\(", line) and not line.startswith(("from", "import"))
    }
    documented = {line for block in BLOCKS for line in block.splitlines()}
    assert switches - documented == set()
