"""A pytest that stays in memory: it runs the tests of the C core once, then once more for each mutant, in a fork.

mutants.py starts it in a copy of the tree, as a plugin of pytest. The first run is on the unchanged files: it must
pass, it makes every object, and it says which tests are quick. For a mutant only the sources that include the changed
file are compiled again (at -O1 or -O0); a test whose C program says what it said before passes.
"""

import gc
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _pytest.runner import runtestprotocol

VERDICTS = ("survived", "killed", "invalid", "equivalent")  # a fork's exit code is one's place
SURVIVED, KILLED, INVALID, EQUIVALENT = range(4)
COMPILE_S = 120
SLOW_S = 1  # before tests that take longer, the compilers are asked whether anything changed at all
PIPES = "HOLDFAST_MUTANTS_PIPES"


def limit_cpu(seconds):
    """Allow this process, and each that it starts, so much more processor time: an endless loop then ends."""
    spent = time.process_time()
    limit = resource.RLIM_INFINITY if seconds is None else int(spent + 1 + 4 * seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, timeout=COMPILE_S, check=False, **kwargs)


class Objects:
    """Objects and what is linked of them. Each is made once for the same input and flags."""

    def __init__(self, folder, root):
        self.root = root
        self.folders = [Path(folder)]  # those before the last are only read
        self.needs, self.used, self.first_code = {}, {}, {}
        self.seconds = None  # of the test that runs; None: no limit

    def is_fork(self):
        """Whether this process judges a mutant."""
        return len(self.folders) > 1

    def _made(self, parts, suffix, command):
        """The file of this key; made by the command with its path at the end unless it is there."""
        name = hashlib.sha256(b"".join(parts)).hexdigest()[:24] + suffix
        for folder in self.folders:
            if (folder / name).exists():
                return folder / name
        out = self.folders[-1] / name
        limit_cpu(None)
        done = _run(*command, "-o", str(out), cwd=self.root)
        limit_cpu(self.seconds)
        if done.returncode:
            raise CompileError(done.stderr.decode())
        return out

    def _read(self, source, flags, compiler):
        """The bytes of all that a compiler reads of this source."""
        key = (source, flags, compiler)
        if key not in self.needs:
            rule = _run(compiler, *flags, "-MM", source, cwd=self.root).stdout.decode()
            self.needs[key] = rule.replace("\\\n", " ").split()[1:]
        return [Path(self.root, name).read_bytes() for name in self.needs[key]]

    def object(self, source, flags, compiler):
        return self._made(
            [repr((source, flags, compiler)).encode(), *self._read(source, flags, compiler)],
            ".o",
            (compiler, *flags, "-c", source),
        )

    def link(self, suffix, sources, flags, compiler, strict=()):
        """A program or shared object; strict: how the tests would have each source compiled, for the last word."""
        if strict:
            strict = self.compiling(strict)
            self.used |= {(source, strict, compiler): None for source in sources if source.startswith("native/src/")}
        kept = tuple(flag for flag in flags if not flag.startswith("-I"))
        try:
            made = [str(self.object(source, self.compiling(flags), compiler)) for source in sources]
            return self._made([repr((made, kept, compiler)).encode()], suffix, (compiler, *kept, *made))
        except CompileError:
            if self.is_fork():
                os._exit(INVALID)  # past pytest, to which it would be a test that fails
            raise

    @staticmethod
    def compiling(flags):
        """The flags without those of the linker."""
        return tuple(flag for flag in flags if not flag.startswith(("-shared", "-Wl,")))

    def last_word(self):
        """What the compilers say of a mutant that no test noticed."""
        try:
            after = {key: self.object(*key).read_bytes() for key in self.used}
        except CompileError:
            return KILLED  # a warning, which the tests forbid
        return EQUIVALENT if after == self.first_code else SURVIVED

    def remember(self):
        """Compile the unchanged files as last_word does."""
        self.first_code = {key: self.object(*key).read_bytes() for key in self.used}


class CompileError(Exception):
    """A compiler refuses what it was given."""


