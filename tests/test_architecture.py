"""Dependencies point one way, and the core stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import keras_mmdense

PACKAGE = Path(keras_mmdense.__file__).parent

# What every part of the package may import of the others.
MAY_IMPORT = {
    "configs": set(),
    "errors": set(),
    "layers": set(),
    "models": {"configs", "errors", "layers"},
    "stems": {"errors"},
    "utils": {"errors"},
    "audio": {"errors", "stems", "utils"},
    "data": {"errors", "stems", "utils"},
    "evaluation": {"errors", "stems", "utils"},
    "pretrained": {"configs", "errors", "models", "stems", "utils"},
    "synthesis": {"stems"},
    "analysis": {"configs", "errors", "evaluation", "models", "pretrained", "utils"},
    "separation": {"audio", "errors", "layers", "models", "pretrained", "stems"},
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
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("keras_mmdense."):
                yield name.split(".")[1]


def part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_dependencies_point_one_way():
    seen = set()
    for path in PACKAGE.rglob("*.py"):
        if part(path) in ("__init__", "cli", "__main__"):
            continue
        seen.add(part(path))
        foreign = set(imports(path)) - {part(path)} - MAY_IMPORT[part(path)]
        assert not foreign, f"{path.relative_to(PACKAGE)} must not import {sorted(foreign)}"
    assert seen == set(MAY_IMPORT)


def test_files_stay_short():
    for path in [*PACKAGE.rglob("*.py"), *Path(__file__).parent.rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path


def test_import_loads_nothing_heavy():
    code = """
import sys
import keras
before = set(sys.modules)
import keras_mmdense
from keras_mmdense import Separator, build, list_models, model_config
heavy = {"musdb", "museval", "matplotlib", "tensorflow_io", "stempeg", "pandas", "typer"}
print(sorted(heavy & (set(sys.modules) - before)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
