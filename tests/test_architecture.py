"""Dependencies point one way, and the core stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import keras_mmdense

PACKAGE = Path(keras_mmdense.__file__).parent

# What every part of the package may import of the others.
MAY_IMPORT = {
    "configs": {"errors", "utils"},
    "errors": set(),
    "layers": set(),
    "models": {"configs", "errors", "layers", "stems"},
    "stems": {"errors"},
    "utils": {"errors"},
    "audio": {"errors", "stems", "utils"},
    "data": {"audio", "errors", "stems", "utils"},
    "evaluation": {"audio", "errors", "stems", "utils"},
    "pretrained": {"configs", "errors", "models", "stems", "utils"},
    "synthesis": {"audio", "errors", "stems", "utils"},
    "analysis": {"configs", "errors", "evaluation", "layers", "models", "pretrained", "utils"},
    "separation": {"audio", "errors", "layers", "models", "pretrained", "stems", "utils"},
    "beam": {
        "audio",
        "data",
        "errors",
        "evaluation",
        "pretrained",
        "separation",
        "stems",
        "utils",
    },
    "exporting": {"configs", "errors", "layers", "models", "pretrained", "separation", "utils"},
    "report": {
        "analysis",
        "audio",
        "errors",
        "evaluation",
        "models",
        "pretrained",
        "separation",
        "stems",
        "synthesis",
        "utils",
    },
    "training": {
        "configs",
        "data",
        "errors",
        "layers",
        "models",
        "pretrained",
        "separation",
        "stems",
        "utils",
    },
}


def imports(path):
    """Modules of the package that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("keras_mmdense."):
                yield name if name in MODULES else name.rpartition(".")[0]


def module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part(name):
    return name.split(".")[1]


MODULES = {module(path): path for path in PACKAGE.rglob("*.py")}
LOWER = [name for name in MODULES if "." in name and part(name) not in ("cli", "__main__")]


def test_dependencies_are_exactly_those_permitted():
    found = {part(name): set() for name in LOWER}
    for name in LOWER:
        found[part(name)] |= {part(other) for other in imports(MODULES[name])} - {part(name)}
    assert found == MAY_IMPORT


def test_no_circle_of_folders_or_files():
    assert not circle(MAY_IMPORT)
    assert not circle({name: set(imports(path)) - {name} for name, path in MODULES.items()})


def test_circles_are_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {"a", "b", "c", "d"}
    assert not circle({"a": {"b"}, "b": set(), "c": {"a", "b"}})


def circle(graph):
    """What is left of a graph once all that depends on nothing is taken away, again and again."""
    left = dict(graph)
    while free := [name for name in left if not left[name] & set(left)]:
        for name in free:
            del left[name]
    return set(left)


def test_commands_name_what_they_import():
    """No import by string, which neither editors nor the tests above would see."""
    for name, path in MODULES.items():
        if name != "keras_mmdense":
            assert "import_module" not in path.read_text(), path


def test_files_stay_short():
    for path in [*PACKAGE.rglob("*.py"), *Path(__file__).parent.rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path


def test_import_loads_nothing_heavy():
    code = """
import sys
import keras_mmdense
backends = {"keras", "tensorflow", "jax", "torch", "scipy"}
print(sorted(backends & set(sys.modules)))
import keras
assert "keras_mmdense>STFT" in keras.saving.get_custom_objects()
before = set(sys.modules)
from keras_mmdense import Separator, build, list_models, load_model, model_config, save_model
heavy = {"musdb", "museval", "matplotlib", "tensorflow_io", "stempeg", "pandas", "typer"}
print(sorted(heavy & (set(sys.modules) - before)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]
