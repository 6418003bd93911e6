"""What a user can fix: an error, printed as one line with exit code 2, or a note."""


class UserError(Exception):
    """What is wrong, where, and what would be right, in one line."""


class Note(UserWarning):
    """Something that did not stop the work, in one line; the command line prints it as it is."""
