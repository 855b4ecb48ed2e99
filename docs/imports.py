"""Draw which folder imports which, from the permissions that tests/test_architecture.py enforces.

Run `python docs/imports.py` after a permission has changed; it rewrites the diagram in
docs/architecture.md.
"""

import runpy
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "architecture.md"
START, END = "<!-- imports: docs/imports.py -->\n", "<!-- end of imports -->"


def diagram() -> str:
    """Return a Mermaid graph of the imports; those that follow from others are left out."""
    permissions = runpy.run_path(str(HERE.parent / "tests" / "test_architecture.py"))["MAY_IMPORT"]
    graph = {"cli": set(permissions), **permissions}
    edges = [f"  {name} --> {other}" for name in graph for other in sorted(_direct(graph, name))]
    return "\n".join(["```mermaid", "graph TD", *edges, "```", ""])


def _direct(graph, name):
    through = {far for near in graph[name] for far in _reach(graph, near)}
    return graph[name] - through


def _reach(graph, name):
    return graph[name].union(*(_reach(graph, other) for other in graph[name]))


def main() -> None:
    """Rewrite the diagram in the page."""
    before, _, rest = PAGE.read_text().partition(START)
    PAGE.write_text(before + START + diagram() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
