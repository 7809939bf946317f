"""Runs a program, without a change to it, with every installed instrumentation on, exporting to Stepwell."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stepwell.auto.report import table
from stepwell.auto.start import PROGRAM, TOLD, plan_of_environment

SITE = Path(__file__).resolve().parent / "site"
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of shells."""
_NAMELESS = {"uv", "poetry", "pipenv", "env", "run"}
"""Words that start a program and do not name it."""
_OPTIONS_WITH_VALUE = {"-X", "-W"}
"""Of Python."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``stepwell instrument``."""
    parser.add_argument("--list", action="store_true", help="show what is installed and what reports it, and exit")
    parser.add_argument("--quiet", action="store_true", help="do not say what is switched on")
    parser.add_argument("--endpoint", metavar="URL", help="Stepwell's OTLP address (or OTEL_EXPORTER_OTLP_ENDPOINT)")
    parser.add_argument("--service-name", metavar="NAME", help="name of the program (or OTEL_SERVICE_NAME)")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="the program to run")


def run(arguments: argparse.Namespace) -> int:
    """Becomes the program; returns only where that is not possible, or there is none to run."""
    if arguments.list:
        print(*table(plan_of_environment()), sep="\n")
        return 0
    program = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    if not program:
        return _refuse("which program? As in: stepwell instrument -- python agent.py", 2)
    environment = instrumented(os.environ, program, endpoint=arguments.endpoint, service_name=arguments.service_name)
    if arguments.quiet:
        environment[TOLD] = "1"
    return _become(_with_interpreter(program), environment)


def instrumented(
    environment: Mapping[str, str],
    program: Sequence[str],
    *,
    endpoint: str | None = None,
    service_name: str | None = None,
) -> dict[str, str]:
    """The environment of an instrumented program; what it says of OpenTelemetry already holds."""
    paths = [str(SITE), *(path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path)]
    changed = {**environment, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    if endpoint:
        changed["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    if service_name:
        changed["OTEL_SERVICE_NAME"] = service_name
    return {**changed, PROGRAM: name_of(program)}


def name_of(program: Sequence[str]) -> str:
    """What a program is called where nobody says: its script or module, else its first word.

    ``python -m shop.agent`` is ``shop.agent``, ``python agents/refund.py`` is ``refund``, ``uvicorn shop:app`` is
    ``uvicorn``.
    """
    words = iter(program)
    for word in words:
        stem = Path(word).name.removesuffix(".exe")
        if word == "-m":
            return next(words, stem)
        if word == "-c":
            break
        if word in _OPTIONS_WITH_VALUE:
            next(words, None)
        elif not (_is_interpreter(stem) or stem in _NAMELESS or stem.startswith("-") or "=" in stem):
            return stem.removesuffix(".py")
    return Path(program[0]).name


def _is_interpreter(stem: str) -> bool:
    return stem.rstrip("0123456789.") in ("python", "pypy")


def _with_interpreter(program: Sequence[str]) -> list[str]:
    """A script that is named alone is run by the interpreter that runs Stepwell."""
    is_script = program[0].endswith(".py") and Path(program[0]).is_file() and not os.access(program[0], os.X_OK)
    return [sys.executable, *program] if is_script else [*program]


def _become(program: Sequence[str], environment: dict[str, str]) -> int:
    path = shutil.which(program[0], path=environment.get("PATH"))
    if path is None:
        return _refuse(f"there is no program {program[0]}", NOT_FOUND)
    if os.name == "nt":  # there, a program that is replaced seems to have ended to whoever waits for it
        return subprocess.run([path, *program[1:]], env=environment, check=False).returncode
    try:
        os.execve(path, [*program], environment)  # noqa: S606  # running what it is given is what it is for
    except OSError as error:
        return _refuse(f"{program[0]} cannot be run: {error.strerror}", NOT_EXECUTABLE)


def _refuse(message: str, exit_code: int) -> int:
    print(f"stepwell instrument: {message}", file=sys.stderr)
    return exit_code
