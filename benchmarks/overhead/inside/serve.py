"""uvicorn on a port of its own choice. `measure` answers with its CPU and its memory."""

import gc
import resource
import socket
import threading
import time
from pathlib import Path

import uvicorn
from bench_app import app
from control import answer, orders
from vendors import VENDOR


def main() -> None:
    # With its protocol said, so that asyncio turns Nagle off, as on sockets that uvicorn makes.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, http="h11", loop="asyncio", log_level="warning", access_log=False)
    )
    gc.collect()
    answer(port=listening.getsockname()[1])
    threading.Thread(target=obey, args=[server], daemon=True).start()
    server.run(sockets=[listening])


def obey(server: uvicorn.Server) -> None:
    for (order,) in orders():
        assert order == "measure"
        VENDOR.flush()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        status = Path("/proc/self/status").read_text()
        answer(
            cpu_s=time.process_time() + children.ru_utime + children.ru_stime,
            rss_kb=int(status.split("VmRSS:")[1].split()[0]),
        )
    server.should_exit = True


if __name__ == "__main__":
    main()
