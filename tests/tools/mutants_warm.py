"""Run the tests of some Python files many times, each time with one of the files changed, and start Python once.

    python tests/tools/mutants_warm.py FILE... -- TEST_FILE...

mutants.py starts it in a copy of the tree. It collects the tests, runs them on the unchanged files in a fork, notes
there which test reaches which line, and prints "ready" when all pass. Then each line of its input is a mutant (JSON
with file, line and source), and each line of its output a verdict: "killed" or "survived". A fork gives the functions
of the file their new code and runs the tests that reach the line, the quick ones first, and those that start processes.
Where the line stands in no function, or runs when the module is imported, the fork forgets what it imported of the
tree, and runs all tests anew.
"""

import ast
import contextlib
import gc
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import defaultdict
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from _pytest import main

ROOT = Path.cwd()
# In a fork that starts anew, plugins of pytest are there before it asks for them.
PYTEST = (
    "-q",
    "-x",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "--basetemp=.cache/tmp",
)
MAX_MEMORY = 1 << 31  # a loop that no longer ends gathers no more
CPU_S, CPU_FACTOR = 20, 5  # and no longer than this, and this many times what the tests took
NOT_RUN = 70
WHEN_IMPORTED = "import"  # in the place of a test
SHARED = "fixture"  # so too: what is made once, for more tests than the first that asks for it
STARTS = ("subprocess.Popen", "os.fork", "os.posix_spawn")


class Notes:
    """A plugin of pytest: the tests that reach each line of the files, their time, and those that start processes."""

    def __init__(self, files):
        self.files = {str(ROOT / file): file for file in files}
        self.reached = defaultdict(set)
        self.seconds = {}
        self.starters = set()
        self.test = WHEN_IMPORTED
        self.fixture = None
        self.starting_fixtures = set()

    def begin(self):
        sys.settrace(self.called)
        threading.settrace(self.called)

    def called(self, frame, event, arg):
        return self.line if frame.f_code.co_filename in self.files else None

    def line(self, frame, event, arg):
        self.reached[self.files[frame.f_code.co_filename], frame.f_lineno].add(self.test)
        return self.line

    def pytest_runtest_logreport(self, report):
        if report.failed:
            print(report.nodeid, report.longreprtext, file=sys.__stderr__)

    def started(self, event, _):
        if event in STARTS:
            self.starters.add(self.test)
            self.starting_fixtures.add(self.fixture)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.test, self.fixture, begin = item.nodeid, None, time.perf_counter()
        self.begin()  # a test may have taken it away
        yield
        self.seconds[item.nodeid] = time.perf_counter() - begin
        if self.starting_fixtures & set(item.fixturenames):
            self.starters.add(item.nodeid)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        before = self.test, self.fixture
        if fixturedef.scope != "function":
            self.test, self.fixture = SHARED, fixturedef.argname
        try:
            return (yield)
        finally:
            self.test, self.fixture = before


def in_fork(work, cpu_s=None):
    """The exit code of work() in a fork that leaves no process behind; negative when a signal ended the fork."""
    pid = os.fork()
    if not pid:
        code = NOT_RUN
        try:
            os.setpgid(0, 0)
            if cpu_s:
                resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
                resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
            code = int(work())
        except BaseException:  # noqa: BLE001 - the other side of the fork goes on
            traceback.print_exc(file=sys.__stderr__)
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


def lines_of_statement(source, line):
    """First and last line of the innermost statement that holds this line, and whether it stands in a function.

    Of a statement with a body, only the head counts.
    """
    within = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno
    ]
    node = min(within, key=lambda node: node.end_lineno - node.lineno)
    body = getattr(node, "body", None)
    functions = (node for node in within if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    inside = any(function.body[0].lineno <= line for function in functions)
    return node.lineno, (max(line, body[0].lineno - 1) if body else node.end_lineno), inside


def functions_of(source, file):
    """The code of each function in a module, in the order in which they stand."""
    found = []

    def gather(code):
        for part in code.co_consts:
            if isinstance(part, CodeType):
                found.append(part)
                gather(part)

    gather(compile(source, str(ROOT / file), "exec"))
    return found


def forget():
    """Forget what was imported of the tree."""
    ours = [
        name
        for name, module in list(sys.modules.items())
        for path in (getattr(module, "__file__", None) or "", *getattr(module, "__path__", ()))
        if path.startswith(f"{ROOT}{os.sep}")
    ]
    for name in ours:
        sys.modules.pop(name, None)


class Chosen:
    """A plugin of pytest that keeps these tests, in this order."""

    def __init__(self, tests):
        self.place = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items):
        items[:] = sorted((item for item in items if item.nodeid in self.place), key=lambda x: self.place[x.nodeid])


