"""A process that starts and ends: imports the application, and with `request` answers once."""

import asyncio
import sys

if sys.argv[1:] == ["request"]:
    from drive import requests

    asyncio.run(requests(1, "/orders", parent=False))
else:
    import bench_app  # noqa: F401 - that is all of it
