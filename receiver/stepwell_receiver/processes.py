"""Which process a resource stands for, as a short key by which its spans and its metrics meet.

OpenTelemetry's resource conventions: ``service.instance.id`` is unique within its service; else a process is its id on
its host or in its container; else the container, pod or function itself; else all that is told is the service.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.wire import Attributes

_KEY_BYTES: Final = 16
_SERVICE: Final = ("service.namespace", "service.name")
_INSTANCE: Final = "service.instance.id"
_PROCESS: Final = "process.pid"
_CONTAINERS: Final = (("k8s.pod.uid", "k8s.pod.name"), ("container.id",), ("faas.instance",))
_HOSTS: Final = (*_CONTAINERS, ("host.id", "host.name"))
"""Where a process lives; of spellings of one place the first that is there."""
_NO_NAME: Final = "unknown_service"
"""What SDKs call a service that nobody has named; very different processes may share it."""


def key_of(resource: Attributes) -> bytes | None:
    """The digest of what tells the process; ``None`` where nothing does."""
    identity = _identity(resource)
    if identity is None:
        return None
    return hashlib.sha256(values.as_json(dict(identity)).encode()).digest()[:_KEY_BYTES]


def _identity(resource: Attributes) -> dict[str, str] | None:
    service = _told(resource, ((key,) for key in _SERVICE))
    if instance := _told(resource, [(_INSTANCE,)]):
        return service | instance
    hosts = _told(resource, _HOSTS)
    if process := _told(resource, [(_PROCESS,)]):
        return process | (hosts or service)
    if _told(resource, _CONTAINERS):
        return service | hosts
    is_named = not service.get("service.name", _NO_NAME).startswith(_NO_NAME)
    return service | hosts if is_named else None


def _told(resource: Attributes, wanted: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """Each wanted attribute that is there, under its first spelling."""
    found: dict[str, str] = {}
    for spellings in wanted:
        key = next((key for key in spellings if values.as_text(resource.get(key))), None)
        if key is not None:
            found[key] = values.as_text(resource[key]) or ""
    return found
