"""Checks the dashboard's sources: style, types, tests, and that the types of the API are those of its own document.

    python dashboard/check.py [--write]

With `--write` the types are made anew.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from build import FOLDER, DashboardError, run_node, run_npm

TYPES = FOLDER / "src" / "api" / "schema.d.ts"
TOOLS = FOLDER / "node_modules"


def make_types() -> str:
    """TypeScript for the API as it is."""
    from stepwell_api.app import create_app
    from stepwell_storage.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        document, types = Path(folder, "openapi.json"), Path(folder, "schema.d.ts")
        document.write_text(json.dumps(create_app(Settings(database_url="postgresql://")).openapi()))
        run_node(TOOLS / "openapi-typescript" / "bin" / "cli.js", document, "--output", types)
        return types.read_text()


def main() -> None:
    """Prints what is wrong and exits with 1."""
    run_npm("ci")
    types = make_types()
    if "--write" in sys.argv[1:]:
        TYPES.write_text(types)
    elif TYPES.read_text() != types:
        raise DashboardError(f"{TYPES.name} is not the API's: run python dashboard/check.py --write")
    run_node(TOOLS / "typescript" / "bin" / "tsc", "--noEmit")
    run_node(TOOLS / "eslint" / "bin" / "eslint.js", ".", "--max-warnings", "0")
    run_node(TOOLS / "vitest" / "vitest.mjs", "run")


if __name__ == "__main__":
    try:
        main()
    except (DashboardError, subprocess.CalledProcessError) as error:
        sys.exit(f"dashboard: {error}")
