"""An agent behind a queue of Celery's in the folder ``BROKER``: each task is a step of the run that sent it."""

import os
from pathlib import Path
from typing import Any

from celery import Celery

import stepwell

stepwell.configure()

folder = Path(os.environ["BROKER"])
messages = {"data_folder_in": str(folder), "data_folder_out": str(folder), "control_folder": str(folder / "control")}
app = Celery("queue_agent", broker="filesystem://")
app.conf.update(broker_transport_options=messages, worker_hijack_root_logger=False)


@stepwell.step
def work(number: int) -> int:
    return number


@app.task(bind=True)  # type: ignore[untyped-decorator]
def sort(self: Any, number: int) -> int:
    with stepwell.extract(self.request.headers or {}), stepwell.agent("sorter"):
        return work(number)
