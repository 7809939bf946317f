"""Python runs this at the start of each process that has this folder on its path, as ``stepwell instrument`` arranges.

Where the program has a ``sitecustomize`` of its own, that one runs first, as if there were none of ours.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def _run_theirs() -> None:
    others = [entry for entry in sys.path if Path(entry).resolve() != _FOLDER]
    spec = PathFinder.find_spec(__name__, others)
    if spec is not None and spec.loader is not None:
        sys.modules[__name__] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


def _start_ours() -> None:
    try:
        from stepwell.auto.start import start
    except ImportError as error:
        if sys.stderr is not None:
            mend = "run there: pip install stepwell"
            print(f"stepwell: {sys.executable} runs without instrumentation: {error}; {mend}", file=sys.stderr)
    else:
        start()


try:
    _run_theirs()
finally:
    _start_ours()
