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
    """One child process. Its standard input is a pipe from us, held open as long as we live: one line with its
    settings comes that way (see `process.read_settings_line`). Its standard output is a pipe to us, for its ready line.
    What it logs goes to our standard error.
    """

    def __init__(self, command: str, variables: Callable[[], Mapping[str, str]], number: int = 1) -> None:
        """``variables`` gives the settings for a start, as environment variables; ``number`` tells several apart."""
        self._command = command
        self._name = command if number == 1 else f"{command} {number}"
        self._variables = variables
        self._process: asyncio.subprocess.Process | None = None
        self._waits_for_settings = False
        self._forwarding: asyncio.Task[None] | None = None
        self.addresses: dict[str, str] = {}
        """What the ready line said: address by kind."""

    @property
    def name(self) -> str:
        """The command's name, from the second of its kind on with a number."""
        return self._name

    @property
    def pid(self) -> int | None:
        """Process id of the last start."""
        return self._process.pid if self._process else None

    async def launch(self) -> None:
        """Start the process, which loads its code and then waits for its settings; `start` does so otherwise."""
        # -P: a file in the current folder must not take the place of a module.
        command = [sys.executable, "-P", "-m", "stepwell_api.cli", self._command, "--supervised", str(os.getpid())]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # A Ctrl-C in the terminal is for the supervisor, which stops its parts in order.
            start_new_session=True,
        )
        self._waits_for_settings = True

    async def start(self) -> None:
        """Start the process, or let a launched one go on, and wait for its ready line.

        Raises:
            StartError: it ended or said nothing in time.
        """
        if not self._waits_for_settings:
            await self.launch()
        self._waits_for_settings = False
        assert self._process is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._send_settings(self._process)
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

    async def _send_settings(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(dict(self._variables())).encode() + b"\n")
        # A process that has ended already is told by its missing ready line.
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()

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
