"""How much data, how sure, how large an effect: the numbers that decide what is suggested, each with its reason.

`docs/insight.md` lists them; a test compares the two. The first three are settings of the server as well.
"""

from dataclasses import dataclass

from stepwell_storage.settings import Settings


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Defaults are the contract's where it states one."""

    min_executions: int = 50
    """Of the agent in the window; below it nothing is said."""
    min_group: int = 30
    """Runs, or calls, in each group that is compared."""
    false_discovery_rate: float = 0.01
    """Benjamini-Hochberg, over every hypothesis that was tested for the agent."""

    load_lift: float = 1.5
    """Runs per hour in peak hours against the mean hour: less is the ordinary rise and fall of a day."""
    peak_lift: float = 2.0
    """From here on load alone makes peak hours."""
    bottleneck_share: float = 0.5
    """Of the critical-path time of successful runs."""
    failing_step_share: float = 0.4
    """Of the failed runs that one step causes."""
    failing_step_failures: int = 10
    """Failed runs that the step causes."""
    rate_difference: float = 0.05
    """Failure rate above that of the other group: one run in twenty is worth a look."""
    rate_ratio: float = 1.5
    """Failure rate as a multiple of the other group's."""
    slowdown: float = 1.15
    """Median duration as a multiple of the other group's: less hides in the noise of models' answer times."""
    recurrence: float = 0.05
    """Share of the runs in which a step is flaky, is called twice for nothing, or is retried in vain."""
    background_rate: float = 0.01
    """Errors and oddities of any system; what does not exceed it significantly is none of the step's own."""
    rare_error_rate: float = 0.05
    """Where all steps fail alike up to this rate, none of them is called flaky."""
    flaky_recovery: float = 1 / 3
    """Share of repeated calls that end well from which a step is flaky."""
    wasted_recovery: float = 0.2
    """Share of repeated calls that end well up to which repeating is a waste."""
    stuck_factor: float = 3.0
    """Calls of a stuck run as a multiple of what nine of ten successful runs need."""
    stuck_calls: int = 4
    """Calls beyond what nine of ten successful runs need."""
    stuck_share: float = 0.03
    """Share of the runs that are stuck."""
    parallel_saving: float = 0.03
    """Share of a run's duration that running the steps side by side would save."""
    parallel_dependence: float = 0.05
    """Share of the runs in which one step uses another's output up to which they count as independent."""
    min_regression_days: float = 1.0
    """How long a shift has to last up to the end of the window."""
    token_growth: float = 1.25
    """Tokens per run at the end of the window as a multiple of those at its start."""
    context_growth: float = 1.8
    """Prompt of the last model call of a run as a multiple of the first: answers and results alone add less."""
    context_calls: int = 3
    """Model calls of a run from which on growth within it is looked at."""
    timeouts: int = 5
    """Runs that timed out in the step from which on the limit is known."""
    timeout_approach: float = 0.6
    """Of the limit, which the slowest twentieth of the completed calls reaches."""
    path_share: float = 0.05
    """Share of the runs that take a path."""
    path_cost_ratio: float = 1.6
    """Mean cost of a path as a multiple of the others': a step more or less differs by less."""


DEFAULTS = Thresholds()


def limits_of(settings: Settings) -> Thresholds:
    """The numbers with those of the server's settings."""
    return Thresholds(
        min_executions=settings.suggest_min_executions,
        min_group=settings.suggest_min_group,
        false_discovery_rate=settings.suggest_false_discovery_rate,
    )
