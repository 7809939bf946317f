"""What was recorded of steps, brought into a form that tests compare whole."""

from stepwell.testing import Recorder


def told(recorder: Recorder) -> list[tuple[str | None, str, str | None]]:
    """Parent, name and error of each step."""
    return [(step.parent, step.name, step.error_type) for step in recorder.steps]
