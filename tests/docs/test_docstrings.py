"""Public names have docstrings that their signatures demand, whose examples run."""

import ast
import doctest
import importlib
import pathlib
import re

import numpy as np
import pytest

import keras_mmdense

PACKAGE = pathlib.Path(keras_mmdense.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
}
# Their examples export or blend networks, which takes long.
SLOW = ("keras_mmdense.exporting", "keras_mmdense.pretrained.blending")
# Methods of Keras' classes, which Keras documents.
KERAS = ("call", "build", "compute_output_shape", "compute_output_spec", "get_config")


def folder(module):
    return module.split(".")[1] if "." in module else ""


TREES = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}


def imported_elsewhere():
    """(module, name) of what files import from other folders of the package."""
    for module, tree in TREES.items():
        modules = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras_mmdense"):
                for name in (alias.name for alias in node.names):
                    if f"{node.module}.{name}" in MODULES:
                        modules[name] = f"{node.module}.{name}"
                    elif folder(node.module) != folder(module):
                        yield node.module, name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                other = modules.get(node.value.id)
                if other and folder(other) != folder(module):
                    yield other, node.attr


def definition(module, name):
    """The class or function that a name of a module stands for, None for another object."""
    for node in ast.walk(TREES.get(module, ast.Module([], []))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return definition(node.module, name)
    return None


def public():
    """Public classes and functions by their full names."""
    names = {("keras_mmdense", name) for name in keras_mmdense.__all__ if name != "layers"}
    (layers,) = [x for x in TREES["keras_mmdense.layers"].body if isinstance(x, ast.Assign)]
    names |= {("keras_mmdense.layers", name) for name in ast.literal_eval(layers.value)}
    found = {f"{module}.{name}": definition(module, name) for module, name in imported_elsewhere()}
    found |= {f"{module}.{name}": definition(module, name) for module, name in names}
    return {name: node for name, node in found.items() if node is not None}


def described(node):
    """Names in the section of arguments or attributes of a docstring."""
    docstring = (ast.get_docstring(node) or "") + "\n"
    section = re.search(r"^(?:Args|Attributes):\n((?:    .*\n|\n)*)", docstring, re.M)
    lines = re.findall(r"^    ([\w*, ]+):", section[1] if section else "", re.M)
    return {name.strip().lstrip("*") for line in lines for name in line.split(",")}


def parameters(function):
    given = function.args
    names = [x.arg for x in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg) if x]
    return [name for name in names if name not in ("self", "cls")]


def faults(function):
    """What the docstring of a function lacks."""
    docstring, names = ast.get_docstring(function), parameters(function)
    if not docstring:
        return ["a docstring"]
    lacking = [name for name in names if name not in described(function)]
    returns = ast.unparse(function.returns) if function.returns else "None"
    if returns not in ("None", "Iterator[None]"):
        told = re.search(r"^(Returns|Yields):", docstring, re.M)
        if not told and (names or not docstring.startswith("Return ")):
            lacking.append("Returns")
    return lacking


def class_faults(cls, bases):
    """What the docstrings of a class and its public methods lack, by name."""
    functions = {node.name: node for node in cls.body if isinstance(node, ast.FunctionDef)}
    names = parameters(functions["__init__"]) if "__init__" in functions else []
    if any("dataclass" in ast.unparse(decorator) for decorator in cls.decorator_list):
        fields = [node for node in cls.body if isinstance(node, ast.AnnAssign)]
        names = [x.target.id for x in fields if "ClassVar" not in ast.unparse(x.annotation)]
    known = {name for node in (cls, *bases) for name in described(node)}
    lacking = [] if ast.get_docstring(cls) else ["a docstring"]
    found = {"": lacking + [name for name in names if name not in (*known, "args", "kwargs")]}
    for name, node in functions.items():
        if name.startswith(("_", "on_")) or name in KERAS:
            continue
        if any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
            found[name] = [] if ast.get_docstring(node) else ["a docstring"]
        else:
            found[name] = faults(node)
    return found


def base_classes(cls):
    module = next(module for module in TREES if cls in TREES[module].body)
    for base in cls.bases:
        found = definition(module, ast.unparse(base))
        if found is not None:
            yield found
            yield from base_classes(found)


def test_public_names_have_docstrings_with_the_sections_of_their_signatures():
    nodes = public()
    assert len(nodes) > 150 and {"keras_mmdense.build", "keras_mmdense.layers.STFT"} <= set(nodes)
    found = {}
    for name, node in nodes.items():
        if isinstance(node, ast.ClassDef):
            parts = class_faults(node, list(base_classes(node)))
            found |= {f"{name}.{part}": lacking for part, lacking in parts.items() if lacking}
        elif lacking := faults(node):
            found[name] = lacking
    assert not found


def test_what_a_docstring_lacks_is_found():
    code = """
def good(size: int) -> int:
    '''Double a size.

    Args:
        size: A size.

    Returns:
        Twice the size.
    '''

def short(size: int) -> int:
    '''Double a size.'''

def bare(size: int) -> int:
    return size
"""
    expected = {"good": [], "short": ["size", "Returns"], "bare": ["a docstring"]}
    assert {node.name: faults(node) for node in ast.parse(code).body} == expected


def modules_with_examples():
    for module, path in sorted(MODULES.items()):
        code = "\n".join(line for line in path.read_text().splitlines() if "+SKIP" not in line)
        if re.search(r"^ *>>> ", code, re.M):
            slow = module.startswith(SLOW)
            yield pytest.param(module, id=module, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples_of_docstrings_run(module, tmp_path, monkeypatch):
    """With a second of noise as `waveform`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (44100, 2)).astype("float32")
    given = {"keras_mmdense": keras_mmdense, "numpy": np, "waveform": noise}
    examples = doctest.DocTestFinder().find(importlib.import_module(module), extraglobs=given)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in examples:
        runner.run(example)
    assert runner.summarize().attempted and not runner.summarize().failed
