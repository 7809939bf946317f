"""The folder where the children leave their metrics, so that the API shows those of all processes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stepwell_storage.embedded import DataFolderError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
FOLDER_NAME = "metrics"


@contextmanager
def fresh_metrics_folder(data_dir: Path | None) -> Iterator[Path]:
    """An empty folder below ``data_dir``, else a temporary one; the environment of later children names it.

    Raises:
        DataFolderError: it cannot be made.
    """
    if data_dir is None:
        with tempfile.TemporaryDirectory(prefix="stepwell-metrics-") as folder:
            os.environ[VARIABLE] = folder
            yield Path(folder)
        return
    folder_path = data_dir / FOLDER_NAME
    try:
        if folder_path.exists():
            shutil.rmtree(folder_path)
        folder_path.mkdir(mode=0o700)
    except OSError as error:
        raise DataFolderError.not_writable(data_dir, error) from error
    os.environ[VARIABLE] = str(folder_path)
    yield folder_path
    shutil.rmtree(folder_path, ignore_errors=True)
