"""The one exception for what a person can mend: a file, a name, a value they gave."""


class InputError(ValueError):
    """Bad input, told in one line that names the file or value and what was expected."""
