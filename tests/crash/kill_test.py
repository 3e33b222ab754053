#!/usr/bin/env python3
"""kill -9 at random times of a conversion: the output is absent or complete, whatever the time.

  kill_test.py --requant PROGRAM [--kills 50] [--gb 1.3] [--work DIR] [--seed N]

After each kill: OUT is absent, or `requant verify` finds it equal to the source; what the run left
behind is nothing that `requant inspect` opens, but for a folder that lacks only its name. At the end
an undisturbed run gives the same bytes as one that was never disturbed.
"""
import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE = os.path.join(HERE, "..", "..", "bench", "make_checkpoint.py")


def hashes(folder):
    out = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
            out[os.path.relpath(path, folder)] = digest.hexdigest()
    return out


class Campaign:
    def __init__(self, args, work):
        self.requant = args.requant
        self.source = os.path.join(work, "source")
        self.out = os.path.join(work, "out")
        self.partial = self.out + ".requant-partial"
        self.failures = []

    def command(self, out):
        return [self.requant, "convert", self.source, "-o", out, "--to", "compressed-tensors", "-q"]

    def quiet(self, *command):
        return subprocess.run([self.requant, *command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode

    def check_after(self, label):
        if os.path.exists(self.out):
            if self.quiet("verify", self.source, self.out) != 0:
                self.failures.append(f"{label}: the output is there and not complete")
            shutil.rmtree(self.out)
            return "complete"
        if os.path.exists(self.partial) and self.quiet("inspect", self.partial) in (0, 1):
            self.failures.append(f"{label}: the partial folder opens as a checkpoint")
        # Just before it gets its name the folder inside is whole; at no other time does it open.
        inside = os.path.join(self.partial, "new")
        if os.path.exists(inside) and self.quiet("inspect", inside) in (0, 1):
            if self.quiet("verify", self.source, inside) != 0:
                self.failures.append(f"{label}: an incomplete folder opens as a checkpoint")
        return "absent"

    def kill_once(self, label, seconds):
        process = subprocess.Popen(self.command(self.out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        landed = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        return landed, self.check_after(label)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--gb", type=float, default=1.3)
    parser.add_argument("--work")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="requant-kill-", dir=args.work)
    campaign = Campaign(args, work)
    try:
        subprocess.run([sys.executable, MAKE, campaign.source, "--gb", str(args.gb)], check=True)
        begin = time.time()
        subprocess.run(campaign.command(os.path.join(work, "undisturbed")), check=True)
        seconds = time.time() - begin
        want = hashes(os.path.join(work, "undisturbed"))
        rng = random.Random(args.seed)
        landed = complete = 0
        for i in range(args.kills):
            hit, state = campaign.kill_once(f"kill {i}", rng.random() * seconds * 1.05)
            landed += hit
            complete += state == "complete"
        if subprocess.run(campaign.command(campaign.out)).returncode != 0:
            campaign.failures.append("the run after the kills failed")
        elif hashes(campaign.out) != want:
            campaign.failures.append("the run after the kills gave other bytes")
        if os.path.exists(campaign.partial):
            campaign.failures.append("the run after the kills left its partial folder")
        print(f"{args.kills} kills over {seconds:.2f} s: {landed} landed, {complete} times complete, "
              f"{args.kills - complete} times absent")
        for failure in campaign.failures:
            print("FAIL " + failure)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
