"""The one error of this room."""


class CollectorError(Exception):
    """Something about the Collector cannot be done; the message says what to do instead."""
