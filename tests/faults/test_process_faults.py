"""Processes that end, are killed, fork, or emit from strange places lose nothing that can be kept.

A record is a span and a log record with the same id. Ids are counted at the far side.
"""

import signal
import textwrap
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from support.instrumented import BIN
from support.misbehaving import GrpcServer, Hang, HttpServer
from support.scenarios import of

pytestmark = pytest.mark.collector

# Seconds in which a process that is ended is gone.
BOUND_S = 3.0
HANGING_BOUND_S = 3.5
# What a machine does that runs other tests too.
LOADED_S = 6.0


# --- SIGTERM and SIGINT ---------------------------------------------------------------------------

WAIT = "emit(*range(100)); say('ready'); time.sleep(30)"
WAIT_LESS = WAIT.replace("30", "0.5")
NOTES = "def note(number, frame): say('called with', number, type(frame).__name__); {then}\n"

# What a program does about the signal, which signal, and how it has to end.
SIGNALED = {
    "no handler": (f"prepare(); {WAIT}", signal.SIGTERM, -signal.SIGTERM),
    "interrupted": (f"prepare(); {WAIT}", signal.SIGINT, -signal.SIGINT),
    "its own handler, installed before": (
        NOTES.format(then="emit(100); sys.exit(7)")
        + f"signal.signal(signal.SIGTERM, note); prepare(); {WAIT}",
        signal.SIGTERM,
        7,
    ),
    "its own handler, installed after": (
        NOTES.format(then="emit(100); sys.exit(7)")
        + f"prepare(); signal.signal(signal.SIGTERM, note); {WAIT}",
        signal.SIGTERM,
        7,
    ),
    "a handler after which it goes on, to be killed": (
        NOTES.format(then="os._exit(8)")
        + f"signal.signal(signal.SIGTERM, note); prepare(); {WAIT}",
        signal.SIGTERM,
        8,
    ),
    "ignored before": (
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN); prepare(); {WAIT_LESS}",
        signal.SIGTERM,
        0,
    ),
    "ignored after": (
        f"prepare(); signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT_LESS}",
        signal.SIGTERM,
        0,
    ),
    "asyncio": (
        """
        import asyncio
        async def main():
            stopped = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
            emit(*range(50))
            say('ready')
            await stopped.wait()
            emit(*range(50, 100))
        prepare()
        asyncio.run(main())
        """,
        signal.SIGTERM,
        0,
    ),
    "configured in a thread": (
        """
        thread = threading.Thread(target=prepare)
        thread.start()
        thread.join()
        emit(*range(100))
        time.sleep(1)
        say('ready')
        time.sleep(30)
        """,
        signal.SIGTERM,
        -signal.SIGTERM,
    ),
}


def signaled(ground, why):
    program, number, _ = SIGNALED[why]
    running = ground.start(textwrap.dedent(program))
    running.wait_for("ready")
    running.send(number)
    ended = running.end()
    if "killed" in why or "thread" in why:
        ground.deliver()
    return ended


@of(signaled)
@pytest.mark.parametrize("why", SIGNALED)
def test_a_signal_ends_a_process_as_without_us_and_all_is_delivered(why, happened, arrived):
    program, _, code = SIGNALED[why]
    assert happened.code == code, happened.err
    assert happened.seconds < BOUND_S + LOADED_S, happened.err
    own = "note" in program
    assert ("called with 15 frame" in happened.out) == own
    arrived.exactly_once(range(101 if own and code == 7 else 100))
    if "killed" not in why and "thread" not in why:
        assert arrived.counted["emitted"] == arrived.spans.total()


def signaled_twice(ground):
    with HttpServer() as hanging:
        hanging.otherwise = Hang()
        to = f"http://{hanging.host}"
        running = ground.start(f"prepare(); {WAIT}", OTEL_EXPORTER_OTLP_ENDPOINT=to)
        running.wait_for("ready")
        running.send(signal.SIGTERM)
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        ended = running.end()
    ground.deliver()
    return ended


@of(signaled_twice)
def test_a_signal_that_comes_twice_loses_nothing(happened, arrived):
    assert happened.code == -signal.SIGTERM, happened.err
    assert happened.seconds < HANGING_BOUND_S + LOADED_S
    assert arrived.spans.keys() == arrived.logs.keys() == {str(one) for one in range(100)}


