"""What the demo prints at its end: sent against shown, and where to look."""

from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from stepwell_api.demo.cases import Ending
from stepwell_api.demo.comparison import Comparison
from stepwell_api.demo.desk import AGENTS

EXAMPLES = 3


def print_report(comparison: Comparison, api: str, console: Console) -> None:
    """Prints the totals, the first runs that differ, and links."""
    console.print(_totals(comparison))
    for trace_id in comparison.differing()[:EXAMPLES]:
        console.print(
            f"Differs: trace {trace_id}\n  sent   {comparison.sent[trace_id]}", highlight=False, soft_wrap=True
        )
        for run in comparison.shown.get(trace_id, []):
            console.print(f"  shown  {run.figures}", highlight=False, soft_wrap=True)
    if comparison.differing():
        console.print(f"{len(comparison.differing())} runs are not shown as they were sent.", style="red")
    console.print("Look at:")
    for link in _links(comparison, api):
        console.print(f"  {link}", highlight=False, soft_wrap=True, markup=False)


def _totals(comparison: Comparison) -> Table:
    table = Table("", "sent", "shown", "")
    for column in table.columns[1:3]:
        column.justify = "right"
    for name, sent, shown in comparison.totals():
        table.add_row(name, f"{sent:,}", f"{shown:,}", "ok" if sent == shown else "differs")
    return table


def _links(comparison: Comparison, api: str) -> list[str]:
    base = f"{api}/api/v1"
    failed = [
        run.execution_id for runs in comparison.shown.values() for run in runs if run.figures.ending == Ending.FAILED
    ]
    return [
        f"{base}/executions?sort=-start_time&limit=20",
        *(f"{base}/executions/{quote(execution_id)}" for execution_id in failed[:1]),
        f"{base}/agents",
        *(f"{base}/agents/{quote(agent)}/analytics" for agent in AGENTS),
    ]
