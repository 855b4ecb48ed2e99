"""The one exception for what a person can mend: a file, a name, a value they gave."""


class InputError(ValueError):
    """Bad input, told in one line that names the file or value and what was expected."""


def first_line(error: Exception) -> str:
    """Returns the first line of what an error says, or its name if it says nothing."""
    return (str(error).strip() or repr(error)).splitlines()[0]
