"""Objects that raise or never end, whatever takes them."""


class Hostile:  # noqa: PLW1641
    """Raises whatever is asked of it."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __len__ = __iter__ = __bool__ = __format__ = __hash__ = __str__
    __int__ = __index__ = __str__

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    def __getattr__(self, name):
        raise RuntimeError("no attributes")

    @property
    def __class__(self):
        raise RuntimeError("no class")


class HostileMapping(dict):
    def items(self):
        raise RuntimeError("no items")


class Metaclass(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")


class Nameless(metaclass=Metaclass):
    def __str__(self):
        raise RuntimeError("no text")


class Endless:
    def __str__(self):
        return str(self)
