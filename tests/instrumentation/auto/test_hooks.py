"""Import hooks call before and after a module's code, once, and change nothing about importing."""

import importlib
import importlib.util
import logging
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from stepwell.auto.hooks import ImportHooks

CALLS = "import sys\nsys.calls_of_hooked.append(__name__)\n"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ran, in order; modules of the folder `tmp_path` can be imported, and are forgotten afterwards."""
    found: list[str] = []
    monkeypatch.setattr(sys, "calls_of_hooked", found, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    spread = ("hooked_space", "hooked_space.first", "hooked_space.second")
    for name in ("hooked", "hooked.part", "hooked_broken", "hooked_zipped", "hooked_other", *spread):
        monkeypatch.setitem(sys.modules, name, sys)  # so that what the test imports is removed again
        del sys.modules[name]
    return found


@pytest.fixture
def hooks(calls: list[str]) -> Iterator[ImportHooks]:
    made = ImportHooks()
    sys.meta_path.insert(0, made)
    yield made
    sys.meta_path.remove(made)


def package(folder: Path) -> None:
    (folder / "hooked").mkdir()
    (folder / "hooked" / "__init__.py").write_text(CALLS)
    (folder / "hooked" / "part.py").write_text(CALLS)


def test_hooks_run_before_and_after_a_modules_code_and_once(
    tmp_path: Path, hooks: ImportHooks, calls: list[str]
) -> None:
    package(tmp_path)
    hooks.before("hooked", lambda: calls.append("before"))
    hooks.after("hooked", lambda: calls.append("after"))
    importlib.import_module("hooked.part")
    importlib.reload(sys.modules["hooked"])
    assert calls == ["before", "hooked", "after", "hooked.part", "hooked"]
    assert type(sys.modules["hooked"].__spec__.loader) is SourceFileLoader  # type: ignore[union-attr]


def test_a_module_that_is_there_already_is_hooked_at_once(tmp_path: Path, hooks: ImportHooks, calls: list[str]) -> None:
    package(tmp_path)
    importlib.import_module("hooked")
    hooks.after("hooked", lambda: calls.append("after"))
    assert calls == ["hooked", "after"]


def test_looking_for_a_module_runs_nothing(tmp_path: Path, hooks: ImportHooks, calls: list[str]) -> None:
    package(tmp_path)
    hooks.after("hooked", lambda: calls.append("after"))
    assert importlib.util.find_spec("hooked") is not None
    assert calls == []
    importlib.import_module("hooked")
    assert calls == ["hooked", "after"]


def test_a_module_that_is_missing_is_missing(hooks: ImportHooks, calls: list[str]) -> None:
    hooks.after("hooked", lambda: calls.append("after"))
    with pytest.raises(ModuleNotFoundError, match="No module named 'hooked'"):
        importlib.import_module("hooked")
    assert calls == []


def test_a_module_that_fails_fails_as_ever_and_is_not_instrumented(
    tmp_path: Path, hooks: ImportHooks, calls: list[str]
) -> None:
    (tmp_path / "hooked_broken.py").write_text("raise OSError('its own')")
    hooks.after("hooked_broken", lambda: calls.append("after"))
    with pytest.raises(OSError, match="its own"):
        importlib.import_module("hooked_broken")
    assert calls == []


def test_a_hook_that_fails_is_one_line_of_log(
    tmp_path: Path, hooks: ImportHooks, calls: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    package(tmp_path)

    def fail() -> None:
        raise ValueError("of another age")

    hooks.after("hooked", fail)
    hooks.after("hooked", lambda: calls.append("after"))
    importlib.import_module("hooked")
    assert calls == ["hooked", "after"]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["hooked is not instrumented: ValueError: of another age"]


def test_modules_of_an_archive_share_a_loader(tmp_path: Path, hooks: ImportHooks, calls: list[str]) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("hooked_zipped.py", CALLS)
        archive.writestr("hooked_other.py", CALLS)
    sys.path.insert(0, str(tmp_path / "archive.zip"))
    hooks.after("hooked_zipped", lambda: calls.append("after"))
    try:
        spec = importlib.util.find_spec("hooked_zipped")
        assert spec is not None
        importlib.import_module("hooked_other")
        importlib.import_module("hooked_zipped")
    finally:
        sys.path.remove(str(tmp_path / "archive.zip"))
    assert calls == ["hooked_other", "hooked_zipped", "after"]


def test_hooks_of_several_modules_wait_for_their_own(tmp_path: Path, hooks: ImportHooks, calls: list[str]) -> None:
    package(tmp_path)
    hooks.after("hooked.part", lambda: calls.append("after the part"))
    importlib.import_module("hooked")
    assert calls == ["hooked"]
    importlib.import_module("hooked.part")
    assert calls == ["hooked", "hooked.part", "after the part"]


def test_the_first_module_of_a_namespace_package_stands_for_it(
    tmp_path: Path, hooks: ImportHooks, calls: list[str]
) -> None:
    (tmp_path / "hooked_space").mkdir()
    for name in ("first", "second"):
        (tmp_path / "hooked_space" / f"{name}.py").write_text(CALLS)
    hooks.before("hooked_space", lambda: calls.append("before"))
    hooks.after("hooked_space", lambda: calls.append("after"))
    with pytest.raises(ImportError):
        importlib.import_module("hooked_space.none")
    assert calls == []
    importlib.import_module("hooked_space.first")
    importlib.import_module("hooked_space.second")
    assert calls == ["before", "hooked_space.first", "after", "hooked_space.second"]
