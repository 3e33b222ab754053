"""Where things are kept, and how a program is run here: with a deadline, few threads, no network, and a log."""
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CACHE = Path(os.environ.get("REQUANT_CACHE") or Path.home() / ".cache" / "requant").resolve()
THREADS = "2"


class Failure(Exception):
    """Why a check or a preparation did not succeed, in one line for the person who reads the log."""


def environment(**extra: str) -> dict[str, str]:
    """What every engine gets: its own caches, no network, no GPU, two threads."""
    scratch = CACHE / "engine-cache"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VLLM_", "HF_", "UV_"))}
    return {**kept, "OMP_NUM_THREADS": THREADS, "MKL_NUM_THREADS": THREADS, "OPENBLAS_NUM_THREADS": THREADS,
            "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve each other on a busy machine
            "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HOME": str(scratch / "huggingface"),
            "VLLM_CACHE_ROOT": str(scratch / "vllm"), "TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor"),
            "TORCH_EXTENSIONS_DIR": str(scratch / "extensions"),
            "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", **extra}


def last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line or "error" in line]
    return (named or lines or ["no output"])[-1][:800]


def run(command: list, log: Path, timeout: float, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Runs a program to its end or its deadline, in a process group of its own. Returns the exit code and the output."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output:
        child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT, env=env or environment(), start_new_session=True)
        try:
            code = child.wait(timeout)
        except BaseException as stop:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if not isinstance(stop, subprocess.TimeoutExpired):
                raise
            code = 124
    text = log.read_text(encoding="utf-8", errors="replace")
    if code == 124:
        text += f"\nerror: ended after {timeout:.0f} s"
    return code, text


def must_run(command: list, log: Path, timeout: float, env: dict[str, str] | None = None) -> str:
    code, text = run(command, log, timeout, env)
    if code != 0:
        raise Failure(f"{' '.join(str(part) for part in command[:4])} ... exit {code}: {last_error(text)} (log: {log})")
    return text


def digest(*parts: str | bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little") + data)
    return sha.hexdigest()


def is_complete(folder: Path, stamp: str) -> bool:
    """A folder counts only when its stamp, which is written last, names what it was made from."""
    try:
        return (folder / ".stamp").read_text() == stamp
    except OSError:
        return False


def build_once(folder: Path, stamp: str, build) -> float:
    """Runs build(folder) unless the folder is complete. Returns the seconds that it took; 0 when there was nothing to do.
    Of several runs at a time one builds and the others wait for it."""
    if is_complete(folder, stamp):
        return 0.0
    started = time.monotonic()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete(folder, stamp):
            return 0.0
        shutil.rmtree(folder, ignore_errors=True)
        build(folder)
        temporary = folder / ".stamp.new"
        temporary.write_text(stamp)
        temporary.rename(folder / ".stamp")
    return time.monotonic() - started