# --- SIGKILL --------------------------------------------------------------------------------------

# Writes down when it emits which id, so that the file has it also when it is killed right after.
UNTIL_KILLED = """
    prepare()
    book = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    emitted = 0
    while True:
        os.write(book, f"{os.environ['ROUND']}-{emitted} {time.time()}\\n".encode())
        emit(f"{os.environ['ROUND']}-{emitted}")
        if emitted == 0:
            say("ready")
        emitted += 1
        time.sleep(0.002)
"""
ROUNDS = 3


def killed_again_and_again(ground, collector):
    book = ground.folder / "book"
    killed_at = {}
    for number in range(ROUNDS):
        to = ground.nowhere() if collector == "down" else {}
        schedule = {f"OTEL_{name}_SCHEDULE_DELAY": "100" for name in ("BSP", "BLRP")}
        book_of = {"BOOK": str(book), "ROUND": str(number)}
        running = ground.start(UNTIL_KILLED, **to, **schedule, **book_of)
        running.wait_for("ready")
        time.sleep(1.3 + number / 10)
        running.send(signal.SIGKILL)
        killed_at[str(number)] = time.time()
        running.end()
    ground.deliver()
    lines = [line.split() for line in book.read_text().splitlines()]
    return {one: killed_at[one.partition("-")[0]] - float(at) for one, at in lines}


@of(killed_again_and_again)
@pytest.mark.parametrize("collector", ["up", "down"])
def test_a_killed_process_loses_the_last_moment_only(collector, happened, arrived):
    ages = happened
    lost = {one for one in ages if one not in arrived.spans or one not in arrived.logs}
    oldest = max((ages[one] for one in lost), default=0.0)
    doubled = {
        one for of in (arrived.spans, arrived.logs) for one, times in of.items() if times > 1
    }
    print(
        f"Collector {collector}: {len(ages)} emitted, {len(lost)} lost in {ROUNDS} kills, the "
        f"oldest {oldest * 1000:.0f} ms before; {len(doubled)} doubled"
    )
    assert len(ages) > ROUNDS * 100
    assert oldest < 2.0, "the window is 200 ms, on a machine that has time"
    if collector == "down":
        assert not doubled
    assert max([0, *arrived.spans.values(), *arrived.logs.values()]) <= 2
    # Sent, and killed before the answer.
    assert all(ages[one] < 2.0 for one in doubled)


# --- The end --------------------------------------------------------------------------------------

ENDS = {
    "http/protobuf": (HttpServer, "http://127.0.0.1"),
    "grpc": (GrpcServer, "http://127.0.0.1"),
}


def ended_without_a_collector(ground, protocol, collector):
    with ExitStack() as stack:
        to = ground.nowhere()
        if collector == "hangs":
            hanging = stack.enter_context(ENDS[protocol][0]())
            hanging.otherwise = Hang()
            to = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{hanging.host}"}
        running = ground.start(
            "prepare(); emit(*range(500)); say('ready')",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            **to,
        )
        running.wait_for("ready")
        ended = running.end()
    ground.deliver()
    return ended


@of(ended_without_a_collector)
@pytest.mark.parametrize("collector", ["down", "hangs"])
@pytest.mark.parametrize("protocol", ENDS)
def test_a_process_without_a_collector_ends_soon_and_the_next_one_delivers(
    protocol, collector, happened, arrived
):
    print(f"{protocol}, Collector {collector}: ended in {happened.seconds:.2f} s")
    assert happened.code == 0
    assert happened.seconds < {"down": BOUND_S, "hangs": HANGING_BOUND_S}[collector] + LOADED_S
    (line,) = happened.said
    assert "500 spans" in line
    assert "500 log records could not be delivered" in line
    assert "spool" in line
    arrived.exactly_once(range(500))
    assert arrived.counted["emitted"] == 500


# --- Forks ----------------------------------------------------------------------------------------


def forked_with_a_full_queue(ground, end):
    return ground.run(
        """
        prepare()
        emit(*(f"parent-{one}" for one in range(2000)))
        child = os.fork()
        if not child:
            emit(*(f"child-{one}" for one in range(10)))
            END
        emit(*(f"parent-{one}" for one in range(2000, 2010)))
        say(os.waitpid(child, 0)[1])
        """.replace("END", end)
    )


