"""Uncaught exceptions and warnings are exported; the process prints and ends as ever."""

import json
import re
import subprocess
import sys
import threading
import warnings

import pytest
from support.instrumented import clean_environment

from otel_distro import logger
from otel_distro.logger import set_context
from otel_distro.settings import read_settings

PREPARE = """
import atexit, json, logging, os, sys, threading, warnings
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from otel_distro import logger
from otel_distro.instrumentation import LogBridge
from otel_distro.settings import LogCapture, read_settings
exporter = InMemoryLogRecordExporter()
provider = LoggerProvider(shutdown_on_exit=False)
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
LogBridge(provider, LogCapture(code_attributes=True)).install()
logger.install(read_settings())
@atexit.register
def write():
    with open("exported", "w") as file:
        json.dump([[data.instrumentation_scope.name, data.log_record.severity_text,
                    data.log_record.body, dict(data.log_record.attributes)]
                   for data in exporter.get_finished_logs()], file)
"""
IN_A_REQUEST = "if 'logger' in globals():\n    logger.set_context(request_id='r')\n"
TASK = """import asyncio, gc
async def bad():
    raise ValueError("bad")
async def main():
    asyncio.create_task(bad())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
asyncio.run(main())"""
CASES = {
    "main thread": (
        IN_A_REQUEST + "def work():\n    raise ValueError('bad')\nwork()",
        ("python.uncaught", "FATAL", "uncaught ValueError"),
    ),
    "group": (
        "raise ExceptionGroup('two', [ValueError('bad'), OSError('worse')])",
        ("python.uncaught", "FATAL", "uncaught ExceptionGroup"),
    ),
    "thread": (
        "t = threading.Thread(name='worker', target=lambda: 1 / 0)\nt.start()\nt.join()",
        ("python.uncaught", "ERROR", "uncaught ZeroDivisionError in worker"),
    ),
    "unraisable": (
        "class Bad:\n    def __del__(self):\n        raise ValueError('bad')\nBad()",
        ("python.uncaught", "ERROR", "Exception ignored in"),
    ),
    "warning": (
        "warnings.warn('old', FutureWarning)",
        ("py.warnings", "WARN", "old"),
    ),
    "captured warning": (
        "logging.captureWarnings(True)\nwarnings.warn('old', FutureWarning)",
        ("py.warnings", "WARN", "old"),
    ),
    "task": (
        TASK,
        ("asyncio", "ERROR", "Task exception was never retrieved"),
    ),
}
CONFIGURED = "logging.basicConfig(level=10)\n"
SILENT = {
    "exit": "sys.exit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "thread": "t = threading.Thread(target=sys.exit)\nt.start()\nt.join()",
}


def run(folder, code, *, ours):
    script = folder / "script.py"
    prepare = PREPARE if ours else "import logging, sys, threading, warnings\n"
    # The same line numbers with and without.
    script.write_text(prepare + "#\n" * (40 - prepare.count("\n")) + code)
    return subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env=clean_environment(BLIPEE_OTEL_LOG_FORMAT="off"),
    )


def without_addresses(text):
    return re.sub(r"0x[0-9a-f]+", "0x", text)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("configured", [False, True])
def test_what_python_reports_is_exported_once_and_printed_as_ever(name, configured, tmp_path):
    code, (scope, severity, body) = CASES[name]
    code = CONFIGURED + code if configured else code
    plain = run(tmp_path, code, ours=False)
    ours = run(tmp_path, code, ours=True)
    assert ours.returncode == plain.returncode
    assert ours.stdout == plain.stdout == ""
    assert without_addresses(ours.stderr) == without_addresses(plain.stderr)
    assert ours.stderr.count("Traceback") <= 1
    reports = [
        record
        for record in json.loads((tmp_path / "exported").read_text())
        if record[2] != "Using selector: EpollSelector"
    ]
    ((its_scope, its_severity, its_body, attributes),) = reports
    assert (its_scope, its_severity) == (scope, severity)
    assert body in its_body
    if scope != "py.warnings":
        assert attributes["exception.type"]
        assert "Traceback" in attributes["exception.stacktrace"]
    if name == "main thread":
        assert attributes["request.id"] == "r"
        assert attributes["code.line.number"] == 44 + configured
    if name == "warning":
        assert attributes["category"] == "FutureWarning"
        assert attributes["code.file.path"].endswith("script.py")


@pytest.mark.parametrize("name", SILENT)
def test_what_is_no_fault_is_not_reported(name, tmp_path):
    plain = run(tmp_path, SILENT[name], ours=False)
    ours = run(tmp_path, SILENT[name], ours=True)
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)
    assert (tmp_path / "exported").read_text() == "[]"


def test_a_thread_that_fails_says_whose_it_was(exported, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    logger.uninstall()
    logger.install(read_settings({}))
    set_context(request_id="r")
    thread = threading.Thread(target=lambda: 1 / 0, name="worker")
    thread.start()
    thread.join()
    assert exported.record.attributes["request.id"] == "r"
    assert len(seen) == 1


def test_hooks_that_were_there_are_called_and_put_back(install, monkeypatch):
    seen = []

    def theirs(*args):
        seen.append(args)

    for module, name in HOOKS:
        monkeypatch.setattr(module, name, theirs)
    install()
    error = ValueError("bad")
    for module, name in HOOKS[:1]:
        getattr(module, name)(ValueError, error, None)
    warnings.showwarning("old", FutureWarning, "file.py", 7)
    assert seen == [(ValueError, error, None), ("old", FutureWarning, "file.py", 7)]
    logger.uninstall()
    assert all(getattr(module, name) is theirs for module, name in HOOKS)


HOOKS = [
    (sys, "excepthook"),
    (sys, "unraisablehook"),
    (threading, "excepthook"),
    (warnings, "showwarning"),
]


def test_a_hook_that_is_asked_of_nonsense_reports_it_and_passes_it_on(install, monkeypatch, said):
    seen = []
    monkeypatch.setattr(sys, "excepthook", lambda *args: seen.append(args))
    install()
    sys.excepthook(None, None, None)
    assert seen == [(None, None, None)]
    (line,) = said()
    assert line.startswith("what excepthook reported was not exported (TypeError")
