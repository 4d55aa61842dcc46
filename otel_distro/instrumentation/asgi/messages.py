"""The types of ASGI.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
# The first of each name.
Headers: TypeAlias = Mapping[bytes, bytes]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# Entries that are kept of what clients say, by each of the caches here: more of them are an
# attack, or of no use.
MAX_KEPT: Final = 1_000
# Of one entry.
MAX_BYTES: Final = 512
