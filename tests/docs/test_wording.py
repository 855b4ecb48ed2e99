"""Documents, code and messages use one spelling and plain standard verbs."""

import re
import subprocess
from pathlib import Path

HOME = Path(__file__).parents[2]
FORBIDDEN = re.compile(
    r"of one's own|goes on|choose of|breaks off|\banew\b|licence|synthesise|colour|normalisation"
    r"|something else than|without end|endless row",
    re.IGNORECASE,
)
# The changelog tells of renamed keys; the others read or hold files that 0.1.0 wrote.
EXEMPT = (
    "CHANGELOG.md",
    "keras_mmdense/pretrained/catalog.py",
    "keras_mmdense/separation/model_card.py",
    "tests/compatibility/",
    "export/web/src/card.ts",
    "tests/docs/test_wording.py",
)


def texts():
    """Text files under version control, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=HOME, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        path = HOME / name
        if name.startswith(EXEMPT) or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            yield name, content.decode(errors="replace")


def found(text):
    return [match[0] for match in FORBIDDEN.finditer(text)]


def test_forbidden_phrases_are_nowhere():
    files = dict(texts())
    assert {"README.md", "keras_mmdense/cli/train.py", "notebooks/train.ipynb"} <= set(files)
    assert {name: found(text) for name, text in files.items() if found(text)} == {}


def test_forbidden_phrases_are_found():
    assert found("The run goes on, under a Licence.") == ["goes on", "Licence"]
    assert found("a new license for canewares") == []
