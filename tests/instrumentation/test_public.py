"""What users import: the names, and what an import costs them."""

import json
import subprocess
import sys

import stepwell

HEAVY = ("grpc", "pydantic", "fastapi", "sqlalchemy", "psycopg", "requests", "urllib3", "httpx", "aiohttp", "asyncpg")
NAMES = [
    *("Client", "Retries", "Step", "__version__", "agent", "carry", "checkpoint", "configure", "counts", "credits"),
    *("current_step", "decision", "extract", "flush", "inject", "loop", "shutdown", "step", "trigger", "usage"),
]


def modules_after(code: str) -> set[str]:
    """The top modules that a fresh interpreter holds after running this."""
    program = f"{code}; import json, sys; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    return set(json.loads(subprocess.check_output([sys.executable, "-P", "-c", program], text=True)))


def test_public_names() -> None:
    assert sorted(stepwell.__all__) == sorted(NAMES)
    for name in NAMES:
        assert getattr(stepwell, name) is not None


def test_unknown_names_are_refused() -> None:
    assert not hasattr(stepwell, "nonsense")


def test_import_brings_nothing_heavy() -> None:
    loaded = modules_after("import stepwell")
    assert loaded & {*HEAVY, "google", "stepwell_api", "stepwell_receiver", "stepwell_storage"} == set()


def test_configured_client_brings_nothing_heavy() -> None:
    loaded = modules_after("import stepwell; stepwell.configure(); stepwell.step(len)([]); stepwell.shutdown()")
    assert loaded & {*HEAVY, "stepwell_api", "stepwell_receiver", "stepwell_storage"} == set()
