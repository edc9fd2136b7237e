"""The error that a user of the command line can correct."""


class UserError(Exception):
    """An error in the request, or in a file."""
