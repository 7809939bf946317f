"""A part that is a ``stepwell`` command of its own, started with ``--supervised``."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping

from stepwell_api.supervision.part import StartError, ending

log = logging.getLogger("stepwell.supervisor")

START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 30.0


class Child:
    """One child process. It prints a ready line on its standard output, which is a pipe to us; its standard input is
    one too, held open as long as we live (see `process.die_with`). What it logs goes to our standard error.
    """

    def __init__(self, name: str, environment: Callable[[], Mapping[str, str]]) -> None:
        self._name = name
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._forwarding: asyncio.Task[None] | None = None
        self.addresses: dict[str, str] = {}
        """What the ready line said: address by kind."""

    @property
    def name(self) -> str:
        """The command's name."""
        return self._name

    @property
    def pid(self) -> int | None:
        """Process id of the last start."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process and wait for its ready line.

        Raises:
            StartError: it ended or said nothing in time.
        """
        # -P: a file in the current folder must not take the place of a module.
        command = [sys.executable, "-P", "-m", "stepwell_api.cli", self._name, "--supervised", str(os.getpid())]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **self._environment()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # A Ctrl-C in the terminal is for the supervisor, which stops its parts in order.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self.addresses = await self._read_ready(self._process)
        except TimeoutError as error:
            await self.kill()
            raise StartError(f"the {self._name} did not answer within {START_TIMEOUT_S:.0f} s of its start") from error
        except BaseException:
            await self.kill()
            raise
        self._forwarding = asyncio.create_task(self._forward_output(self._process))

    async def ended(self) -> str:
        """Wait for its end."""
        assert self._process is not None, "not started"
        return ending(await self._process.wait())

    async def stop(self) -> None:
        """SIGTERM, then time to drain, then SIGKILL."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            log.warning("%s does not stop, killing it", self._name, extra={"after_s": DRAIN_TIMEOUT_S})
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL; what it acknowledged is committed, the rest is sent again by whoever sent it."""
        if self._process and self._process.returncode is None:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _read_ready(self, process: asyncio.subprocess.Process) -> dict[str, str]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        event = json.loads(line) if line.startswith(b"{") else {"event": "ended"}
        if event["event"] == "ready":
            return {kind: address for kind, address in event.items() if kind != "event"}
        how = ending(await process.wait()) if not line or event["event"] == "failed" else f"it printed {line!r}"
        raise StartError(event.get("message") or f"the {self._name} did not start ({how}); its log above tells why")

    async def _forward_output(self, process: asyncio.subprocess.Process) -> None:
        """A full pipe would stop the child; what it prints after the ready line is shown as it is."""
        assert process.stdout is not None
        async for line in process.stdout:
            sys.stderr.write(line.decode(errors="replace"))
