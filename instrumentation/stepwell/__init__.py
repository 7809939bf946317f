"""Stepwell's client library: what an agent's own process imports.

It depends on the OpenTelemetry SDK alone; receiver, storage and API live in the packages beside it and come
with the ``server`` extra.
"""

from importlib.metadata import version

__version__ = version("stepwell")
__all__ = ["__version__"]
