"""Does something once a module has been imported, and then only.

There are no locks here: a fork while another thread imports leaves none behind, and modules are
imported at the same time by several threads, and by what is done about them.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

_waiting: Final[dict[str, list[Callable[[], object]]]] = {}
# Modules that are waited for and whose code runs at the moment.
_running: Final[set[str]] = set()


def upon_import(modules: Sequence[str], act: Callable[[], object], *, needed: str) -> None:
    """Call `act` once, as soon as one of `modules` has been imported: at once where one has.

    It is called on the thread that imports, before the module is at hand there. What it raises
    is raised by the import.

    Args:
        modules: Full names.
        act: Does what is to be done.
        needed: The module that `act` imports. Where the import of that one is under way, and has
            brought one of `modules` about, `act` is called when it is over.
    """
    once = [act]

    def look() -> None:
        # Each of these is one step of the interpreter: of two threads one takes it.
        if needed not in _running and any(name in sys.modules for name in modules):
            try:
                todo = once.pop()
            except IndexError:
                return
            todo()

    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name in (*modules, needed):
        _waiting.setdefault(name, []).append(look)
    look()


class _Finder(MetaPathFinder):
    """Finds nothing itself: has the loader of what the others find say when it is done."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _waiting or name in sys.modules:
            return None
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find and find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


class _Loader(Loader):
    """Another loader until its module is loaded; then there is that one only."""

    def __init__(self, loader: Any) -> None:  # noqa: ANN401 - any kind of loader
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what it is asked for
        if name == "_loader":  # not yet set: while it is copied, for one
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        name = spec.name if spec is not None else module.__name__
        if spec is not None and spec.loader is self:
            spec.loader = self._loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
        _running.add(name)
        try:
            self._loader.exec_module(module)
        finally:
            _running.discard(name)
        if name in sys.modules:  # and no copy of it that somebody made aside
            for look in _waiting.pop(name, ()):
                look()
