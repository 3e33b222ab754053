"""One import of an engine, one forked child for each job, a deadline for each child.

Importing an engine takes longer than loading a small model with it. A child that dies, hangs or leaks takes nothing with it.
The parent never starts a thread pool, which is what makes forking safe here. A library that starts threads when it is imported
does its jobs in its own process.
"""
import json
import os
import signal
import sys
import time
import traceback


def last_error(path: str) -> str:
    """The last line of a child's log that names an error, for a child that could not say so itself."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            lines = [line.strip() for line in log if line.strip()]
    except OSError:
        lines = []
    named = [line for line in lines if "Error" in line or "error:" in line]
    return (named or lines or ["no output"])[-1][:1500]


def run_child(work, job: dict, answer_path: str, log_path: str) -> None:
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        answer = {"ok": True, **work(job)}
    except BaseException as error:  # an engine may raise SystemExit; either way the parent is told
        traceback.print_exc()
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    sys.stdout.flush()
    sys.stderr.flush()
    with open(answer_path, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    os._exit(0)


def wait_for(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)  # the child leads a group of its own
    os.waitpid(pid, 0)
    return False


def run_here(work, job: dict, base: str) -> dict:
    started = time.monotonic()
    try:
        answer = {"ok": True, **work(job)}
    except Exception as error:
        traceback.print_exc()
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    return {**answer, "seconds": round(time.monotonic() - started, 1), "log": os.path.dirname(base)}


def run_job(work, job: dict, base: str) -> dict:
    answer_path, log_path = base + ".answer.json", base + ".log"
    if os.path.exists(answer_path):
        os.remove(answer_path)
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        run_child(work, job, answer_path, log_path)
    finished = wait_for(pid, job["timeout"])
    try:
        with open(answer_path, encoding="utf-8") as file:
            answer = json.load(file)
    except (OSError, ValueError):
        what = "the engine process died" if finished else f"no answer after {job['timeout']} s"
        answer = {"ok": False, "error": f"{what}: {last_error(log_path)}"}
    return {**answer, "seconds": round(time.monotonic() - started, 1), "log": log_path}


def main(work, fork: bool = True) -> None:
    """argv: JOBS.json ANSWERS.json. Each job has at least name and timeout; its log lies beside the answers."""
    jobs_path, answers_path = sys.argv[1:3]
    with open(jobs_path, encoding="utf-8") as file:
        jobs = json.load(file)
    answers = {}
    for job in jobs:
        base = os.path.join(os.path.dirname(answers_path), job["name"])
        answers[job["name"]] = (run_job if fork else run_here)(work, job, base)
        with open(answers_path, "w", encoding="utf-8") as file:
            json.dump(answers, file, indent=1)
        print(job["name"], "ok" if answers[job["name"]]["ok"] else answers[job["name"]]["error"][-200:], flush=True)
