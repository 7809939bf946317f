"""Pins every dependency: writes requirements.lock and the constraints in pyproject.toml (``make lock``).

requirements.lock holds exact versions with hashes and no addresses; ``make`` installs from it. The same pins stand in
``[tool.uv] constraint-dependencies``, so that a plain ``uv run`` in a fresh checkout resolves to the same versions.
Versions pinned before stay where they still fit; ``make lock UPGRADE=1`` takes the newest.
The frameworks that tests run are pinned apart, beside their tests.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements.lock"
BOOTSTRAP_LOCK = ROOT / "scripts" / "uv-requirements.txt"
BOOTSTRAP_INPUT = "uv>=0.9"
FRAMEWORKS = ROOT / "tests" / "frameworks" / "environments"
CONSTRAINTS = re.compile(r"^constraint-dependencies = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)


def requirements_of(pyproject: dict[str, Any]) -> list[str]:
    """Everything that a checkout needs: base, extras, groups and the build backend, without the project itself."""
    project = pyproject["project"]
    groups = [*project["optional-dependencies"].values(), *pyproject["dependency-groups"].values()]
    own = re.compile(rf"{re.escape(project['name'])}\s*\[")
    wanted = [*pyproject["build-system"]["requires"], *project["dependencies"], *(r for group in groups for r in group)]
    return sorted(requirement for requirement in wanted if not own.match(requirement))


def compile_pins(requirements: list[str], output: Path, *, oldest_python: str, upgrade: bool) -> None:
    """Resolves for every platform and Python at once and writes pins with hashes; keeps what `output` pins already."""
    command = [os.environ.get("UV", "uv"), "pip", "compile", "-", "--universal", "--python-version", oldest_python]
    command += ["--no-config", "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
    command += ["--quiet", "--output-file", str(output), *(["--upgrade"] if upgrade else [])]
    subprocess.run(command, input="\n".join(requirements), text=True, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def pins_of(lock_text: str) -> list[str]:
    """The lock's requirement lines without hashes: ``name==version`` and a marker where there is one."""
    lines = (line.removesuffix("\\").strip() for line in lock_text.splitlines() if line[:1].isalnum())
    return [line.replace('"', "'") for line in lines]


def with_constraints(pyproject_text: str, pins: list[str]) -> str:
    """The text of pyproject.toml with `pins` as its constraints."""
    block = "constraint-dependencies = [\n" + "".join(f'  "{pin}",\n' for pin in pins) + "]\n"
    text, count = CONSTRAINTS.subn(lambda _: block, pyproject_text)
    if count != 1:
        raise SystemExit("pyproject.toml needs exactly one `constraint-dependencies = [` block under [tool.uv]")
    return text


def replace(path: Path, text: str) -> None:
    """Writes in one step, so that nobody reads half a file."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as new:
        new.write(text)
    Path(new.name).chmod(path.stat().st_mode)
    Path(new.name).replace(path)


def main() -> None:
    """Writes all lock files and the constraints."""
    upgrade = "--upgrade" in sys.argv[1:]
    text = PYPROJECT.read_text()
    pyproject = tomllib.loads(text)
    oldest = pyproject["project"]["requires-python"].removeprefix(">=")
    compile_pins(requirements_of(pyproject), LOCK, oldest_python=oldest, upgrade=upgrade)
    compile_pins([BOOTSTRAP_INPUT], BOOTSTRAP_LOCK, oldest_python=oldest, upgrade=upgrade)
    for wanted in sorted(FRAMEWORKS.glob("*.in")):
        requirements = wanted.read_text().splitlines()
        compile_pins(requirements, wanted.with_suffix(".lock"), oldest_python=oldest, upgrade=upgrade)
    replace(PYPROJECT, with_constraints(text, pins_of(LOCK.read_text())))


if __name__ == "__main__":
    main()
