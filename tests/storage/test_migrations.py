"""Migrating: from nothing, again, at once from several sides, and not where it must not be."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.script import ScriptDirectory
from psycopg import conninfo, sql

from stepwell_migrations import runner
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.keys import LOCAL_WORKSPACE_ID


def test_empty_database_is_brought_to_the_newest_schema(empty_database_url: str) -> None:
    assert runner.current(empty_database_url) is None
    runner.migrate(empty_database_url)
    assert runner.current(empty_database_url) == runner.HEAD
    runner.check(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        workspaces = connection.execute("SELECT workspace_id, name FROM analytics.workspaces").fetchall()
    assert workspaces == [(LOCAL_WORKSPACE_ID, "local")]


def test_migrating_again_changes_nothing(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO analytics.workspaces (workspace_id, name) VALUES (gen_random_uuid(), 'kept')")
        runner.migrate(database_url)
        names = connection.execute("SELECT name FROM analytics.workspaces ORDER BY name").fetchall()
    assert names == [("kept",), ("local",)]


def test_four_migrations_at_once_all_succeed(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        for outcome in [threads.submit(runner.migrate, empty_database_url) for _ in range(4)]:
            assert outcome.result(60) is None
    runner.check(empty_database_url)


def test_nothing_of_ours_is_left_outside_the_schema(empty_database_url: str) -> None:
    runner.migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        strays = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchall()
        locks = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert strays == []
    assert locks == (0,)


def test_known_versions_are_the_migrations() -> None:
    scripts = ScriptDirectory(str(runner.FOLDER))
    assert tuple(script.revision for script in scripts.walk_revisions()) == runner.KNOWN


def test_database_without_schema_is_told_to_migrate(empty_database_url: str) -> None:
    with pytest.raises(runner.SchemaTooOldError, match=r"missing.*`stepwell migrate`"):
        runner.check(empty_database_url)


@pytest.mark.parametrize("act", [runner.migrate, runner.check], ids=["migrate", "check"])
def test_database_of_a_newer_version_is_refused_and_left_alone(database_url: str, act: object) -> None:
    assert callable(act)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE analytics.schema_version SET version_num = '9999'")
    with pytest.raises(runner.SchemaTooNewError, match=r"9999, newer than this Stepwell.*Upgrade Stepwell"):
        act(database_url)
    assert runner.current(database_url) == "9999"


@pytest.mark.parametrize("act", [runner.migrate, runner.check], ids=["migrate", "check"])
def test_too_old_server_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch, act: object) -> None:
    assert callable(act)
    monkeypatch.setattr(runner, "OLDEST_POSTGRESQL", 99)
    with pytest.raises(runner.UnsupportedDatabaseError, match=r"Stepwell needs 99 or newer.*Upgrade the server"):
        act(database_url)


def test_failed_migration_is_rolled_back_and_told(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA analytics")
        connection.execute("CREATE VIEW analytics.execution_steps AS SELECT 1 AS of_someone_else")
    with pytest.raises(runner.MigrationError, match=r"rolled back.*execution_steps.*already exists"):
        runner.migrate(empty_database_url)
    assert runner.current(empty_database_url) is None
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('analytics.step_facts')").fetchone() == (None,)


def test_role_without_rights_is_told_what_to_grant(postgres: EmbeddedPostgres, empty_database_url: str) -> None:
    role = "visitor"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        try:
            url = conninfo.make_conninfo(empty_database_url, user=role)
            with pytest.raises(runner.UnsupportedDatabaseError, match=r"GRANT CREATE ON DATABASE"):
                runner.migrate(url)
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_password_with_special_characters_and_socket_folder_reach_libpq(empty_database_url: str) -> None:
    url = empty_database_url.replace("@/", ":p%40s%2Fs%3Aw%25rd%23@/", 1)
    assert conninfo.conninfo_to_dict(url)["password"] == "p@s/s:w%rd#"
    runner.migrate(url)
    assert runner.current(empty_database_url) == runner.HEAD


def test_unreachable_database_is_told_without_its_password() -> None:
    with pytest.raises(runner.DatabaseUnreachableError, match="cannot be reached") as told:
        runner.check("postgresql://someone:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(told.value)


def test_url_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(runner.DatabaseUnreachableError, match="none that libpq reads") as told:
        runner.migrate("postgresql+psycopg://someone:secret@localhost/x")
    assert "secret" not in str(told.value)
    assert told.value.__cause__ is None
