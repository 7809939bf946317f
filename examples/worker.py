"""A worker that takes tasks from a queue, as Celery does: the sender's step goes along in the task's headers.

The task is a run of its own where nobody waits for it in a run, and a step of the run that sent it where somebody does.
"""

import multiprocessing
from typing import Any

import stepwell

stepwell.configure(service_name="post-office")

Task = dict[str, Any]


@stepwell.agent("sorter")
def sort(letters: list[str]) -> list[str]:
    stepwell.trigger("webhook", {"queue": "letters"})
    with stepwell.step("by_name") as step:
        step.output = found = sorted(letters)
    return found


def work(tasks: "multiprocessing.SimpleQueue[Task | None]") -> None:
    """What a worker's process does; Celery's tasks get their headers from ``self.request.headers``."""
    while (task := tasks.get()) is not None:
        with stepwell.extract(task["headers"]):
            sort(task["letters"])


@stepwell.agent
def postmaster(tasks: "multiprocessing.SimpleQueue[Task | None]", letters: list[str]) -> None:
    with stepwell.step("hand_over"):
        tasks.put({"letters": letters, "headers": stepwell.inject({})})


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    worker = context.Process(target=work, args=(queue,))
    worker.start()
    queue.put({"letters": ["b", "a"], "headers": {}})
    postmaster(queue, ["d", "c"])
    queue.put(None)
    worker.join()
