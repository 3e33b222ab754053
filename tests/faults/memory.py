"""Each allocation of a command fails, alone and with all later ones; and the address space is limited."""
import os
import resource
from pathlib import Path

from models import tree

CORPUS = Path(__file__).resolve().parents[2] / "tests/data/corpus"
QUANTISED = str(CORPUS / "lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow")  # the smallest
DENSE = str(CORPUS / "lmdeploy_src__tiny-qwen2-zerorow")
STARVE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "starve.c")
WRITES = 77  # of starve_each.h
RESUMED = 50  # every so many of the runs that left something behind are taken up again
OUT_OF_MEMORY = 5


def fnv1a(data):
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 % 2**64
    return value


class Command:
    """One to starve, and what it does when nothing is amiss."""

    def __init__(self, stage, name, words, out=None):
        self.stage, self.name, self.words, self.out = stage, name, words, out
        self.library = stage.preload(STARVE)
        self.clear()
        counted = os.path.join(stage.work, "count")
        done = self.run(STARVE_COUNT=counted)
        self.count = int(open(counted).read())
        self.code, self.said = done.returncode, done.stdout
        self.tree = tree(out) if out else None
        self.hashes = {}
        self.tally = {"refused": 0, "as ever": 0}
        self.interrupted = 0

    def clear(self):
        if self.out:
            self.stage.path(os.path.basename(self.out))

    def run(self, **env):
        preload = {"LD_PRELOAD": self.library} if env else {}
        return self.stage.run(self.words, {**preload, **env})

    def fail(self, nth, sticky, text):
        self.stage.fail(f"{self.name}, allocation {nth} of {self.count}, sticky {sticky}: {text}")

    # In children of one run, as far as it can be.

    def in_children(self, first, step):
        """The allocations to be refused in runs of their own, and the last one that was not."""
        log = os.path.join(self.stage.work, "each")
        said = os.path.join(self.stage.work, "said")
        self.clear()
        with open(said, "wb") as file:
            done = self.stage.run(self.words, {"LD_PRELOAD": self.library, "STARVE_EACH": log, "STARVE_FIRST": str(first),
                                               "STARVE_STEP": str(step)}, output=file, hours=8)
        self.stage.expect(open(said, "rb").read() == self.said, f"{self.name}: forking changed what it says")
        alone, last = [], None
        for line in open(log, encoding="ascii"):
            words = line.split()
            if words[0] == "end":
                last = int(words[1])
            elif not self.judge(words):
                alone.append((int(words[0]), words[1]))
        if last is None:
            self.fail("?", "?", f"the parent ended in the middle, exit {done.returncode}")
        return alone, last or 0

    def judge(self, words):
        """False for a child that came to write."""
        nth, sticky, status, size, digest, before, error_bytes, lines, is_error = words
        code = os.waitstatus_to_exitcode(int(status))
        if code == WRITES:
            return False
        if code == OUT_OF_MEMORY:
            self.tally["refused"] += 1
            if (lines, is_error) != ("1", "1"):
                self.fail(nth, sticky, f"{error_bytes} bytes of message in {lines} lines")
            return True
        self.tally["as ever"] += 1
        if code != self.code or (int(size), int(digest, 16)) != self.expected(int(before)):
            self.fail(nth, sticky, f"exit {code}, {size} bytes of output")
        return True

    def expected(self, before):
        if before not in self.hashes:
            rest = self.said[before:]
            self.hashes[before] = (len(rest), fnv1a(rest))
        return self.hashes[before]

    # In runs of their own.

    def alone(self, nth, sticky):
        self.clear()
        done = self.run(STARVE_NTH=str(nth), STARVE_STICKY=sticky)
        errors = done.stderr.decode(errors="replace")
        if done.returncode == OUT_OF_MEMORY:
            self.tally["refused"] += 1
            if not errors.startswith("error: ") or errors.count("\n") != 1:
                self.fail(nth, sticky, f"it says {errors[-300:]!r}")
        else:
            self.tally["as ever"] += 1
            if done.returncode != self.code or done.stdout != self.said:
                self.fail(nth, sticky, f"exit {done.returncode}, {errors[-300:]!r}")
        if self.out and os.path.exists(self.out) and tree(self.out) != self.tree:
            self.fail(nth, sticky, "an output that is not whole")
        if self.out and os.path.exists(self.out + ".requant-partial"):
            self.interrupted += 1
            if self.interrupted % RESUMED == 1:
                self.take_up(nth, sticky)

    def take_up(self, nth, sticky):
        done = self.run()
        if done.returncode != 0 or tree(self.out) != self.tree:
            self.fail(nth, sticky, f"the run after it: exit {done.returncode}, {done.stderr[-300:]!r}")

    def starve(self, most):
        """At most so many of its allocations, evenly; all where that is None."""
        step = max(1, self.count // most) if most else 1
        first = 1 + self.stage.random.randrange(step)
        alone, last = self.in_children(first, step)
        forked = sum(self.tally.values())
        rest = range(first + (max(last - first, -1) // step + 1) * step, self.count + 1, step)
        for nth, sticky in [*alone, *((nth, sticky) for nth in rest for sticky in "01")]:
            self.alone(nth, sticky)
        runs = sum(self.tally.values())
        print(f"{self.name}: {self.count:,} allocations, each {step}. refused: {forked:,} children and {runs - forked:,} runs, "
              f"{self.tally['refused']:,} ended with exit 5, {self.tally['as ever']:,} as ever", flush=True)


def commands(stage):
    out, quantized = stage.path("starved"), stage.path("starved-w8")
    made = stage.path("made")
    convert = ["convert", QUANTISED, "--to", "compressed-tensors", "-q", "--threads", "1", "-o"]
    stage.undisturbed(convert[:-1], "made")
    quantize = ["quantize", DENSE, "--to", "compressed-tensors:w8a16", "-q", "--threads", "1", "-o", quantized]
    return [Command(stage, "inspect", ["inspect", QUANTISED]),
            Command(stage, "check", ["check", QUANTISED, "--engine", "vllm@0.7.3"]),
            Command(stage, "verify", ["verify", QUANTISED, made, "--threads", "1"]),
            Command(stage, "checksums", ["verify", "--checksums", made, "--threads", "1"]),
            Command(stage, "convert", [*convert, out], out),
            Command(stage, "quantize", quantize, quantized)]


def limited(stage, command):
    codes = {}
    for mib in [*range(12, 64, 2 if stage.args.long else 6), 128, 256]:
        limit = {resource.RLIMIT_AS: mib << 20}
        if stage.run(["--version"], limits=limit).returncode != 0:
            continue  # the program itself cannot be loaded
        command.clear()
        done = stage.run(command.words, limits=limit)
        codes[done.returncode] = codes.get(done.returncode, 0) + 1
        if done.returncode == command.code and done.stdout == command.said:
            continue
        stage.starved_ok(done, f"{command.name}, {mib} MiB of address space", command.out, command.tree)
    print(f"{command.name}: limits of address space: exit codes {codes}")


def memory(stage):
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {stage.random.choice(sorted(processors))})  # on one, requant starts no threads to read
    try:
        for command in commands(stage):
            command.starve(None if stage.args.long else 120)
            limited(stage, command)
    finally:
        os.sched_setaffinity(0, processors)