@of(forked_with_a_full_queue)
@pytest.mark.parametrize("end", ["sys.exit()", "telemetry.force_flush(); os._exit(0)"])
def test_a_fork_with_a_full_queue_loses_and_doubles_nothing(end, happened, arrived):
    assert (happened.code, happened.out) == (0, "0\n"), happened.err
    parent, child = range(2010), range(10)
    arrived.exactly_once([*(f"parent-{one}" for one in parent), *(f"child-{one}" for one in child)])


CHILDREN = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    def work(number):
        emit(f"child-{number}")
        return number

    def fail():
        work(0)
        raise SystemExit(3)

    prepare()
    if __name__ == "__main__":
        context = multiprocessing.get_context(os.environ["METHOD"])
        emit("parent-0")
        BODY
        emit("parent-1")
"""
BODIES = {
    "processes": """
        children = [context.Process(target=work, args=(number,)) for number in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        say([child.exitcode for child in children])
    """,
    "executor": """
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            say(sorted(pool.map(work, range(4))))
    """,
    "pool": """
        with context.Pool(2) as pool:
            say(sorted(pool.map(work, range(4))))
            pool.close()
            pool.join()
    """,
}


def with_children(ground, method, body):
    indented = textwrap.indent(textwrap.dedent(BODIES[body]), " " * 8).strip()
    program = textwrap.dedent(CHILDREN).replace(
        "    BODY", f"    {indented}".replace("\n    ", "\n")
    )
    return ground.run(program, METHOD=method)


@of(with_children)
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_deliver_before_they_end(method, body, happened, arrived):
    assert happened.code == 0, happened.err
    assert happened.out == ("[0, 0, 0, 0]\n" if body == "processes" else "[0, 1, 2, 3]\n")
    arrived.exactly_once([*(f"child-{one}" for one in range(4)), "parent-0", "parent-1"])
    # A child that forks has what its parent had counted.
    assert arrived.counted["emitted"] >= 6


def many_forks(ground):
    ended = ground.run(
        """
        prepare()
        going = True
        def busy():
            number = 0
            while going:
                emit(f"parent-{number}")
                number += 1
                time.sleep(0.001)
            say(number)
        thread = threading.Thread(target=busy)
        thread.start()
        children, began = [], time.monotonic()
        for number in range(100):
            time.sleep(max(0, began + number / 50 - time.monotonic()))
            child = os.fork()
            if not child:
                tracer.start_span("work", attributes={"id": f"old-{number}"}).end()
                log.info("worked", extra={"id": f"old-{number}"})
                time.sleep(1)
                tracer.start_span("work", attributes={"id": f"young-{number}"}).end()
                log.info("worked", extra={"id": f"young-{number}"})
                os._exit(0)
            children.append(child)
        say(sum(os.waitpid(child, 0)[1] for child in children))
        going = False
        thread.join()
        # Not in the middle of sending what the children have left.
        telemetry.force_flush(20_000)
        os._exit(0)
        """,
        # A child that ends in the middle of sending has it sent again.
        OTEL_BSP_SCHEDULE_DELAY="60000",
        OTEL_BLRP_SCHEDULE_DELAY="60000",
    )
    ground.deliver()
    return ended


@of(many_forks)
def test_fifty_forks_a_second_block_double_and_lose_nothing(happened, arrived):
    assert happened.code == 0, happened.err
    failed, emitted = happened.out.split()
    assert failed == "0"
    parent = [f"parent-{one}" for one in range(int(emitted))]
    expected = Counter([*parent, *(f"old-{one}" for one in range(100))])
    for there in (arrived.spans, arrived.logs):
        young = {one for one in there if one.startswith("young-")}
        assert Counter({one: n for one, n in there.items() if one not in young}) == expected
        assert max([1, *(there[one] for one in young)]) == 1
    print(f"{len(parent)} of the parent meanwhile; of the last moment {len(young)} of 100 arrived")


def forked_in_an_import(ground):
    return ground.run(
        """
        from importlib.abc import MetaPathFinder
        class Slow(MetaPathFinder):
            def find_spec(self, name, *_):
                if name.startswith("otel_distro.delivery.transport."):
                    importing.set()
                    time.sleep(0.05)
        importing = threading.Event()
        prepare()
        sys.meta_path.insert(0, Slow())
        emit("parent")
        importing.wait()
        child = os.fork()
        if not child:
            emit("child")
            os._exit(not telemetry.force_flush(10_000))
        say(os.waitpid(child, 0)[1])
        """
    )


@of(forked_in_an_import)
def test_a_child_forked_in_the_middle_of_an_import_of_ours_delivers(happened, arrived):
    assert happened.out == "0\n", happened.err
    arrived.exactly_once(["parent", "child"])


def with_subprocesses(ground):
    return ground.run(
        """
        import subprocess
        prepare()
        emit(*range(100))
        time.sleep(0.5)
        show = "import os; print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in "
        show += "os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')))"
        say(subprocess.run([sys.executable, "-Sc", show], capture_output=True, text=True).stdout)
        command = [sys.executable, "-Sc", show]
        say(os.waitpid(os.posix_spawn(sys.executable, command, os.environ), 0)[1])
        say(os.system("exit 3") >> 8)
        emit(*range(100, 200))
        """
    )


@of(with_subprocesses)
def test_subprocesses_get_nothing_of_ours(happened, arrived):
    assert happened.code == 0, happened.err
    assert "spool" not in happened.out
    assert "socket" not in happened.out
    assert happened.out.split("\n")[-3:] == ["0", "3", ""]
    arrived.exactly_once(range(200))


TASKS = """
    from celery import Celery
    app = Celery("tasks", broker="filesystem://")
    app.conf.broker_transport_options = {
        "data_folder_in": "queue", "data_folder_out": "queue", "processed_folder": "done",
    }
    app.conf.worker_hijack_root_logger = False
"""
WORKER = (
    TASKS
    + """
    @app.task(name="work")
    def work(number):
        emit(f"task-{number}")
        with open("done.txt", "a") as done:
            done.write(".")
    prepare()
"""
)


def celery_worker(ground):
    for name in ("queue", "done"):
        (ground.folder / name).mkdir()
    import_it = ground.folder / "tasks.py"
    from support.scenarios import PRELUDE

    import_it.write_text(PRELUDE + textwrap.dedent(WORKER))
    sent = ground.run(TASKS + "    for n in range(20): app.send_task('work', (n,))\n")
    assert sent.code == 0, sent.err
    command = [str(BIN / "celery"), "-A", "tasks", "worker", "--pool", "prefork", "-c", "2"]
    running = ground.start([*command, "--without-gossip", "--without-mingle"])
    done = ground.folder / "done.txt"
    until = time.monotonic() + 40
    while not done.exists() or len(done.read_text()) < 20:
        assert time.monotonic() < until, running.err.read_text()
        time.sleep(0.02)
    running.send(signal.SIGTERM)
    return running.end()


@of(celery_worker)
def test_a_celery_worker_that_stops_delivers_what_its_children_did(happened, arrived):
    print(f"Celery: ended in {happened.seconds:.2f} s")
    assert happened.code == 0, happened.err
    arrived.exactly_once(f"task-{one}" for one in range(20))
    assert arrived.counted["emitted"] == 20


# --- The interpreter's end ------------------------------------------------------------------------

LAST_WORDS = {
    "a closed event loop": """
        import asyncio
        prepare()
        loop = asyncio.new_event_loop()
        async def work():
            emit(0, 1)
        loop.run_until_complete(work())
        loop.close()
        emit(2, 3)
        """,
    "atexit before and after ours": """
        atexit.register(lambda: emit(0, 1))
        prepare()
        atexit.register(lambda: emit(2, 3))
        """,
    "__del__ of a module's object": """
        prepare()
        class Last:
            def __init__(self, *ids):
                self.ids, self.emit = ids, emit
            def __del__(self):
                self.emit(*self.ids)
        _last = Last(0, 1)
        emit(2, 3)
        """,
    "a thread that goes on": """
        prepare()
        def go_on():
            for one in range(4):
                emit(one)
                time.sleep(0.05)
        threading.Thread(target=go_on).start()
        """,
    "os._exit after the window": "prepare(); emit(*range(4)); time.sleep(1.2); os._exit(0)",
    "an exception": "prepare(); emit(*range(4)); raise SystemExit('it failed')",
}


def last_words(ground, where):
    ended = ground.run(textwrap.dedent(LAST_WORDS[where]))
    ground.deliver()
    return ended


@of(last_words)
@pytest.mark.parametrize("where", LAST_WORDS)
def test_what_is_emitted_at_the_very_end_is_delivered(where, happened, arrived):
    assert happened.code == (1 if where == "an exception" else 0)
    assert "Traceback" not in happened.err
    assert "Exception ignored" not in happened.err
    arrived.exactly_once(range(4))


# --- Strange places -------------------------------------------------------------------------------

HANDLERS = {
    "ours first": "prepare(); add(); ",
    "theirs first": "add(); prepare(); ",
    "basicConfig after": "prepare(); logging.basicConfig(level=logging.DEBUG, force=True); ",
    "a handler that logs": "prepare(); add(Logging()); ",
}
ADD = """
    class Logging(logging.Handler):
        def emit(self, record):
            if record.name != "more":
                logging.getLogger("more").debug("more")
    def add(handler=None):
        logging.getLogger().addHandler(handler or logging.StreamHandler())
        logging.getLogger().setLevel(logging.DEBUG)
"""


# As a library that delivery uses may be.
CHATTY = """
    import socket
    create = socket.getaddrinfo
    def chatty(*arguments, **more):
        logging.getLogger("chatty").debug("connecting")
        return create(*arguments, **more)
    socket.getaddrinfo = chatty
"""


def at_debug(ground, handlers):
    ended = ground.run(
        textwrap.dedent(ADD + CHATTY)
        + HANDLERS[handlers]
        + "logging.getLogger().setLevel(logging.DEBUG)\n"
        + "for one in range(200): emit(one); time.sleep(0.005)\n"
        + "print(telemetry.force_flush(500))\n",
        OTEL_PYTHON_LOG_HANDLER_LEVEL="debug",
        BLIPEE_OTEL_LOG_LEVEL="debug",
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_BLRP_SCHEDULE_DELAY="100",
        OTEL_METRIC_EXPORT_INTERVAL="200",
        **ground.nowhere(),
    )
    ground.deliver()
    return ended


@of(at_debug)
@pytest.mark.parametrize("handlers", HANDLERS)
def test_at_debug_with_a_failing_endpoint_no_line_is_about_delivery(handlers, happened, arrived):
    assert happened.code == 0, happened.err
    assert happened.out == "False\n"
    arrived.exactly_once(range(200))
    own = [name for name in arrived.scopes if name.startswith(("otel_distro", "opentelemetry"))]
    assert not own
    assert "chatty" not in arrived.scopes
    assert arrived.scopes["app"] == 200
    assert arrived.scopes.total() <= 200 + 200 + 50, arrived.scopes


PATCHED = {
    "gevent, patched first": (["-m", "gevent.monkey"], False, ""),
    "gevent, patched after": ([], True, "from gevent import monkey; monkey.patch_all()\n"),
    "gevent, patched after a record": (
        [],
        True,
        "prepare(); emit('early'); time.sleep(0.3)\nfrom gevent.monkey import *; patch_all()\n",
    ),
    # Metrics are collected all the time, so that it happens in the middle of a collection.
    "gevent, patched after a record, collecting": (
        [],
        True,
        "prepare(); emit('early'); time.sleep(0.3)\nfrom gevent.monkey import *; patch_all()\n",
    ),
    "gevent.monkey under opentelemetry-instrument": (["-m", "gevent.monkey"], True, ""),
}
GREENLETS = """
    prepare()
    import gevent
    def work(name):
        for one in range(10):
            emit(f"{name}-{one}")
            gevent.sleep(0.01)
    gevent.joinall([gevent.spawn(work, name) for name in range(10)])
    say("flushed", telemetry.force_flush(5000))
    END
"""


def patched(ground, how, end):
    options, instrumented, first = PATCHED[how]
    program = first + textwrap.dedent(GREENLETS).replace("END", end)
    environment = {"OTEL_METRIC_EXPORT_INTERVAL": "20"} if "collecting" in how else {}
    running = ground.start(program, options=options, instrumented=instrumented, **environment)
    running.wait_for("ready")
    if "sleep" in end:
        running.send(signal.SIGTERM)
    ended = running.end()
    ground.deliver()
    return ended


@of(patched)
@pytest.mark.parametrize(
    "end", ["emit('last'); say('ready')", "emit('last'); say('ready'); gevent.sleep(30)"]
)
@pytest.mark.parametrize("how", PATCHED)
def test_under_gevent_all_is_delivered(how, end, happened, arrived):
    assert happened.code == (-signal.SIGTERM if "sleep" in end else 0), happened.err
    assert "flushed True" in happened.out
    assert happened.seconds < BOUND_S + LOADED_S
    early = ["early"] if "record" in how else []
    arrived.exactly_once([*(f"{n}-{one}" for n in range(10) for one in range(10)), "last", *early])


def under_trio(ground):
    return ground.run(
        """
        import trio
        prepare()
        async def work(name):
            for one in range(10):
                emit(f"{name}-{one}")
                await trio.sleep(0.01)
        async def main():
            async with trio.open_nursery() as nursery:
                for name in range(10):
                    nursery.start_soon(work, name)
        trio.run(main)
        """
    )


@of(under_trio)
def test_under_trio_all_is_delivered(happened, arrived):
    assert happened.code == 0, happened.err
    arrived.exactly_once([f"{n}-{one}" for n in range(10) for one in range(10)])


# Delivery's part: locks of the SDK are another's.
RECORD = """
    def record(one):
        tracer.start_span("work", attributes={"id": str(one)}).end()
        logger.emit(body="worked", attributes={"id": str(one)})
    prepare()
    import itertools
    from opentelemetry import _logs
    logger = _logs.get_logger("app")
"""
INTERRUPTED = {
    "a signal handler": """
        numbers = itertools.count()
        def handle(*_):
            record(f"handler-{next(numbers)}")  # it interrupts itself, too
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        number, until = 0, time.monotonic() + 1.5
        while time.monotonic() < until:
            record(f"loop-{number}")
            number += 1
            if number % 50 == 0:
                time.sleep(0.05)  # the queue has a bound
        signal.setitimer(signal.ITIMER_REAL, 0)
        say("handler", next(numbers))
        say("loop", number)
        """,
    "a finalizer": """
        handled = 0
        class Cycle:
            def __init__(self):
                self.me = self
            def __del__(self):
                global handled
                record(f"handler-{handled}")
                handled += 1
        gc.set_threshold(20, 2, 2)
        number, until = 0, time.monotonic() + 1.5
        while time.monotonic() < until:
            record(f"loop-{number}")
            number += 1
            Cycle()
            if number % 50 == 0:
                time.sleep(0.05)
        gc.collect()
        say("handler", handled)
        say("loop", number)
        """,
    "the thread that sends": """
        from http.client import HTTPResponse
        handled, begin = 0, HTTPResponse.begin
        def beginning(self):
            global handled
            record(f"handler-{handled}")
            handled += 1
            return begin(self)
        HTTPResponse.begin = beginning
        number, until = 0, time.monotonic() + 1.5
        while time.monotonic() < until:
            record(f"loop-{number}")
            number += 1
            time.sleep(0.01)
        telemetry.force_flush(1000)
        HTTPResponse.begin = begin
        say("handler", handled)
        say("loop", number)
        """,
}


def interrupted(ground, by):
    program = textwrap.dedent(RECORD) + textwrap.dedent(INTERRUPTED[by])
    schedule = {f"OTEL_{name}_SCHEDULE_DELAY": "100" for name in ("BSP", "BLRP")}
    return ground.run(program, **schedule)


@of(interrupted)
@pytest.mark.parametrize("by", INTERRUPTED)
def test_what_interrupts_emitting_may_emit(by, happened, arrived):
    assert happened.code == 0, happened.err
    said = dict(line.split() for line in happened.out.splitlines())
    print(f"{by}: {said}")
    assert int(said["handler"]) > 5
    if by == "the thread that sends":
        assert int(said["handler"]) < 500, "what sending emits is sent, but not at once"
    arrived.exactly_once([f"{kind}-{one}" for kind in said for one in range(int(said[kind]))])
