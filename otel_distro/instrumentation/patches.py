"""Functions of others that are replaced, and put back."""


class Patches:
    """Remembers what was replaced."""

    def __init__(self) -> None:
        self._replaced: list[tuple[type, str, object, object]] = []

    def replace(self, owner: type, name: str, new: object) -> None:
        """Replace a function of a class."""
        self._replaced.append((owner, name, owner.__dict__.get(name), new))
        setattr(owner, name, new)

    def undo(self) -> None:
        """Put everything back, except what somebody else has replaced since."""
        while self._replaced:
            owner, name, old, new = self._replaced.pop()
            if owner.__dict__.get(name) is not new:
                continue
            if old is None:  # inherited
                delattr(owner, name)
            else:
                setattr(owner, name, old)
