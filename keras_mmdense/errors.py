"""The exception for invalid user input."""


class InputError(ValueError):
    """Raised for invalid user input: a file, a name or a value.

    The message is one line that names the file or value and what was expected. Commands print it
    and exit with status 2.
    """


def first_line(error: Exception) -> str:
    """Return the first line of an error's message.

    Args:
        error: The error.

    Returns:
        The line, or the type of the error if its message is empty.
    """
    return (str(error).strip() or repr(error)).splitlines()[0]
