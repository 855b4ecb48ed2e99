"""Documents hold what they promise: links, anchors, commands, generated pages, notebooks."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_mmdense

HOME = Path(__file__).parents[2]
REPOSITORY = "https://github.com/keras-mmdense/keras_mmdense"
COLAB = "https://colab.research.google.com/github/keras-mmdense/keras_mmdense/blob/main/"
DOCUMENTS = [
    *(HOME / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(path for path in (HOME / "docs").rglob("*.md") if path.parent.name != "tutorials"),
    *(HOME / "export" / name / "README.md" for name in ("", "web", "mobile")),
]
NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))
NAMES = {"architecture", "custom_network", "evaluate", "export", "separate", "train"}


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(path):
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)


def anchors(path):
    titles = re.findall(r"^#+ (.*)$", prose(path), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def local(link):
    """The path of a link into this repository; None for other sites."""
    for prefix in (COLAB, f"{REPOSITORY}/blob/main/"):
        if link.startswith(prefix):
            return HOME / link.removeprefix(prefix)
    return None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(HOME)))
def test_links_and_anchors(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        place, _, anchor = link.partition("#")
        if place.startswith(("http:", "https:")):
            target = local(place)
            if target is None:
                continue
        else:
            target = path.parent / place if place else path
        assert target.exists(), f"{path}: {link}"
        assert not anchor or anchor in anchors(target), f"{path}: {link}"


def test_page_of_the_command_line_is_fresh():
    script = load(HOME / "docs" / "cli.py")
    assert script.PAGE.read_text() == script.page(), "run: python docs/cli.py"


def test_diagram_of_imports_is_fresh():
    script = load(HOME / "docs" / "imports.py")
    assert script.START + script.diagram() + script.END in script.PAGE.read_text(), (
        "run: python docs/imports.py"
    )


def test_architecture_names_what_exists():
    text = (HOME / "docs" / "architecture.md").read_text()
    answers = re.findall(r"\| `(keras_mmdense/[\w/]+\.py)` \|", text)
    assert len(answers) == 7
    assert all((HOME / answer).is_file() for answer in answers)
    package = Path(keras_mmdense.__file__).parent
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.M)) == folders


def test_site_shows_every_page_and_every_shipped_network():
    listed = set(re.findall(r": (\S+\.md)$", (HOME / "mkdocs.yml").read_text(), flags=re.M))
    pages = {
        path.relative_to(HOME / "docs").as_posix()
        for path in DOCUMENTS
        if path.is_relative_to(HOME / "docs")
    }
    assert listed == pages | {f"tutorials/{name}.md" for name in NAMES}
    package = Path(keras_mmdense.__file__).parent
    for card in package.glob("pretrained/*/CARD.md"):
        page = HOME / "docs" / "networks" / f"{card.parent.name}.md"
        assert page.is_symlink() and page.resolve() == card.resolve()


def test_included_files_exist():
    for path in DOCUMENTS:
        for name in re.findall(r'^--8<-- "([^"]+)"', path.read_text(), flags=re.M):
            assert (HOME / name).is_file(), f"{path}: {name}"


def test_notebooks_are_stripped_and_open_in_colab():
    assert {path.stem for path in NOTEBOOKS} == NAMES
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        assert f"{COLAB}notebooks/{path.name})" in "".join(cells[0]["source"])
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
        install = "".join(code[0]["source"])
        assert '\nif "google.colab" in sys.modules:' in install and f"git+{REPOSITORY}" in install
        # Its package of protocols brings a TensorFlow of the same version.
        pinned = "tensorflow-serving-api=={version}.*" in install
        assert pinned == ("export" in install.split("keras_mmdense[")[1].split("]")[0])


def test_citation_names_this_version():
    text = (HOME / "CITATION.cff").read_text()
    assert f"\nversion: {keras_mmdense.__version__}\n" in text


@pytest.mark.slow
def test_notebooks_run():
    subprocess.run([sys.executable, HOME / "notebooks" / "run.py"], check=True)


@pytest.mark.slow
def test_guide_to_a_custom_network(tmp_path):
    """The guide, followed to the letter: table, training, separation, export."""
    guide = (HOME / "docs" / "guides" / "own_network.md").read_text()
    call = "from keras_mmdense.cli import main; main()"
    shell = f"keras-mmdense() {{ '{sys.executable}' -c '{call}' \"$@\"; }}\nset -e\n"
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", guide, flags=re.M | re.S):
        command = {"python": [sys.executable, "-c", block], "bash": ["bash", "-c", shell + block]}
        subprocess.run(command[language], cwd=tmp_path, check=True)
    assert len(list((tmp_path / "stems").rglob("vocals.wav"))) == 4
    assert (tmp_path / "stems.tflite").stat().st_size > 10_000