class Patches:
    """Takes the place of the functions of tests/testkit that build and run the C core."""

    def __init__(self, objects):
        from testkit import native_build, native_objects, native_token, p256_native, symmetric_native

        self.kit, self.objects = native_build, objects
        self.token, self.caches = native_token, (symmetric_native.library, p256_native.native)
        self.real_run = native_token.run
        self.asked, self.programs = [], {}
        native_build.build, native_token.program, native_token.run = self.build, self.program, self.run
        native_objects.program = self.any_program

    def _link(self, suffix, sources, flags, includes, compiler, level=("-O1",)):
        sources = tuple(os.path.relpath(source, self.kit.ROOT) for source in sources)
        folders = tuple(f"-I{os.path.relpath(folder, self.kit.ROOT)}" for folder in includes)
        folders += ("-Inative/include", "-Inative/src")
        if not level:  # these tests look at what the compiler makes
            return self.objects.link(suffix, sources, ("-std=c99", "-w", *flags, *folders), compiler)
        quick = ("-std=c99", "-w", *level, *(flag for flag in flags if not flag.startswith("-O")), *folders)
        strict = (
            *self.kit.STRICT,
            "-O2",
            *(f for f in flags if "sanitize" not in f and not f.startswith("-O")),
            *folders,
        )
        return self.objects.link(suffix, sources, quick, compiler, strict)

    def build(self, _name, sources, flags=(), includes=(), compiler="gcc"):
        return self._link(".so", sources, ("-fPIC", "-shared", *flags), includes, compiler)

    def any_program(self, _name, sources, flags, includes=(), compiler="gcc"):
        includes = (*includes, self.kit.generator_include(6, 1))
        return self._link("", sources, flags, includes, compiler, level=())

    def program(self, *args):
        self.programs[path := self._program(*args)] = args
        return path

    def _program(self, _name="token", flags=("-O2",), compiler="gcc"):
        found = sorted((self.kit.ROOT / "native/src").glob("hf_*.c"))
        sources = [path for path in found if "-m32" not in flags or not path.stem.endswith("_x86")]
        sources.append(self.kit.ROOT / "native/tests/token_program.c")
        include = self.kit.generator_include(self.token.TEETH, self.token.BLOCKS)
        return self._link("", sources, flags, (include,), compiler, level=("-O0",))

    def run(self, executable, records):
        """Run a program as the real function does, and remember the answer."""
        verdicts = self.real_run(executable, records)
        self.asked.append((self.programs[executable], b"".join(records), self._answer(executable, b"".join(records))))
        return verdicts

    def _answer(self, executable, records):
        done = _run(str(executable), input=records)
        if done.returncode < 0 and self.objects.is_fork():
            os._exit(KILLED)  # by a signal, which no test takes for an answer
        return done.returncode, done.stdout

    def says_the_same(self, asked):
        """Whether the programs answer what they answered before; False when nothing was asked."""
        return bool(asked) and all(self._answer(self.program(*args), given) == said for args, given, said in asked)


class Warm:
    """The loop of the tests: once for all, then for each line that comes in."""

    def __init__(self, pipes):
        self.incoming, self.outgoing = (os.fdopen(number, mode) for number, mode in zip(pipes, "rw", strict=True))

    def say(self, word):
        print(word, file=self.outgoing, flush=True)

    def pytest_runtestloop(self, session):
        with tempfile.TemporaryDirectory(prefix="mutants-objects-") as folder:
            self.objects = Objects(folder, Path.cwd())
            self.patches = Patches(self.objects)
            order = []
            for item in session.items:
                self.patches.asked = []
                if not self.passes(item):
                    self.say(f"failed {item.nodeid}")
                    return True
                asked = self.patches.asked
                order.append((self.seconds(item, asked), item, asked))
            self.objects.remember()
            self.order = sorted(order, key=lambda row: row[0])
            gc.freeze()  # what a fork does not look at it does not copy
            self.say("ready")
            for _ in self.incoming:
                self.say(VERDICTS[self.judged()])
        return True

    def seconds(self, item, asked):
        """How long a test takes once all is compiled."""
        before = time.monotonic()
        _ = self.patches.says_the_same(asked) or self.passes(item)
        return time.monotonic() - before

    @staticmethod
    def passes(item):
        return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))

    def judged(self):
        with tempfile.TemporaryDirectory(prefix="mutants-fork-") as own:
            child = os.fork()
            if child == 0:
                self.fork(own)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code >= len(VERDICTS):  # the next mutant stands nearby: the test that noticed this one is asked first
            row = self.order.pop(code - len(VERDICTS))
            self.order.insert(0 if row[0] <= SLOW_S else code - len(VERDICTS), row)
        return code if code in range(len(VERDICTS)) else KILLED

    def fork(self, own):
        """Judge what the tree holds now, and end."""
        code = KILLED
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            self.objects.folders.append(Path(own))
            for cache in self.patches.caches:
                cache.cache_clear()
            code = self.verdict()
        finally:
            os._exit(code)

    def verdict(self):
        """The exit code: one of VERDICTS, or, beyond these, the place of the test that noticed."""
        code = None
        for place, (seconds, item, asked) in enumerate(self.order):
            if seconds > SLOW_S and code is None:
                self.objects.seconds = None
                code = self.objects.last_word()
                if code != SURVIVED:
                    return code
            self.objects.seconds = seconds
            limit_cpu(seconds)
            if not (self.patches.says_the_same(asked) or self.passes(item)):
                return min(len(VERDICTS) + place, 255)
        self.objects.seconds = None
        return self.objects.last_word() if code is None else code


def pytest_configure(config):
    pipes = os.environ.get(PIPES)
    if pipes:
        config.pluginmanager.register(Warm([int(number) for number in pipes.split()]))


class Worker:
    """A Warm pytest in a copy of the tree, as mutants.py sees it."""

    def __init__(self, root, arguments, env):
        ours, theirs = os.pipe(), os.pipe()
        env = env | {PIPES: f"{ours[0]} {theirs[1]}"}
        env["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
        command = [sys.executable, *arguments, "-p", Path(__file__).stem]
        pass_fds = (ours[0], theirs[1])
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # of each fork that crashes, too
        self.process = subprocess.Popen(command, cwd=root, env=env, pass_fds=pass_fds, **quiet)
        for number in pass_fds:
            os.close(number)
        self.to, self.answers = os.fdopen(ours[1], "w"), os.fdopen(theirs[0])
        word = self.answers.readline().strip()
        if word != "ready":
            self.end()
            sys.exit(f"mutants: the tests fail on the unchanged files: {word}")

    def verdict(self, _mutant):
        """The tests' verdict on the tree as it is now."""
        print(file=self.to, flush=True)
        return self.answers.readline().strip()

    def end(self):
        self.to.close()
        self.process.wait()
        self.answers.close()
