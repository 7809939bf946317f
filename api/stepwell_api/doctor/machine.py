"""What the doctor looks at without a database: ports, and room on the disk."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Final

from stepwell_api.doctor.finding import Finding, State
from stepwell_api.network import PORT_OPTIONS
from stepwell_receiver.errors import PortTakenError
from stepwell_receiver.listening import claim
from stepwell_storage.settings import Settings

ANSWER_WITHIN_S: Final = 3.0
SCARCE_BYTES: Final = 1_000_000_000
LOW_BYTES: Final = 10_000_000_000


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether each port can be listened on, or a running Stepwell does."""
    is_running = _is_stepwell(settings.host, settings.port)
    for field, option in PORT_OPTIONS.items():
        port = getattr(settings, field)
        facts = {"option": option, "port": port}
        try:
            claim(settings.host, port, option).close()
        except PortTakenError as error:
            if is_running:
                yield Finding("port", State.OK, f"{option} {port} is in use, and Stepwell answers", facts=facts)
            else:
                mend = f"End what listens there, or choose another port with {option}."
                yield Finding("port", State.ERROR, str(error), mend, facts)
        else:
            yield Finding("port", State.OK, f"{option} {port} is free", facts=facts)


def disk(data_dir: Path) -> Finding:
    """The room that is left where the data folder is or will be."""
    place = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    usage = shutil.disk_usage(place)
    return disk_finding(data_dir, usage.free, usage.total)


def disk_finding(data_dir: Path, free_bytes: int, total_bytes: int) -> Finding:
    """What it means that so much is free."""
    facts = {"folder": str(data_dir), "free_bytes": free_bytes, "total_bytes": total_bytes}
    detail = f"{free_bytes / 1e9:.1f} of {total_bytes / 1e9:.1f} GB are free for {data_dir}"
    if free_bytes < SCARCE_BYTES:
        return Finding("disk", State.ERROR, detail, "Free space, or choose another folder with --data-dir.", facts)
    if free_bytes < LOW_BYTES:
        return Finding("disk", State.WARNING, detail, "Free space before it is full: then nothing is stored.", facts)
    return Finding("disk", State.OK, detail, facts=facts)


def _is_stepwell(host: str, port: int) -> bool:
    """Whether a Stepwell's API answers there."""
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz"
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_WITHIN_S) as response:
            return bool(json.loads(response.read(1000)) == {"status": "ok"})
    except (OSError, HTTPException, ValueError):
        return False
