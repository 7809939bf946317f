"""``stepwell instrument``: the program runs as it would without, and so do the processes that it starts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stepwell.auto.command import SITE, instrumented, name_of
from stepwell.auto.start import PROGRAM, TOLD

STARTED = "import sys; print([type(f).__name__ for f in sys.meta_path].count('ImportHooks'))"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "STEPWELL_"))}
    return kept | more


def instrument(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stepwell_api.cli", "instrument", *map(str, arguments)]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )


def test_arguments_output_and_exit_code_are_the_programs_own(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text("import sys; print(sys.argv[1:]); print('its own', file=sys.stderr); sys.exit(3)")
    done = instrument("--quiet", "--", sys.executable, script, "--list", "--", "x y")
    assert (done.returncode, done.stdout, done.stderr) == (3, "['--list', '--', 'x y']\n", "its own\n")


def test_a_script_alone_is_run_by_the_same_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text("import sys; print(sys.executable)")
    assert instrument("--quiet", script).stdout == f"{sys.executable}\n"


def test_the_program_takes_the_place_of_the_command() -> None:
    command = [sys.executable, "-m", "stepwell_api.cli", "instrument", "--quiet", "--"]
    wait = "import os, sys, signal; print(os.getpid(), flush=True); signal.pause()"
    with subprocess.Popen(
        [*command, sys.executable, "-c", wait], env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM


def test_processes_that_the_program_starts_are_instrumented_and_say_nothing() -> None:
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STARTED!r}], check=True)"
    done = instrument("--", sys.executable, "-c", f"{STARTED}; sys.stdout.flush(); {child}")
    assert done.stdout == "1\n1\n"
    told = done.stderr.splitlines()
    assert [line for line in told if "instrumented: " in line and "not instrumented" not in line] == told[:1]
    assert "pydantic-ai" in told[0]


def test_a_sitecustomize_of_the_program_runs_too_and_first(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"{STARTED}; THEIRS = 1")
    seen = "import sitecustomize; print(sitecustomize.THEIRS, sitecustomize.__file__)"
    done = instrument("--quiet", "--", sys.executable, "-c", f"{STARTED}; {seen}", PYTHONPATH=path_with(tmp_path))
    # The command's own process has it as well, before it becomes the program.
    assert done.stdout.splitlines() == ["0", "0", "1", f"1 {tmp_path / 'sitecustomize.py'}"]


def test_a_sitecustomize_that_fails_fails_as_ever(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise OSError('its own')")
    done = instrument("--quiet", "--", sys.executable, "-c", STARTED, PYTHONPATH=path_with(tmp_path))
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "its own" in done.stderr


def path_with(folder: Path) -> str:
    return os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))


def test_nothing_is_imported_that_the_program_does_not_import() -> None:
    script = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = instrument("--quiet", "--", sys.executable, "-c", script)
    heavy = {"pydantic", "pydantic_ai", "httpx", "requests", "grpc", "fastapi", "sqlalchemy", "psycopg"}
    assert "stepwell" in done.stdout.split()
    assert heavy & set(done.stdout.split()) == set()


def test_what_is_switched_off_is_off() -> None:
    script = "import pydantic_ai; print(pydantic_ai.Agent._instrument_default)"
    for variables, expected in (({}, "True"), ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "pydantic-ai"}, "False")):
        assert instrument("--quiet", "--", sys.executable, "-c", script, **variables).stdout == f"{expected}\n"


def test_an_interpreter_without_stepwell_says_so_and_runs_the_program() -> None:
    other = Path(sys.base_prefix) / "bin" / "python3"
    done = subprocess.run(
        [other, "-c", "print('done')"],
        env=environment(PYTHONPATH=str(SITE)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "done\n"
    assert "runs without instrumentation" in done.stderr
    assert done.stderr.endswith("run there: pip install stepwell\n")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ((), 2, "which program?"),
        (("--",), 2, "which program?"),
        (("--", "no-such-program"), 127, "there is no program no-such-program"),
    ],
)
def test_what_cannot_be_run_is_told(arguments: tuple[str, ...], exit_code: int, words: str) -> None:
    done = instrument(*arguments)
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert done.stderr.startswith(f"stepwell instrument: {words}")


def test_the_list_shows_frameworks_and_what_reports_them() -> None:
    done = instrument("--list")
    head, *lines = done.stdout.splitlines()
    assert head.split("  ")[0] == "framework"
    assert [line.split()[0] for line in lines if line.endswith("its own")] == ["pydantic-ai"]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("python agents/refund.py --fast", "refund"),
        ("python3.12 -m shop.agent", "shop.agent"),
        ("/venv/bin/python -X dev agent.py", "agent"),
        ("uvicorn shop:app", "uvicorn"),
        ("uv run celery -A shop worker", "celery"),
        ("env KEY=x ./start.sh", "start.sh"),
        ("python", "python"),
        ("python -c pass", "python"),
    ],
)
def test_a_program_is_called_after_its_script_or_module(program: str, name: str) -> None:
    assert name_of(program.split()) == name


def test_the_environment_says_what_the_options_say() -> None:
    given = {"PYTHONPATH": os.pathsep.join(("/own", str(SITE))), "OTEL_SERVICE_NAME": "before"}
    found = instrumented(given, ["agent"], endpoint="http://collector:4318", service_name="shop")
    assert found == {
        "PYTHONPATH": os.pathsep.join((str(SITE), "/own")),
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        PROGRAM: "agent",
    }
    assert TOLD not in found
