"""Says a finding in plain words: a title of one line, and what to do about it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from stepwell_api.insight.finding import Finding, Kind, is_range

Words = tuple[str, str]
"""Title, detail."""


def words_of(finding: Finding) -> Words:
    """Title and detail."""
    return _WORDS[finding.kind](finding.target, finding.figures)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 or not share else f"{share:.1%}"


def _time(ms: float) -> str:
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"


def _hours(hours: list[int]) -> str:
    """Neighbouring hours as ranges: 9-12 is from 9 to 12 o'clock."""
    starts = [hour for hour in hours if (hour - 1) % 24 not in hours] or hours[:1]
    ranges = []
    for start in starts:
        length = 1
        while length < 24 and (start + length) % 24 in hours:
            length += 1
        ranges.append(f"{start:02d}:00-{(start + length) % 24:02d}:00")
    return ", ".join(ranges)


def _stuck(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"Runs get stuck repeating {target['step_name']}",
        f"{_percent(figures['share_of_executions'])} of the runs call it {figures['median_calls_when_stuck']:.0f} "
        f"times where successful ones need {figures['calls_of_successful_executions']:.0f}, without progress. "
        "Limit the number of rounds, and let the agent see that a call brought nothing new.",
    )


def _retries(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"Retrying {target['step_name']} hardly ever helps",
        f"{figures['recovered']} of {figures['repeated']} repeated calls ended well. Retry only errors that can pass, "
        "fewer times, or mend what makes the call fail.",
    )


def _timeouts(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"{target['step_name']} comes close to the time limit",
        f"Runs are given up after about {_time(figures['limit_ms'])} in this step; one in twenty of the calls that "
        f"complete takes {_time(figures['p95_ms'])} or more. Raise the limit, or split or speed up the step.",
    )


def _input(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    key, value = target["input_key"], target["input_value"]
    what = f"with the input {key}"
    if figures.get("is_missing"):
        what = f"without the input {key}"
    elif value is not None:
        what = f"with {key} {value}" if is_range(figures) else f"with {key} = {value}"
    return (
        f"Runs {what} fail more often",
        f"{_percent(figures['failure_rate_with'])} of them fail, {_percent(figures['failure_rate_without'])} of the "
        "others. Check this input before the run, or handle it.",
    )


def _peak(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"Load peaks at {_hours(target['hours'])} UTC",
        f"These hours see {figures['load_lift']:.1f} times the runs of the mean hour; runs take "
        f"{figures['duration_ratio']:.2f} times as long as otherwise and {_percent(figures['failure_rate_in_hours'])} "
        f"of them fail, against {_percent(figures['failure_rate_otherwise'])}. Scale up before, or move what can wait.",
    )


def _tokens(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    where = f" of {target['step_name']}" if target["step_name"] else ""
    if figures["grows"] == "within runs":
        return (
            f"Prompts{where} grow from call to call",
            f"The last prompt of a run is {figures['median_ratio_of_last_to_first_prompt']:.1f} times the first. "
            "Summarise or drop what earlier calls brought.",
        )
    return (
        f"Tokens{where} per run grow",
        f"Runs at the end of the window take {figures['ratio']:.2f} times the tokens of those at its start. Look for "
        "what is added to prompts over time.",
    )


def _cause(target: Mapping[str, Any]) -> str:
    return f"with version {target['version']}" if target["version"] else f"since {target['since']}"


def _more_failures(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"More runs fail {_cause(target)}",
        f"{_percent(figures['failure_rate_after'])} of the runs fail, {_percent(figures['failure_rate_before'])} did "
        "before, and it still holds. Compare the failures of both, and what changed.",
    )


def _slower(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"Runs take longer {_cause(target)}",
        f"The median went from {_time(figures['median_duration_ms_before'])} to "
        f"{_time(figures['median_duration_ms_after'])}, and it still holds. Compare the steps of both.",
    )


def _flaky(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"{target['step_name']} often works only when it is repeated",
        f"{_percent(figures['failure_rate_per_call'])} of its calls fail, and {figures['recovered']} of "
        f"{figures['repeated']} repetitions ended well. Find out why the first call fails.",
    )


def _duplicates(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"{target['step_name']} is called again for what is known",
        f"{_percent(figures['share_of_executions'])} of the runs call it twice with the same input and get the same "
        "output. Keep the result for the run.",
    )


def _parallel(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    names = target["step_names"]
    return (
        f"{', '.join(names[:-1])} and {names[-1]} could run side by side",
        f"They run one after the other, and none uses another's output. Side by side they would save "
        f"{_time(figures['saved_ms_per_execution'])} per run, {_percent(figures['saved_share'])} of it.",
    )


def _failing(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    error = f" with {target['error_type']}" if target["error_type"] else ""
    return (
        f"{target['step_name']} causes {_percent(figures['share_of_failed_executions'])} of the failed runs",
        f"{_percent(figures['failure_rate_per_call'])} of its calls fail{error}, "
        f"{_percent(figures['failure_rate_of_other_steps'])} of those of other steps.",
    )


def _path(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    title = f"Runs on the path {target['execution_path']} fare worse"
    if "failure_rate" in figures:
        return (
            title,
            f"{_percent(figures['failure_rate'])} of them fail, {_percent(figures['failure_rate_of_other_paths'])} on "
            "other paths. Look at what leads to this path and what it does differently.",
        )
    return title, f"They cost {figures['ratio']:.1f} times what runs on other paths do."


def _bottleneck(target: Mapping[str, Any], figures: Mapping[str, Any]) -> Words:
    return (
        f"{target['step_name']} decides how long runs take",
        f"It takes {_percent(figures['critical_path_share'])} of the time on the critical path. If it always took what "
        f"it takes in its best tenth, a run would save {_time(figures['headroom_ms'])}.",
    )


_WORDS: Final[Mapping[Kind, Callable[[Mapping[str, Any], Mapping[str, Any]], Words]]] = {
    Kind.STUCK_LOOP: _stuck,
    Kind.RETRY_WASTE: _retries,
    Kind.TIMEOUT_RISK: _timeouts,
    Kind.FAILING_INPUT: _input,
    Kind.PEAK_HOURS: _peak,
    Kind.TOKEN_GROWTH: _tokens,
    Kind.FAILURE_REGRESSION: _more_failures,
    Kind.LATENCY_REGRESSION: _slower,
    Kind.FLAKY_STEP: _flaky,
    Kind.DUPLICATE_CALLS: _duplicates,
    Kind.PARALLELIZABLE_STEPS: _parallel,
    Kind.FAILING_STEP: _failing,
    Kind.UNDERPERFORMING_PATH: _path,
    Kind.BOTTLENECK_STEP: _bottleneck,
}
