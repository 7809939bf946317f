"""The user PostgreSQL runs as: it refuses to run as root, so root lends it an unprivileged one."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from stepwell_storage.embedded.errors import EmbeddedPostgresError

UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """User and group PostgreSQL runs as; ``None`` instead of an account means: as the caller."""

    uid: int
    gid: int


def account_for(cluster_dir: Path) -> Account | None:
    """Who runs PostgreSQL on ``cluster_dir``: the caller, or for root the folder's owner, else an unprivileged user.

    Raises:
        EmbeddedPostgresError: root is the only user.
    """
    if os.geteuid() != 0:
        return None
    if cluster_dir.exists():
        owner = cluster_dir.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
    if not users:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and this machine has no other user; "
            "add one (for example: useradd --system stepwell), or give a database with --database-url"
        )
    # A user without a name in the system's list will not do: initdb looks it up.
    chosen = users.get(UNPRIVILEGED_USER) or users[min(users)]
    return Account(chosen.pw_uid, chosen.pw_gid)


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
