"""The embedded PostgreSQL under good and bad conditions, on real folders and processes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.lifecycle.process_table import MARK, alive, answers, family, marked, needs_process_table, until

from stepwell_storage.embedded import (
    DataFolderError,
    DataFolderInUseError,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    binaries,
    launch,
)
from stepwell_storage.embedded.account import Account
from stepwell_storage.embedded.cluster import explain

IS_ROOT = os.geteuid() == 0
STARTER = Path(__file__).parent / "starter.py"


def query(url: str, text: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return row[0]


def test_second_start_finds_the_data_of_the_first(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with EmbeddedPostgres(data_dir) as server:
        assert query(server.url, "SELECT answer FROM kept") == 42


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("jit", "off"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
    ],
)
def test_settings_are_durable_and_local(durable: EmbeddedPostgres, setting: str, value: str) -> None:
    assert query(durable.url, f"SHOW {setting}") == value


def test_database_sorts_by_code_point_whatever_the_machine_says(durable: EmbeddedPostgres) -> None:
    found = query(durable.url, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'stepwell'")
    assert found == "bC.UTF-8"


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server as users get it."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("durable")) as server:
        yield server


def test_second_starter_is_refused_and_told_the_pid(durable: EmbeddedPostgres) -> None:
    with pytest.raises(DataFolderInUseError, match=f"in use by process {os.getpid()}; stop it first"):
        EmbeddedPostgres(durable.data_dir).start()
    assert answers(durable.url)


def test_starting_twice_changes_nothing(durable: EmbeddedPostgres) -> None:
    pid = durable.pid
    assert durable.start() == durable.url
    assert durable.pid == pid


@needs_process_table
def test_stop_leaves_no_process_and_no_socket(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    url = server.start()
    assert server.pid is not None
    processes = family(server.pid)
    socket_dir = Path(url.split("host=")[1].split("&")[0])
    assert socket_dir.is_dir()
    server.stop()
    assert not alive(processes)
    assert not socket_dir.exists()


@pytest.mark.parametrize("lifeline", [[], ["lifeline"]], ids=["kernel", "watchdog too"])
@needs_process_table
def test_killed_starter_takes_the_server_along_and_loses_nothing(data_dir: Path, lifeline: list[str]) -> None:
    mark = uuid.uuid4().hex
    with subprocess.Popen(
        [sys.executable, STARTER, data_dir, *lifeline],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
    ) as starter:
        assert starter.stdout is not None
        postmaster = int(starter.stdout.readline())
        processes = family(starter.pid) | marked(mark)
        assert postmaster in processes
        starter.kill()
    with EmbeddedPostgres(data_dir) as server:
        assert query(server.url, "SELECT answer FROM kept") == 42
    until(lambda: not alive(processes), "nothing of the killed starter runs", timeout_s=2.0)


@pytest.mark.parametrize(("last_word", "survives"), [(b"", False), (b".", True)], ids=["death", "orderly end"])
def test_watchdog_ends_the_program_when_the_lifeline_breaks(last_word: bytes, survives: bool) -> None:
    read_fd, write_fd = os.pipe()
    numbers = ("-1", "-1", str(os.getpid()), str(int(signal.SIGTERM)), str(read_fd))
    sleep = shutil.which("sleep")
    assert sleep is not None
    command = [sys.executable, "-I", "-S", launch.__file__, *numbers, sleep, "60"]
    with subprocess.Popen(command, pass_fds=(read_fd,)) as program:
        os.close(read_fd)
        os.write(write_fd, last_word)
        os.close(write_fd)
        try:
            code = program.wait(2.0)
        except subprocess.TimeoutExpired:
            code = None
        program.kill()
    assert (code is None) == survives


def test_server_that_was_killed_starts_again_under_the_same_url(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        url, pid = server.url, server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL
        assert server.start() == url
        assert answers(url)


def test_pid_file_of_an_earlier_life_names_a_stranger(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        pid_file = (data_dir / "postgres" / "postmaster.pid").read_text()
        pid = server.pid
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (data_dir / "postgres" / "postmaster.pid").write_text(pid_file.replace(str(pid), str(stranger.pid), 1))
        with EmbeddedPostgres(data_dir) as server:
            assert answers(server.url)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_interrupted_creation_is_done_anew(data_dir: Path) -> None:
    half_done = data_dir / "postgres.unfinished" / "base"
    half_done.mkdir(parents=True)
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert answers(server.url)
    assert not half_done.parent.exists()


def test_environment_of_libpq_does_not_lead_astray(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATABASE": "other", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert query(server.url, "SELECT current_database()") == "stepwell"


def test_closed_parents_stay_closed(data_dir: Path) -> None:
    """For root the server runs as another user, who may not pass the folders above."""
    closed = data_dir / "closed"
    closed.mkdir(parents=True, mode=0o700)
    parents = [closed, *closed.parents]
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in parents]
    with EmbeddedPostgres(closed / "data", fsync=False) as server:
        assert answers(server.url)
        assert (closed / "data" / "postgres").stat().st_mode & 0o777 == 0o700
    assert [(folder.stat().st_mode, folder.stat().st_uid) for folder in parents] == before


def test_long_path_of_the_data_folder(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir / ("long" * 40) / ("path" * 40), fsync=False) as server:
        assert answers(server.url)


def test_path_with_blanks_quotes_and_other_letters(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir / 'it\'s a "folder" – größer $HOME', fsync=False) as server:
        assert answers(server.url)


@pytest.fixture
def old_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that was stopped."""
    data_dir = tmp_path_factory.mktemp("old")
    EmbeddedPostgres(data_dir, fsync=False).__enter__().stop()
    return data_dir


