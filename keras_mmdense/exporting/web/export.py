"""Export to a web page that separates songs in the browser."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_mmdense.errors import InputError
from keras_mmdense.exporting.tflite.export import can_step, export_tflite
from keras_mmdense.exporting.tflite.flatbuffer import read_card
from keras_mmdense.exporting.web.server import CONTENTS, HEADERS, MODEL
from keras_mmdense.utils.files import read_json, replacing_folder

DIST = Path("export", "web", "dist")
PAGE = Path(__file__).parents[3] / DIST
BUILD = "(cd export/web && npm ci && npm run build)"
PAGE_FILES = ("index.html", "assets", "icon.svg", "runtime", "sw.js")
NAME = re.compile(r"model-[0-9a-f]{12}\.tflite")
FOREVER = "public, max-age=31536000, immutable"


def export_web(
    models: Sequence[str | Path], out: str | Path, page: str | Path | None = None
) -> bool:
    """Write a folder that any static host can serve.

    It contains the page, a `.tflite` file named by its hash, `model.json` with that name, and
    `_headers`, which common hosts read: isolation for threads, and a policy by which the browser
    blocks requests to other hosts.

    Args:
        models: A `.tflite` file of `export_tflite`, or names or folders of trained networks, see
            `load_network`, with different stems.
        out: Folder to write; an older export there is replaced.
        page: Folder of the built page. Defaults to `None`: that of the repository that the package
            or, if it is installed, the current folder belongs to.

    Returns:
        Whether the page was found. Without it, the folder contains everything else.

    Raises:
        InputError: If a network is unknown, the file does not take waveforms, or `out` is anything
            other than an older export or cannot be written.

    Example:

    >>> built = export_web(["mdensenet_cws_4stems"], "site")
    >>> Path("site/model.json").is_file()
    True
    """
    pages = (PAGE, DIST) if page is None else (Path(page),)
    found = next((folder for folder in pages if (folder / "index.html").is_file()), None)
    with replacing_folder(out, MODEL, _known(Path(out), found)) as folder:
        if found:
            shutil.copytree(found, folder, dirs_exist_ok=True)
        content = _tflite(models, folder / "model.tflite")
        name = f"model-{hashlib.sha256(content).hexdigest()[:12]}.tflite"
        (folder / name).write_bytes(content)
        (folder / MODEL).write_text(json.dumps({"model": name}) + "\n")
        (folder / "_headers").write_text(_headers())
    return found is not None


def _known(out: Path, page: Path | None) -> set[str]:
    """Return the names that an export may contain, among them the model of the one in `out`."""
    known = {MODEL, "_headers", *PAGE_FILES}
    if page:
        known |= {path.name for path in page.iterdir()}
    if (out / MODEL).is_file():
        older = read_json(out / MODEL)
        if not NAME.fullmatch(str(older.get("model"))):
            raise InputError(f"{out / MODEL}: not that of an exported page; choose another folder")
        known.add(older["model"])
    return known


def _tflite(models: Sequence[str | Path], temporary: Path) -> bytes:
    if len(models) > 1 or Path(models[0]).suffix != ".tflite":
        export_tflite(models, temporary, steps=can_step(models))
        content = temporary.read_bytes()
        temporary.unlink()
        temporary.with_suffix(".json").unlink()
        return content
    path = Path(models[0])
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    content = path.read_bytes()
    read_card(content, str(path))
    return content


def _headers() -> str:
    """Return the contents of `_headers`, which Netlify, Cloudflare Pages and others read."""
    lines = ["/*", *(f"  {name}: {value}" for name, value in HEADERS.items())]
    for pattern in CONTENTS:
        lines += [pattern, f"  Cache-Control: {FOREVER}"]
    return "\n".join(lines) + "\n"
