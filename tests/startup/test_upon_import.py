"""What waits for a module happens once, when it has been imported, however that comes about."""

import importlib
import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
import zipfile

import pytest

from otel_distro.instrumentation.upon_import import upon_import


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Writes a module that is not there yet; what is done about it finds it in `sys.modules`."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def library(name, code="", needed="instrumentor_of_it"):
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(code)
        done = []
        upon_import([name], lambda: done.append(hasattr(sys.modules[name], "end")), needed=needed)
        return done

    yield library
    for name in set(sys.modules) - before:
        sys.modules.pop(name)


END = "end = True"


def test_it_happens_when_the_module_is_whole(library):
    done = library("lib_whole", END)
    assert done == []
    import lib_whole  # noqa: F401

    assert done == [True]


def test_it_happens_at_once_where_the_module_is_there(library):
    library("lib_there", END)
    import lib_there  # noqa: F401

    assert library("lib_there", END) == [True]


def test_it_happens_once_whatever_is_imported_and_reloaded(library):
    done = library("lib_again", END)
    import lib_again

    importlib.reload(lib_again)
    del sys.modules["lib_again"]
    importlib.import_module("lib_again")
    assert done == [True]


def test_of_several_modules_the_first_counts(library):
    library("lib_first", END)
    library("lib_second", END)
    done = []
    upon_import(["lib_first", "lib_second"], lambda: done.append(1), needed="instrumentor_of_it")
    importlib.import_module("lib_second")
    assert done == [1]
    importlib.import_module("lib_first")
    assert done == [1]


def test_several_that_wait_for_one_module_all_have_it(library):
    first, second = library("lib_shared", END), library("lib_shared", END)
    importlib.import_module("lib_shared")
    assert (first, second) == ([True], [True])


def test_a_module_within_a_package_can_be_waited_for(library):
    done = library("lib_package.inner", END)
    importlib.import_module("lib_package")
    assert done == []
    importlib.import_module("lib_package.inner")
    assert done == [True]


def test_a_module_that_failed_can_be_imported_later(library, tmp_path):
    done = library("lib_failing", "raise ValueError")
    with pytest.raises(ValueError):  # noqa: PT011 - the module's own
        importlib.import_module("lib_failing")
    assert done == []
    (tmp_path / "lib_failing.py").write_text(END)
    importlib.invalidate_caches()
    importlib.import_module("lib_failing")
    assert done == [True]


def test_a_module_in_a_zip_file_is_a_module(library, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.writestr("lib_packed.py", END)
    done = []
    upon_import(["lib_packed"], lambda: done.append(1), needed="instrumentor_of_it")
    monkeypatch.syspath_prepend(tmp_path / "packed.zip")
    importlib.import_module("lib_packed")
    assert done == [1]


def test_looking_for_a_module_imports_nothing_and_leaves_it_as_it_is(library):
    done = library("lib_looked_for", END)
    spec = importlib.util.find_spec("lib_looked_for")
    assert spec.loader.get_filename("lib_looked_for").endswith("lib_looked_for.py")
    aside = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(aside)
    assert done == []
    import lib_looked_for

    assert done == [True]
    for loader in (lib_looked_for.__loader__, lib_looked_for.__spec__.loader):
        assert type(loader) is importlib.machinery.SourceFileLoader


def test_a_module_that_is_imported_when_first_used_is_waited_for_until_then(library):
    done = library("lib_lazy", END)
    spec = importlib.util.find_spec("lib_lazy")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["lib_lazy"] = module
    spec.loader.exec_module(module)
    assert done == []
    assert module.end
    assert done == [True]


def test_what_imports_the_module_itself_is_whole_when_it_happens(library, tmp_path):
    done = library("lib_wanted", END, needed="instrumentor_of_lib")
    (tmp_path / "instrumentor_of_lib.py").write_text(
        "import lib_wanted, sys\nbefore = list(sys.done)\nclass Instrumentor: pass\n"
    )
    sys.done = done
    try:
        instrumentor = importlib.import_module("instrumentor_of_lib")
    finally:
        del sys.done
    assert instrumentor.before == []
    assert done == [True]


def test_an_instrumentor_alone_brings_nothing_about(library, tmp_path):
    done = library("lib_unused", END, needed="instrumentor_alone")
    (tmp_path / "instrumentor_alone.py").write_text("")
    importlib.import_module("instrumentor_alone")
    assert done == []
    importlib.import_module("lib_unused")
    assert done == [True]


def test_threads_that_import_at_the_same_time_bring_it_about_once(library):
    done = library("lib_threads", "import time; time.sleep(0.05)\n" + END)
    together = threading.Barrier(8)

    def import_it():
        together.wait()
        importlib.import_module("lib_threads")
        seen.append(list(done))

    seen = []
    threads = [threading.Thread(target=import_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[True]] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_was_forked_while_others_import_can_import(tmp_path):
    (tmp_path / "lib_forked.py").write_text(END)
    code = """
        import os, sys, threading
        from otel_distro.instrumentation.upon_import import upon_import
        upon_import(["lib_forked"], lambda: print("done", flush=True), needed="x")
        def look():
            import importlib.util
            while True:
                importlib.util.find_spec("lib_forked")
        threading.Thread(target=look, daemon=True).start()
        for _ in range(20):
            child = os.fork()
            if not child:
                import lib_forked
                os._exit(0)
            os.waitpid(child, 0)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )
    assert done.stdout == "done\n" * 20
