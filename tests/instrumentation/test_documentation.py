"""The page on instrumentation: its Python runs, and it names every argument and every example."""

import inspect
import re

from tests.instrumentation.scripts import run
from tests.instrumentation.told import EXAMPLES, ROOT

import stepwell

PAGE = (ROOT / "docs" / "instrumentation.md").read_text()


def test_python_on_the_page_runs() -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    done = run(code, "http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr


def test_every_argument_is_on_the_page_with_its_default() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]+) \|", PAGE, re.MULTILINE)
    documented = {name for names, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(inspect.signature(stepwell.configure).parameters) - documented == set()


def test_every_public_name_is_on_the_page() -> None:
    names = set(stepwell.__all__) - {"Client", "Step", "__version__"}
    assert {name for name in names if f"stepwell.{name}" not in PAGE} == set()


def test_every_example_is_in_the_documentation() -> None:
    pages = "".join(path.read_text() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
    programs = [path.name for path in sorted(EXAMPLES.glob("*.py")) if "__main__" in path.read_text()]
    assert [name for name in programs if f"examples/{name}" not in pages] == []