def test_other_major_version_is_refused(old_cluster: Path) -> None:
    (old_cluster / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(DataFolderError, match=r"written by PostgreSQL 14, .* brings \d+; install .* or choose another"):
        EmbeddedPostgres(old_cluster).start()


def test_damaged_control_file_is_told_with_the_log(old_cluster: Path) -> None:
    (old_cluster / "postgres" / "global" / "pg_control").write_bytes(b"garbage")
    with pytest.raises(EmbeddedPostgresError, match=r"does not start .*pg_control.*; its log: .*postgres\.log"):
        EmbeddedPostgres(old_cluster).start()


def test_folder_that_is_no_cluster_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    with pytest.raises(DataFolderError, match=r"damaged or no PostgreSQL folder .* restore it from a backup"):
        EmbeddedPostgres(data_dir).start()


def test_failed_start_gives_the_folder_free(old_cluster: Path) -> None:
    control_file = old_cluster / "postgres" / "global" / "pg_control"
    good = control_file.read_bytes()
    control_file.write_bytes(b"garbage")
    with pytest.raises(EmbeddedPostgresError):
        EmbeddedPostgres(old_cluster).start()
    control_file.write_bytes(good)
    with EmbeddedPostgres(old_cluster, fsync=False) as server:
        assert answers(server.url)


def unwritable_folders() -> list[str]:
    """Folders that not even root can write to, and for an ordinary user one that belongs to root."""
    return ["/proc/stepwell", "/dev/null/stepwell", *([] if IS_ROOT else ["/stepwell"])]


@pytest.mark.parametrize("folder", unwritable_folders())
def test_unwritable_data_folder_is_told_with_the_mend(folder: str) -> None:
    with pytest.raises(DataFolderError, match=r"cannot write to the data folder .*; choose another"):
        EmbeddedPostgres(Path(folder)).start()


@pytest.mark.parametrize(
    ("output", "mend"),
    [
        ("FATAL: could not write: No space left on device", "is full; free space"),
        ("could not extend file\nHINT:  Check free disk space.\nAborted", "is full; free space"),
        ("could not open file: Permission denied", "check its owner and permissions"),
        ("could not create file: Read-only file system", "check its owner and permissions"),
        ("could not look up effective user ID 4711: user does not exist", "add it to /etc/passwd"),
        ("PANIC: something new", "PANIC: something new"),
        ("", "exit code 1"),
    ],
)
def test_known_failures_are_told_with_the_mend(output: str, mend: str) -> None:
    assert mend in explain(output, Path("/data/postgres"), "exit code 1")


def test_large_log_is_cut_at_the_next_start(old_cluster: Path) -> None:
    log = old_cluster / "postgres.log"
    log.write_bytes(b"x" * 5_000_000)
    with EmbeddedPostgres(old_cluster, fsync=False):
        assert log.stat().st_size < 100_000


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A folder that every user can read, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize("hidden", [True, False])
def test_programs_are_copied_only_where_their_user_cannot_read_them(
    hidden: bool, public_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordinary user runs the installed programs as they are."""
    account = Account(65534, 65534) if IS_ROOT else None
    site, cache_dir = public_dir / "site", public_dir / "cache"
    installed = binaries.find_bin_dir(None).parents[1]
    shutil.copytree(installed, site / installed.name, symlinks=True)
    shutil.copytree(installed.parent / binaries.LIBRARIES, site / binaries.LIBRARIES)
    site.chmod(0o700 if hidden else 0o755)
    monkeypatch.syspath_prepend(str(site))
    found = [binaries.find_bin_dir(account, cache_dir) for _ in range(2)]
    expected_root = cache_dir if hidden and IS_ROOT else site
    assert [expected_root in path.parents for path in found] == [True, True]
    command = binaries.launch_command([str(found[0] / "postgres"), "--version"], account=account, death_signal=9)
    assert subprocess.run(command, cwd="/", capture_output=True, check=True).stdout.startswith(b"postgres (PostgreSQL)")
