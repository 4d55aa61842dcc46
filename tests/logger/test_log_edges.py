"""Where lines go through other hands: queues, threads of strangers, and streams that log."""

import copy
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.instrumented import run_python

from otel_distro.logger import context, get_logger, set_context
from otel_distro.logger.carry import Carrier
from otel_distro.logger.fields import current_fields


@pytest.mark.parametrize("fields", [{}, {"request_id": "r-1"}])
def test_a_record_of_ours_can_be_sent_to_another_process(fields):
    kept = []
    handler = logging.Handler()
    handler.emit = kept.append
    logging.getLogger("sent").addHandler(handler)
    try:
        with context(**fields):
            get_logger("sent").error("line", order=7)
    finally:
        logging.getLogger("sent").removeHandler(handler)
    (record,) = kept
    assert pickle.loads(pickle.dumps(record)).order == 7  # noqa: S301 - our own
    assert copy.deepcopy(record).order == 7


def test_a_stream_that_logs_what_is_written_to_it_does_not_loop():
    done = run_python(
        """
import logging, sys
import otel_distro
otel_distro.configure(service_name="s")
class Logs:
    def write(self, text): logging.getLogger("stream").warning(text)
    def flush(self): pass
out, sys.stdout, sys.stderr = sys.stdout, Logs(), Logs()
from otel_distro.logger import api_logger
api_logger.info("hi")
out.write("ran")
""",
        instrumented=False,
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert done.stdout == "ran"


def test_a_job_leaves_its_fields_to_no_other_job_of_the_pool(carrier):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(set_context, user_id="alice").result()
        assert pool.submit(current_fields).result() == {}


@pytest.fixture
def carrier():
    carrier = Carrier()
    carrier.install()
    yield carrier
    carrier.uninstall()
