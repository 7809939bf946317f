"""Fuzzes decoding, mapping, rows and fold, guided by coverage: ``python -m tests.fuzz --minutes 10`` (``make fuzz``).

libFuzzer, through atheris, keeps the bodies that reach new code and goes on from those; `mutation` makes most changes,
so that they stay requests. What breaks a property of `targets` is written to ``tests/fuzz/finds/`` once for each place
in the code, where `test_fuzz` tries it from then on; the command then ends with 1.
"""

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["stepwell_receiver", "stepwell_storage"]):
    from tests.fuzz import mutation, seeds, targets

FINDS: Final = Path(__file__).parent / "finds"
_NAMES: Final = tuple(targets.TARGETS)
_MAX_BYTES: Final = 64 * 1024
_BLIND_SHARE: Final = 0.1


class Fuzzer:
    """One run: the first byte of each input says for which target the rest is."""

    def __init__(self, deadline_s: float) -> None:
        self.found: dict[str, Path] = {}
        self.bodies: dict[str, int] = dict.fromkeys(_NAMES, 0)
        self._deadline_s = deadline_s

    def one(self, data: bytes) -> None:
        """Tries one input; keeps it where it breaks a property in a place that is new."""
        if time.monotonic() > self._deadline_s:
            self.report()
        if not data:
            return
        name = _NAMES[data[0] % len(_NAMES)]
        self.bodies[name] += 1
        try:
            targets.TARGETS[name](data[1:])
        except Exception as error:
            self._keep(name, data[1:], error)

    def _keep(self, name: str, body: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        place = "|".join([name, type(error).__name__, *(f"{frame.filename}:{frame.lineno}" for frame in frames)])
        if place not in self.found:
            path = FINDS / f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}.bin"
            path.write_bytes(body)
            self.found[place] = path
            traceback.print_exception(error)

    def report(self) -> None:
        """Ends the process, which libFuzzer would otherwise keep."""
        sys.stderr.flush()
        print(f"bodies: {self.bodies}; finds: {len(self.found)}")
        for place, path in self.found.items():
            print(f"{path}: {place}")
        sys.stdout.flush()
        os._exit(1 if self.found else 0)


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """libFuzzer's custom mutator: a change that knows OTLP where the body allows one, else a blind one."""
    chance = random.Random(seed)
    name = _NAMES[data[0] % len(_NAMES)] if data else _NAMES[0]
    change = mutation.MUTATIONS.get(name)
    body = change(data[1:], chance) if change and chance.random() >= _BLIND_SHARE else None
    if body is None or len(body) >= max_size:
        return bytes(atheris.Mutate(data, max_size))
    return bytes([_NAMES.index(name)]) + body


def main() -> None:
    """Reads the options and fuzzes until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    fuzzer = Fuzzer(time.monotonic() + options.minutes * 60)
    with tempfile.TemporaryDirectory() as folder:
        for index, name in enumerate(_NAMES):
            for number, body in enumerate(seeds.seeds()[name]):
                (Path(folder) / f"{name}-{number}").write_bytes(bytes([index]) + body)
        arguments = [sys.argv[0], f"-seed={options.seed}", f"-max_len={_MAX_BYTES}", "-rss_limit_mb=4096", folder]
        atheris.Setup(arguments, fuzzer.one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
