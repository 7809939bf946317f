"""Calls a function right before or after a program imports a module.

So nothing is imported that the program does not import itself, and no process pays for a framework that it does not
use. Import's own order stays as it is: the other finders find the module, and its own loader loads it.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from threading import RLock, get_ident
from types import ModuleType

Hook = Callable[[], object]

logger = logging.getLogger("stepwell")


class ImportHooks:
    """A finder that finds nothing itself, and has what others find call back. To be put first in ``sys.meta_path``."""

    def __init__(self) -> None:
        self._before: dict[str, list[Hook]] = {}
        self._after: dict[str, list[Hook]] = {}
        self._spread: set[str] = set()
        """Namespace packages that somebody waits for: they have no code, so the first module below stands for them."""
        self._searching: set[tuple[int, str]] = set()
        self._lock = RLock()

    def before(self, module: str, hook: Hook) -> None:
        """Has `hook` called before the module's code runs; at once if it ran already."""
        self._add(self._before, module, hook)

    def after(self, module: str, hook: Hook) -> None:
        """Has `hook` called after the module's code ran; at once if it ran already."""
        self._add(self._after, module, hook)

    def _add(self, hooks: dict[str, list[Hook]], module: str, hook: Hook) -> None:
        if module in sys.modules:
            _call(module, hook)
        else:
            hooks.setdefault(module, []).append(hook)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders give, whose loader calls back; None for what nobody waits for."""
        search = (get_ident(), fullname)
        package = fullname.rpartition(".")[0]
        is_awaited = fullname in self._before or fullname in self._after or package in self._spread
        if search in self._searching or not is_awaited:
            return None
        self._searching.add(search)
        try:
            spec = self._found_by_others(fullname, path, target)
        finally:
            self._searching.discard(search)
        if spec is not None and spec.loader is not None:
            if package in self._spread:
                self._stand_in(fullname, package)
            self._attach(fullname, spec)
        elif spec is not None:
            self._spread.add(fullname)
        return spec

    def _stand_in(self, module: str, package: str) -> None:
        """Has the first module that is found below a namespace package call back for it."""
        with self._lock:
            self._spread.discard(package)
            for hooks in (self._before, self._after):
                hooks.setdefault(module, []).extend(hooks.pop(package, []))

    def _found_by_others(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in [*sys.meta_path]:
            find = getattr(finder, "find_spec", None)
            if finder is not self and find is not None:
                spec: ModuleSpec | None = find(fullname, path, target)
                if spec is not None:
                    return spec
        return None

    def _attach(self, module: str, spec: ModuleSpec) -> None:
        """On the loader itself, so that it stays what it was to everyone who looks at it."""
        loader = spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None or isinstance(loader, type):  # what is built in shares a class
            return

        def exec_module(loaded: ModuleType) -> None:
            if loaded.__name__ != module:  # an archive's loader loads all that is in it
                execute(loaded)
                return
            vars(loader).pop("exec_module", None)
            self._run(self._before, module)
            execute(loaded)
            self._run(self._after, module)

        try:
            loader.exec_module = exec_module  # type: ignore[union-attr, method-assign]
        except AttributeError:
            logger.warning("cannot tell when %s is imported; it is not instrumented", module)

    def _run(self, hooks: dict[str, list[Hook]], module: str) -> None:
        with self._lock:
            due = hooks.pop(module, [])
        for hook in due:
            _call(module, hook)


def _call(module: str, hook: Hook) -> None:
    """A hook that fails is a line in the log: the program runs on as if there were none."""
    try:
        hook()
    except Exception as error:
        logger.warning("%s is not instrumented: %s: %s", module, type(error).__name__, error)
        logger.debug("the cause", exc_info=True)
