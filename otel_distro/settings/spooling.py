"""Where what cannot be delivered waits, and how long a process waits when it ends."""

from functools import partial
from pathlib import Path

from otel_distro.settings import names, parsing
from otel_distro.settings.model import Spooling
from otel_distro.settings.parsing import Invalid
from otel_distro.settings.reader import Reader

_DEFAULT = Spooling()
_FOLDER = Path("blipee-otel", "spool")


def read_spooling(reader: Reader) -> Spooling:
    """Read the settings of the spool."""
    return Spooling(
        is_wanted=reader.get(names.SPOOL, _switch, default=True),
        folder=_folder(reader),
        max_mib=reader.get(
            names.SPOOL_MAX_SIZE,
            partial(parsing.whole_number, unit="MiB", minimum=1, example=_DEFAULT.max_mib),
            _DEFAULT.max_mib,
        ),
        retention_h=reader.get(
            names.SPOOL_RETENTION,
            partial(parsing.whole_number, unit="hours", minimum=1, example=_DEFAULT.retention_h),
            _DEFAULT.retention_h,
        ),
        window_ms=reader.get(
            names.SPOOL_WINDOW,
            partial(parsing.milliseconds, example=_DEFAULT.window_ms),
            _DEFAULT.window_ms,
        ),
        fsync=reader.get(names.SPOOL_FSYNC, _switch, default=_DEFAULT.fsync),
    )


def _folder(reader: Reader) -> Path | None:
    usual = _state_folder(reader)
    return reader.get(names.SPOOL_DIR, _absolute, usual, instead=str(usual or "memory only"))


def _switch(text: str) -> bool:
    return parsing.choice(text, of=("on", "off", "true", "false")) in {"on", "true"}


def _absolute(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute():
        # The directory a service is started in is anybody's guess.
        raise Invalid("is not an absolute path", "e.g. /var/lib/blipee/spool")
    return path


def _state_folder(reader: Reader) -> Path | None:
    for name, below in ((names.STATE_HOME, Path()), (names.HOME, Path(".local", "state"))):
        folder = Path(reader.text(name) or "")
        if folder.is_absolute():
            return folder / below / _FOLDER
    return None
