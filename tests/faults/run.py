#!/usr/bin/env python3
"""What a conversion leaves when it is killed, refused memory, or let down by the disk.

  run.py --requant PROGRAM --hostile FOLDER [--long] [--only NAME,...] [--seed N]

FOLDER has kill_resume.py and fault_inject.c. Campaigns:
  kill     kill -9, SIGINT and SIGTERM at random times of convert, quantize and fix, again and again;
           then the same command ends with the bytes of an undisturbed run
  sweep    each call of write, fsync, rename, open, close, ftruncate, read, mmap, mkdir fails, is cut
           short, or is the last before a kill or a power cut
  race     eight runs to one output
  stop     SIGINT and SIGTERM end within a second, with 130 and 143
  memory   each allocation fails (a sample where not --long); the address space is limited
  threads  no thread can be started after the first N
  files    few file descriptors; more weight files than there may be descriptors
  places   outputs that cannot be, and a disk that is full before the start
"""
import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from memory import memory  # noqa: E402
from models import dense_model, fp8_model, no_index_model, tree  # noqa: E402


class Stage:
    def __init__(self, args, work):
        self.args, self.work = args, work
        self.requant = os.path.abspath(args.requant)
        self.random = random.Random(args.seed)
        self.failures = []
        self.fp8 = os.path.join(work, "fp8")
        self.dense = os.path.join(work, "dense")
        fp8_model(self.fp8)
        self.no_index = os.path.join(work, "no-index")
        dense_model(self.dense)
        no_index_model(self.no_index)
        self.convert = ["convert", self.fp8, "--to", "compressed-tensors", "--max-shard-size", "100KB", "-q"]
        self.quantize = ["quantize", self.dense, "--to", "compressed-tensors:w4a16", "--max-shard-size", "60KB", "-q"]
        self.fix = ["fix", self.no_index]

    def path(self, name):
        path = os.path.join(self.work, name)
        shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(path + ".requant-partial", ignore_errors=True)
        return path

    def fail(self, text):
        self.failures.append(text)
        print("FAIL " + text, flush=True)

    def expect(self, condition, text):
        if not condition:
            self.fail(text)
        return condition

    def run(self, command, env=None, limits=None, output=subprocess.PIPE, hours=1 / 6):
        def limit():
            for kind, value in (limits or {}).items():
                resource.setrlimit(kind, (value, value))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return subprocess.run([self.requant, *command], env=dict(os.environ, **(env or {})), preexec_fn=limit,
                              stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, timeout=3600 * hours)

    def undisturbed(self, command, name):
        out = self.path(name)
        done = self.run([*command, "-o", out])
        if done.returncode != 0:
            sys.exit(f"an undisturbed run fails: {done.stderr.decode()}")
        return tree(out)

    def hostile(self, what, command, source, *options):
        """One campaign of kill_resume.py; its output goes on."""
        work = os.path.join(self.work, "campaign")
        shutil.rmtree(work, ignore_errors=True)
        line = " ".join([self.requant, *command, "-o", "{out}"])
        done = subprocess.run([sys.executable, os.path.join(self.args.hostile, "kill_resume.py"), what, "--cmd", line,
                               "--input", source, "--work", work, "--seed", str(self.args.seed), *options])
        self.expect(done.returncode == 0, f"{what} {command[0]} {' '.join(options)}")

    def preload(self, source):
        library = os.path.join(self.work, os.path.basename(source) + ".so")
        if not os.path.exists(library):
            subprocess.run(["cc", "-O2", "-w", "-shared", "-fPIC", "-o", library, source, "-ldl", "-pthread"], check=True)
        return library

    # --- campaigns

    def kill(self):
        for command, source in ((self.convert, self.fp8), (self.quantize, self.dense), (self.fix, self.no_index)):
            cycles = 1000 if self.args.long else 8
            self.hostile("kill", command, source, "--cycles", str(cycles))
            for name in ("INT", "TERM"):
                self.hostile("kill", command, source, "--cycles", str(cycles // 10 + 2), "--signal", name)

    def sweep(self):
        library = self.preload(os.path.join(self.args.hostile, "fault_inject.c"))
        most = [] if self.args.long else ["--max", "2"]
        for command, source in ((self.convert, self.fp8), (self.quantize, self.dense)):
            one_file = [word for word in command if word not in ("--max-shard-size", "100KB", "60KB")]
            for form in (command, one_file) if self.args.long else (command,):
                self.hostile("sweep", form, source, "--so", library, *most)

    def race(self):
        self.hostile("race", self.convert, self.fp8, "--procs", "8", "--cycles", "50" if self.args.long else "3")
        for cycle in range(20 if self.args.long else 3):
            out = self.path("race")
            runs = [subprocess.Popen([self.requant, *self.convert, "-o", out], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE) for _ in range(8)]
            said = [(*run.communicate(), run.returncode) for run in runs]
            # With -q a run that finds the whole output says nothing, as one that made it.
            for _, errors, code in said:
                self.expect(code == 0 or (code == 5 and b"another requant is writing it" in errors),
                            f"race {cycle}: exit {code}: {errors[-200:]}")
            self.expect(any(code == 0 for _, _, code in said), f"race {cycle}: nobody won")

    def stop(self):
        want = self.undisturbed(self.quantize, "undisturbed")
        big = os.path.join(self.work, "big")
        if not os.path.exists(big):
            dense_model(big, hidden=1024, layers=4)
        command = ["quantize", big, "--to", "compressed-tensors:w4a16", "--search-scale", "-q", "--max-shard-size", "1MB"]
        longest = 0.0
        for name, code in (("INT", 130), ("TERM", 143)):
            for _ in range(10 if self.args.long else 3):
                out = self.path("stopped")
                process = subprocess.Popen([self.requant, *command, "-o", out], stdout=subprocess.DEVNULL,
                                           stderr=subprocess.PIPE)
                time.sleep(0.2 + self.random.random() * 0.5)
                begin = time.monotonic()
                process.send_signal(getattr(signal, "SIG" + name))
                _, errors = process.communicate(timeout=60)
                took = time.monotonic() - begin
                if process.returncode == 0:
                    continue  # it was done before
                longest = max(longest, took)
                self.expect(process.returncode == code, f"SIG{name}: exit {process.returncode}, expected {code}")
                self.expect(errors.startswith(b"error: interrupted"), f"SIG{name}: it says {errors!r}")
                self.expect(not os.path.exists(out), f"SIG{name}: there is an output")
        print(f"signals: the slowest run ended after {longest:.2f} s")
        self.expect(longest < (3.0 if self.args.slow else 1.0), f"a run took {longest:.2f} s to end")
        self.expect(tree(os.path.join(self.work, "undisturbed")) == want, "another output changed")

    def starved_ok(self, done, what, out=None, want=None):
        """Exit 5 in one line, or nothing was amiss."""
        code, errors = done.returncode, done.stderr.decode(errors="replace")
        if code != 0:
            one_line = errors.startswith("error: ") and errors.count("\n") == 1
            self.expect(code == 5 and one_line, f"{what}: exit {code}, {errors[-300:]!r}")
        if out is not None and os.path.exists(out):
            self.expect(tree(out) == want, f"{what}: an output that is not whole")
        return code

    def memory(self):
        memory(self)

    def threads(self):
        library = self.preload(os.path.join(HERE, "starve.c"))
        want = self.undisturbed(self.convert, "made")
        for most in range(6):
            for name, command in (("convert", [*self.convert, "--threads", "4", "-o", self.path("starved")]),
                                  ("inspect", ["inspect", self.fp8]),
                                  ("verify", ["verify", self.fp8, os.path.join(self.work, "made"), "--threads", "4"])):
                done = self.run(command, {"LD_PRELOAD": library, "STARVE_THREADS": str(most)})
                out = os.path.join(self.work, "starved")
                self.starved_ok(done, f"{name} with {most} threads", out if name == "convert" else None, want)

    def files(self):
        want = self.undisturbed(self.convert, "made")
        out = os.path.join(self.work, "starved")
        for most in range(4, 64, 1 if self.args.long else 6):
            self.path("starved")
            done = self.run([*self.convert, "-o", out], limits={resource.RLIMIT_NOFILE: most})
            if done.returncode == 127:
                continue  # the loader
            self.starved_ok(done, f"convert with {most} descriptors", out, want)
        many = os.path.join(self.work, "many")
        dense_model(many, hidden=64, layers=200, shard_per_tensor=True)
        shards = sum(name.endswith(".safetensors") for name in os.listdir(many))
        self.expect(shards > 1024, f"only {shards} weight files")
        done = self.run(["quantize", many, "--to", "compressed-tensors:w8a16", "--max-shard-size", "1KB", "-q", "-o",
                         self.path("split")], limits={resource.RLIMIT_NOFILE: 1024})
        self.expect(done.returncode == 0, f"{shards} weight files: {done.stderr.decode()[-300:]}")
        made = sum(name.endswith(".safetensors") for name in os.listdir(os.path.join(self.work, "split")))
        self.expect(made > 1024, f"only {made} weight files were made")

    def places(self):
        def refused(output, code, word, **options):
            before = tree(self.fp8)
            done = self.run([*self.convert, "-o", output], **options)
            self.expect(done.returncode == code and word in done.stderr.decode(),
                        f"{output}: exit {done.returncode}, {done.stderr.decode()!r}, expected {code} and '{word}'")
            self.expect(tree(self.fp8) == before, f"{output}: the input changed")
        refused(self.fp8, 2, "is the input")
        refused(os.path.join(self.fp8, "in", "it"), 2, "lies inside the input")
        refused(self.work, 2, "holds the input")
        refused("/", 2, "cannot be an output")
        foreign = self.path("foreign")
        os.makedirs(foreign)
        with open(os.path.join(foreign, "mine"), "w") as file:
            file.write("text")
        refused(foreign, 4, "did not write it")
        self.expect(os.listdir(foreign) == ["mine"], "a foreign folder was touched")
        refused(os.path.join(foreign, "mine"), 2, "is no folder")
        refused("/proc/out", 5, "/proc")
        if os.path.exists("/dev/full"):
            refused("/dev/full", 2, "is no folder")
        # A file that may not grow is a disk that is full.
        refused(self.path("grown"), 5, "File too large", limits={resource.RLIMIT_FSIZE: 4096})
        self.full_disk(refused)

    def full_disk(self, refused):
        disk = os.path.join(self.work, "disk")
        os.makedirs(disk, exist_ok=True)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True)
        if made.returncode != 0:
            print("places: no small file system can be mounted here; the full disk is left to the sweep (ENOSPC)")
            return
        try:
            refused(os.path.join(disk, "out"), 5, "the output needs")
            self.expect(os.listdir(disk) == [], "a full disk: something is left")
        finally:
            subprocess.run(["umount", disk], check=True)


NAMES = ("kill", "sweep", "race", "stop", "memory", "threads", "files", "places")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--hostile", required=True)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--slow", action="store_true", help="a build with sanitizers: signals get 3 s")
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="requant-faults-", dir=args.work)
    try:
        stage = Stage(args, work)
        for name in args.only.split(","):
            begin = time.time()
            getattr(stage, name)()
            print(f"{name}: {time.time() - begin:.1f} s", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{len(stage.failures)} failures")
    return 1 if stage.failures else 0


if __name__ == "__main__":
    sys.exit(main())
