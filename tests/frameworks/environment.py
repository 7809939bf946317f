"""The environments in which the frameworks run: of their own, for their dependencies are none of ours and conflict.

Made on first use from the pins beside this file, in a folder of the checkout that git ignores, and kept until the pins
change.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).parent / "environments"
FOLDER = ROOT / ".venv-frameworks"
_BUILT_FROM = ".built-from"
_STEPWELL_FROM = ".stepwell-from"


def python_of(name: str) -> Path:
    """The interpreter of an environment, made if it is missing or out of date.

    Skips the test when it cannot be installed, as on a machine without a network.
    """
    FOLDER.mkdir(exist_ok=True)
    folder = FOLDER / name
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(folder, name):
            _make(folder, name)
    return folder / "bin" / "python"


def python_with_stepwell(name: str) -> Path:
    """The same, with this checkout in it as ``pip install stepwell`` puts it: without what the server needs."""
    python = python_of(name)
    folder = FOLDER / name
    with (FOLDER / f"{name}.lock").open("w") as lock, tempfile.TemporaryDirectory() as built:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = folder / _STEPWELL_FROM
        wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
        if not mark.exists() or mark.read_text() != wanted:
            _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel:editable", "--directory", built)
            wheels = [*Path(built).glob("*.whl")]
            _run(_uv(), "pip", "install", "--quiet", "--python", folder, "--no-deps", "--reinstall", *wheels)
            mark.write_text(wanted)
    return python


def _is_current(folder: Path, name: str) -> bool:
    mark = folder / _BUILT_FROM
    return mark.exists() and mark.read_text() == _fingerprint(name)


def _fingerprint(name: str) -> str:
    """What an environment is made of; a moved checkout or another Python counts as well."""
    pins = hashlib.sha256((PINS / f"{name}.lock").read_bytes()).hexdigest()
    return f"{FOLDER} {sys.version} {pins}\n"


def _make(folder: Path, name: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = _uv()
    _run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, folder)
    _run(uv, "pip", "sync", "--quiet", "--python", folder, "--require-hashes", PINS / f"{name}.lock")
    (folder / _BUILT_FROM).write_text(_fingerprint(name))


def _uv() -> str:
    return _run(ROOT / "scripts" / "setup", "--uv")


def _run(*command: str | Path) -> str:
    """The last line of its output, which is uv's path where that was asked for."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL)
    if done.returncode:
        pytest.skip(f"the frameworks cannot be installed: {done.stderr.strip()}")
    return done.stdout.strip().rpartition("\n")[2]


def bare(**variables: str) -> dict[str, str]:
    """The variables of a process in such an environment: this one's, without what belongs to our own environment.

    Bytecode is kept, whatever the machine prefers: importing a framework takes many seconds without.
    """
    ours = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS", "VIRTUAL_ENV"}
    inherited = {name: value for name, value in os.environ.items() if name not in ours and "OTEL_" not in name}
    return inherited | variables


def with_model(address: str) -> dict[str, str]:
    """The variables by which all SDKs find the scripted model, and by which frameworks tell their makers nothing."""
    return {
        **dict.fromkeys(("OPENAI_BASE_URL", "OPENAI_API_BASE"), f"{address}/v1"),
        **dict.fromkeys(("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"), address),
        **dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "none"),
        **{"AGNO_TELEMETRY": "false", "HAYSTACK_TELEMETRY_ENABLED": "False"},
        **{"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "DO_NOT_TRACK": "1"},
    }