class Warm:
    """A plugin of pytest that runs the collected tests once for each mutant."""

    def __init__(self, files, tests, requests, answers):
        self.files = {file: (ROOT / file).read_text() for file in files}
        self.tests = tests
        self.requests, self.answers = requests, answers
        self.notes = Notes(files)
        self.notes.begin()

    def pytest_runtestloop(self, session):
        sys.settrace(None)
        threading.settrace(None)
        self.session = session
        self.items = {item.nodeid: item for item in session.items}
        paths = {str(ROOT / file) for file in self.files}
        functions = (one for one in gc.get_objects() if isinstance(one, FunctionType))
        self.functions = [one for one in functions if one.__code__.co_filename in paths]
        gc.freeze()
        if session.testsfailed or not self.record() or not self.passes_as_it_is():
            return True
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # a mutant's would outlive it
        print("ready", file=self.answers, flush=True)
        for line in self.requests:
            print(self.verdict(**json.loads(line)), file=self.answers, flush=True)
        return True

    def record(self):
        """Run all tests, keep the notes, and return whether all pass."""
        with tempfile.TemporaryFile() as file:

            def work():
                self.session.config.pluginmanager.register(self.notes)
                sys.addaudithook(self.notes.started)
                self.run(self.items)
                pickle.dump((self.notes.reached, self.notes.seconds, self.notes.starters), file)
                file.flush()
                return 0

            passed = in_fork(work) == 0
            file.seek(0)
            if passed:
                self.reached, self.seconds, self.starters = pickle.load(file)
            return passed

    def passes_as_it_is(self):
        """Whether the tests pass in the order and in the ways in which mutants are judged."""
        quick = sorted(self.items, key=self.seconds.__getitem__)
        return in_fork(lambda: self.run(quick)) == 0 and in_fork(lambda: self.run_anew(quick)) == 0

    def run(self, tests):
        """Run these tests as they were collected; the first that fails is raised."""
        self.session.items = [self.items[test] for test in tests]
        main.pytest_runtestloop(self.session)
        return 0

    def run_anew(self, tests):
        """Run these tests with everything of the tree imported again; 0 when they pass."""
        forget()
        return pytest.main([*PYTEST, *self.tests], plugins=[Chosen(tests)])

    def swap(self, file, before, after):
        """Give every function of a file its new code; return whether this was possible."""
        old, new = functions_of(before, file), functions_of(after, file)
        if [(a.co_qualname, a.co_freevars) for a in old] != [(b.co_qualname, b.co_freevars) for b in new]:
            return False
        codes = {(a.co_qualname, a.co_firstlineno): b for a, b in zip(old, new, strict=True)}
        for function in self.functions:
            code = function.__code__
            if code.co_filename == str(ROOT / file):
                function.__code__ = codes[code.co_qualname, code.co_firstlineno]
        return True

    def verdict(self, file, line, source):
        before = self.files[file]
        first, last, inside = lines_of_statement(before, line)
        found = set().union(*(self.reached.get((file, at), ()) for at in range(first, last + 1)))
        anew = not inside or WHEN_IMPORTED in found
        chosen = set(self.items) if anew or SHARED in found else found | self.starters
        tests = sorted(chosen, key=lambda test: (test not in found, self.seconds[test]))

        def work():
            try:
                return self.run(tests) if not anew and self.swap(file, before, source) else self.run_anew(tests)
            except self.session.Failed:
                return 1

        code = in_fork(work, CPU_S + int(CPU_FACTOR * sum(self.seconds[test] for test in tests)))
        if code in (NOT_RUN, pytest.ExitCode.NO_TESTS_COLLECTED):
            sys.exit(f"mutants: the tests did not run: {file}:{line}")
        return "killed" if code else "survived"


class Worker:
    """The other side of Warm: it sends mutants and reads verdicts."""

    def __init__(self, root, files, tests, env):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        env = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.process = subprocess.Popen([sys.executable, __file__, *files, "--", *tests], cwd=root, env=env, **pipes)
        if self.process.stdout.readline() != "ready\n":
            self.end()
            sys.exit("mutants: the tests fail on the unchanged files")

    def verdict(self, mutant):
        """ "killed" or "survived"."""
        asked = {"file": mutant.file, "line": mutant.line, "source": mutant.source}
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip() or sys.exit("mutants: the tests did not run")

    def end(self):
        with self.process:
            """Its input ends."""


def serve(files, tests):
    """Serve; what pytest prints goes nowhere."""
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return pytest.main([*PYTEST, *tests], plugins=[Warm(files, tests, requests, answers)])


if __name__ == "__main__":
    split = sys.argv.index("--")
    sys.exit(serve(sys.argv[1:split], sys.argv[split + 1 :]))
