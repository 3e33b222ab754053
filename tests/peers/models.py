"""Models that the checks need and the corpus does not hold: real language-model weights, quantised by the real lmdeploy."""
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import CACHE, HERE, Failure, build_once, digest, environment, must_run
from venvs import LOGS, python, requirements

MODELS = CACHE / "models"
BF16 = "smollm2-bf16"
QUANTISED = {"fp8": "smollm2-lmdeploy-fp8", "int8": "smollm2-lmdeploy-int8"}


def script(name: str) -> Path:
    return HERE / "engines" / name


def stamp(name: str, *inputs: str) -> str:
    return digest(requirements("lmdeploy-0.7.2").read_text(), script(name).read_text(), *inputs)


def bf16() -> Path:
    folder = MODELS / BF16

    def build(target: Path) -> None:
        must_run([python("lmdeploy-0.7.2"), script("smollm2_bf16.py"), target], LOGS / f"{BF16}.log", 400)

    build_once(folder, stamp("smollm2_bf16.py"), build)
    return folder


def quantised(kind: str) -> Path:
    """kind: fp8 or int8. What `lmdeploy lite smooth_quant --quant-dtype KIND` wrote, untouched."""
    source = bf16()
    folder = MODELS / QUANTISED[kind]

    def build(target: Path) -> None:
        text = must_run([python("lmdeploy-0.7.2"), script("lmdeploy_lite.py"), source, target, kind],
                        LOGS / f"{QUANTISED[kind]}.log", 2400,
                        environment(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1"))
        if not re.search(r"calibration: \d+ windows", text) or not list(target.glob("pytorch_model*.bin")):
            raise Failure(f"lmdeploy ended without an error and without a checkpoint in {target}")

    build_once(folder, stamp("lmdeploy_lite.py", kind, (source / ".stamp").read_text()), build)
    return folder


def timed(name: str, function, *args) -> tuple[str, float]:
    started = time.monotonic()
    function(*args)
    return name, time.monotonic() - started


def make_all() -> list[tuple[str, float]]:
    """Builds what is missing, with the seconds that each took. The two quantisations run side by side: lmdeploy's float16
    arithmetic keeps one core of a CPU busy, not two."""
    made = [timed(BF16, bf16)]
    with ThreadPoolExecutor(len(QUANTISED)) as pool:
        running = [pool.submit(timed, name, quantised, kind) for kind, name in QUANTISED.items()]
        return made + [future.result() for future in running]


def same_tokenizer(one: Path, other: Path) -> bool:
    return (one / "tokenizer.json").read_bytes() == (other / "tokenizer.json").read_bytes()

