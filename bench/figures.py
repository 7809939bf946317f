"""How figures are told: quantiles, medians with their spread, the machine and what else it had to do."""

import math
import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def spread(values: Sequence[float], decimals: int = 0) -> str:
    """The median, and the lowest and highest where there are several."""
    told = f"{statistics.median(values):,.{decimals}f}"
    if len(values) == 1:
        return told
    return f"{told} ({min(values):,.{decimals}f} to {max(values):,.{decimals}f})"


def machine() -> str:
    """What the figures were measured on, and how busy it is right now."""
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"


def table(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The lines of a table in Markdown; the first column names the row."""
    yield "| " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * (len(columns) - 1)
    for name, cells in rows.items():
        yield "| " + " | ".join([name, *cells]) + " |"
