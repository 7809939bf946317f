"""The user PostgreSQL runs as: it refuses to run as root, so root lends it an unprivileged one."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from stepwell_storage.embedded.errors import EmbeddedPostgresError

UNPRIVILEGED_USER = "nobody"
UNPRIVILEGED_ID = 65534
"""The overflow user of Linux, for systems whose user list does not name one."""


@dataclass(frozen=True, slots=True)
class Account:
    """User and group PostgreSQL runs as; ``None`` instead of an account means: as the caller."""

    uid: int
    gid: int


def account_for(cluster_dir: Path) -> Account | None:
    """Who runs PostgreSQL on ``cluster_dir``: the caller, or for root the folder's owner, else an unprivileged user."""
    if os.geteuid() != 0:
        return None
    if cluster_dir.exists():
        owner = cluster_dir.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        return Account(UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    return Account(entry.pw_uid, entry.pw_gid)


def give(folder: Path, account: Account | None) -> None:
    """Make ``folder`` the account's own.

    Raises:
        EmbeddedPostgresError: this root may not (a container without the right, or without a second user).
    """
    if account is None:
        return
    try:
        os.chown(folder, account.uid, account.gid)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and root cannot give {folder} to user {account.uid}: {error.strerror}; "
            "run Stepwell as an ordinary user, or give a database with --database-url"
        ) from error
