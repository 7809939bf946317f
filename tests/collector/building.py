"""The OpenTelemetry Collector of these tests, built from Go modules by its own builder, once for each recipe."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

RECIPE = Path(__file__).parent / "builder.yaml"
FOLDER = Path(__file__).parents[2] / ".tools" / "collector"
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.160.0"

GO = shutil.which("go")
"""Where Go is not on the machine, these tests are not collected; Debian's is too old for the Collector."""


def collector() -> Path:
    """The program, built if it is missing; test processes that start together take turns."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = FOLDER / f"otelcol-{hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:16]}"
    with (FOLDER / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    for old in FOLDER.glob("otelcol-*"):
        old.unlink()
    _go("install", BUILDER, GOBIN=str(FOLDER))
    sources = FOLDER / "sources"
    shutil.rmtree(sources, ignore_errors=True)
    command: list[str | Path] = [FOLDER / "builder", "--config", RECIPE, "--skip-compilation"]
    subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    _go("build", "-trimpath", "-ldflags=-s -w", "-o", str(program), ".", cwd=sources)


def _go(*arguments: str, cwd: Path | None = None, **environment: str) -> None:
    assert GO is not None
    subprocess.run([GO, *arguments], cwd=cwd, env={**os.environ, **environment}, check=True, capture_output=True)
