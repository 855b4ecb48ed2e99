"""Hooks for imports of other packages, and checks that packages are installed."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from keras_mmdense.errors import InputError


def require(purpose: str, extra: str, *modules: str) -> None:
    """Check that modules are installed, before any work.

    Args:
        purpose: What requires them, such as the name of a command.
        extra: The extra in `setup.cfg` that installs them.
        *modules: Names of the modules.

    Raises:
        InputError: If one is missing; the message names the command that installs it.
    """
    for name in modules:
        if sys.modules.get(name) is None and importlib.util.find_spec(name) is None:
            package = name.replace("_", "-")
            raise InputError(f'{purpose} needs {package}: pip install "keras-mmdense[{extra}]"')


def when_imported(name: str, act: Callable[[], object]) -> None:
    """Call a function when a package is imported: now, or right after its import.

    Args:
        name: Name of the package.
        act: The function.
    """
    if sys.modules.get(name) is not None:
        act()
    else:
        sys.meta_path.insert(0, _Watcher(name, act))


class _Watcher(MetaPathFinder):
    """Delegates the search for one package, and acts when it is loaded."""

    def __init__(self, name: str, act: Callable[[], object]):
        self.name, self.act = name, act

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != self.name or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ActingLoader(spec.loader, self.act)
        return spec


class _ActingLoader(Loader):
    def __init__(self, loader: Loader, act: Callable[[], object]):
        self.loader, self.act = loader, act

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.act()
