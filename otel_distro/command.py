"""Does what the command `opentelemetry-instrument` does, without what it imports for that.

The command puts a folder on `PYTHONPATH` and becomes the program that it is to start. To know its
options it imports a good part of what an instrumented process needs, and scans what is installed:
a tenth of a second before the program begins. `blipee_otel.pth` calls `become()` when the
interpreter of the command starts, so nothing is imported here that it has not imported already.
"""

import os
import sys

_COMMAND = "opentelemetry-instrument"
# In this folder of `opentelemetry.instrumentation` is the `sitecustomize` of a process.
_FOLDER = "auto_instrumentation"


def become() -> None:
    """Become the program that the command is to start, in the environment that it would have.

    Returns where something else was started, or what is given is the command's own to understand:
    an option, or a program that is not there.
    """
    match sys.orig_argv:
        case [_, script, program, *arguments] if _is_command(script):
            executable = _executable(program)
            folder = _folder()
            if executable is not None and folder is not None:
                os.environ["PYTHONPATH"] = _with_first(folder, os.environ.get("PYTHONPATH", ""))
                os.execl(executable, executable, *arguments)  # noqa: S606 - the command's purpose


def _is_command(script: str) -> bool:
    return os.name == "posix" and os.path.basename(script) == _COMMAND  # noqa: PTH119


def _executable(program: str) -> str | None:
    if program.startswith("-"):
        return None
    folders = [""] if os.path.dirname(program) else os.get_exec_path()  # noqa: PTH120
    for folder in folders:
        path = os.path.join(folder, program)  # noqa: PTH118
        if os.access(path, os.X_OK) and not os.path.isdir(path):  # noqa: PTH112
            return path
    return None


def _folder() -> str | None:
    try:
        import opentelemetry.instrumentation
    except ImportError:
        return None
    for parent in opentelemetry.instrumentation.__path__:
        folder = os.path.abspath(os.path.join(parent, _FOLDER))  # noqa: PTH100, PTH118
        if os.path.isfile(os.path.join(folder, "sitecustomize.py")):  # noqa: PTH113, PTH118
            return folder
    return None


def _with_first(folder: str, python_path: str) -> str:
    paths = python_path.split(os.pathsep) if python_path else []
    here = os.getcwd()  # noqa: PTH109
    if here not in paths:
        paths.insert(0, here)
    return os.pathsep.join([folder, *(path for path in paths if path != folder)])
