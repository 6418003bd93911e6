"""Errors that are the user's to mend: printed as one line, exit code 2."""


class UserError(Exception):
    """What was wrong, where, and what would be right, in one line."""
