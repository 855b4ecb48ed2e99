"""Write the reference of the command line from the help texts of its commands.

Run `python docs/cli.py` after a help text has changed; it writes docs/reference/cli.md.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

import typer

from keras_mmdense.cli import app

PAGE = Path(__file__).parent / "reference" / "cli.md"
NAME = "keras-mmdense"


def page() -> str:
    """Return the page as Markdown, a section for each command."""
    root = typer.main.get_command(app)
    sections = [f"# Command line\n\n{inspect.cleandoc(root.help)}"]
    sections += [_section(name, command) for name, command in commands(root)]
    return "\n\n".join(sections) + "\n"


def commands(group, prefix: str = NAME) -> Iterator[tuple]:
    """Yield (full name, command) of all commands, those of groups included."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _section(name, command):
    text, _, example = inspect.cleandoc(command.help).partition("Example: ")
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    table = ["| option or argument | meaning | default |", "|---|---|---|", *rows]
    blocks = [f"## {name}", text.strip(), f"```bash\n{example.strip()}\n```", "\n".join(table)]
    return "\n\n".join(block for block in blocks if block.strip())


def _row(parameter):
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [_argument(parameter)]
    label = "<br>".join(f"`{name}`" for name in names)
    return f"| {label} | {_one_line(parameter.help)} | {_default(parameter)} |"


def _argument(parameter):
    return (parameter.metavar or parameter.name).upper() + (" ..." if parameter.nargs == -1 else "")


def _default(parameter):
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return f"`{parameter.show_default}`"
    value = parameter.default
    if value is None or value is False or value == "":
        return ""
    return f"`{', '.join(map(str, value)) if isinstance(value, list | tuple) else value}`"


def _one_line(text):
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
