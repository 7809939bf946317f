"""Starts all parts, keeps them running, and stops them in the order in which data flows."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from stepwell_api import data_folder
from stepwell_api.options import variables_of
from stepwell_api.supervision.child import Child
from stepwell_api.supervision.database import Database
from stepwell_api.supervision.keeper import keep_running
from stepwell_api.supervision.metrics_folder import fresh_metrics_folder
from stepwell_api.supervision.part import Part
from stepwell_migrations import runner
from stepwell_storage.settings import Settings


class Supervisor:
    """All of Stepwell on this machine. ``settings`` without a database URL mean the embedded PostgreSQL."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database: Database | None = None
        self._resources = contextlib.ExitStack()
        # In the order in which they are stopped: first no new data comes in, then what is there is worked off.
        self._further = [Child("receiver", self._variables, number) for number in range(2, settings.receivers + 1)]
        """Receivers that share the ports which the first has found."""
        self._first = [Child(command, self._variables) for command in ("receiver", "worker", "api")]
        self._children = [*self._further, *self._first]

    @property
    def settings(self) -> Settings:
        """With the database URL and the ports in use, once started."""
        return self._settings

    async def start(self) -> dict[str, str]:
        """Start everything; returns the addresses by kind. After an error, `stop` ends what was started.

        Raises:
            CommandError, MigrationError, StorageError: something does not start; the message tells the mend.
        """
        data_dir = None if self._settings.database_url else await self._claim_data_folder()
        self._resources.enter_context(fresh_metrics_folder(data_dir))
        # Loading the children's code takes longest, so it goes on while the database starts.
        for child in self._children:
            await child.launch()
        if self._database:
            await self._database.start()
            self._settings = dataclasses.replace(self._settings, database_url=self._database.url, data_dir=data_dir)
        await asyncio.to_thread(runner.migrate, self._settings.database_url, may_use_timescale=self._settings.timescale)
        async with asyncio.TaskGroup() as group:
            for child in self._first:
                group.create_task(child.start())
        found = {kind: address for child in self._first for kind, address in child.addresses.items()}
        addresses = {kind: found[kind] for kind in ("api", "otlp_http", "otlp_grpc")}
        self._settings = _with_ports(self._settings, addresses)
        async with asyncio.TaskGroup() as group:
            for child in self._further:
                group.create_task(child.start())
        return addresses

    async def keep_running(self) -> None:
        """Restart what ends, for ever; to be cancelled before `stop`."""
        async with asyncio.TaskGroup() as group:
            for part in self._parts():
                group.create_task(keep_running(part))

    async def stop(self) -> None:
        """Drain and stop every part in order."""
        for part in self._parts():
            await part.stop()
        self._resources.close()

    async def kill(self) -> None:
        """End every part now; makes a waiting `stop` return soon."""
        await asyncio.gather(*(part.kill() for part in self._parts()))

    def _parts(self) -> Sequence[Part]:
        return [*self._children, *([self._database] if self._database else [])]

    async def _claim_data_folder(self) -> Path:
        """The folder, held from now on, so that what is in it is of no other running process."""
        data_dir = data_folder.data_dir_of(self._settings)
        self._database = Database(data_dir)
        await self._database.claim()
        return data_dir

    def _variables(self) -> dict[str, str]:
        return variables_of(self._settings)


def _with_ports(settings: Settings, addresses: dict[str, str]) -> Settings:
    """Settings with the ports that were picked, so that a part comes back under the address it had."""
    return dataclasses.replace(
        settings,
        port=_port(addresses["api"]),
        otlp_http_port=_port(addresses["otlp_http"]),
        otlp_grpc_port=_port(addresses["otlp_grpc"]),
    )


def _port(address: str) -> int:
    port = urlsplit(address if "//" in address else f"//{address}").port
    assert port is not None, address
    return port
