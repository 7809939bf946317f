"""Run by tests as a process of its own: starts an embedded PostgreSQL, tells its pid, and waits to be killed."""

import signal
import sys
from pathlib import Path

import psycopg

from stepwell_storage.embedded import EmbeddedPostgres

if __name__ == "__main__":
    server = EmbeddedPostgres(Path(sys.argv[1]), lifeline="lifeline" in sys.argv)
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    print(server.pid, flush=True)
    signal.pause()
