"""Run notebooks from top to bottom, each in a clean folder; any error ends the run.

Examples:
    python notebooks/run.py
    python notebooks/run.py architecture export
    python notebooks/run.py --pages docs/tutorials
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat

HOME = Path(__file__).parent
CELL_SECONDS = 900


def main() -> None:
    """Run the notebooks that the command line names, and print how long each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="Notebooks, such as separate; all by default.")
    parser.add_argument("--pages", type=Path, help="Folder for a Markdown page of each.")
    arguments = parser.parse_args()
    known = sorted(path.stem for path in HOME.glob("*.ipynb"))
    if unknown := sorted(set(arguments.names) - set(known)):
        sys.exit(f"no notebook {', '.join(unknown)}; expected one of {', '.join(known)}")
    for name in arguments.names or known:
        start = time.monotonic()
        notebook = run(HOME / f"{name}.ipynb")
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
        if arguments.pages:
            write_page(notebook, name, arguments.pages)


def run(path: Path) -> nbformat.NotebookNode:
    """Execute a notebook in an empty folder.

    Args:
        path: The notebook.

    Returns:
        The notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        client.execute(env={**os.environ, "COLUMNS": "100"})
    return notebook


def write_page(notebook: nbformat.NotebookNode, name: str, folder: Path) -> None:
    """Write an executed notebook as a Markdown page with its figures beside it.

    Args:
        notebook: The notebook with its outputs.
        name: Name of the page.
        folder: Folder of the pages; made if it is missing.
    """
    from nbconvert import MarkdownExporter

    for cell in notebook.cells:  # what TensorFlow logs about the machine
        outputs = cell.get("outputs", [])
        outputs[:] = [output for output in outputs if output.get("name") != "stderr"]
    files = {"unique_key": name, "output_files_dir": name}
    text, resources = MarkdownExporter().from_notebook_node(notebook, files)
    for path, content in resources["outputs"].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / f"{name}.md").write_text(text)


if __name__ == "__main__":
    main()
