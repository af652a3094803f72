"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend: one line that names the file or key and the cure. Commands exit with code 2."""
