"""The checkpoint loader of vLLM's CUDA wheels (0.7.3, 0.26.0), on a machine without a GPU.

Real: reading config.json, choosing the quantisation method and the scheme of each layer, creating the parameters, taking the
weights from the files, and what each method does to them after loading. Not run: any kernel.
Replaced: the platform. It says CUDA with the wanted compute capability, and its tensors live on the CPU. The registry would
start a Python process to look at a model class; here the class is imported. vllm._C needs libcuda.so.1; a library of that
name which exports the symbols and answers "no device" is enough (models.py builds it) and must be on LD_LIBRARY_PATH.

A job: name, timeout, model, and optionally dtype (default "auto"), capability (default [9, 0]).
The answer: the model's class, and its modules by part of the model and quantisation method.
"""
import os

os.environ.update(VLLM_LOGGING_LEVEL="ERROR", VLLM_NO_USAGE_STATS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1",
                  CUDA_VISIBLE_DEVICES="")
os.environ.setdefault("OMP_NUM_THREADS", "2")

import importlib.metadata  # noqa: E402
import inspect  # noqa: E402
import re  # noqa: E402
import socket  # noqa: E402

import torch  # noqa: E402
import vllm.platforms  # noqa: E402
from vllm.platforms.interface import DeviceCapability, PlatformEnum  # noqa: E402

OLD = importlib.metadata.version("vllm").startswith(("0.6.", "0.7."))
if OLD:
    from vllm.platforms.cpu import CpuPlatform as Base  # noqa: E402
else:
    from vllm.platforms.cuda import CudaPlatformBase as Base  # noqa: E402


class CudaOnPaper(Base):
    """Answers every question about the device as a CUDA platform does, and keeps tensors on the CPU."""
    _enum = PlatformEnum.CUDA
    device_type = "cpu"
    device_name = "cpu"
    dispatch_key = "CPU"
    dist_backend = "gloo"
    if OLD:
        supported_quantization: list = []
    capability = (9, 0)

    @classmethod
    def get_device_name(cls, device_id=0):
        return "a GPU on paper"

    @classmethod
    def get_device_total_memory(cls, device_id=0):
        return 80 << 30

    @classmethod
    def num_compute_units(cls, device_id=0):
        return 132

    @classmethod
    def is_fully_connected(cls, physical_device_ids):
        return False

    @classmethod
    def set_device(cls, device):
        """There is none."""

    @classmethod
    def get_device_capability(cls, device_id=0):
        return DeviceCapability(*cls.capability)

    @classmethod
    def has_device_capability(cls, capability, device_id=0):
        wanted = divmod(capability, 10) if isinstance(capability, int) else tuple(capability)
        return cls.capability >= wanted

    @classmethod
    def check_and_update_config(cls, vllm_config):
        """The CPU platform would refuse quantised models here."""

    @classmethod
    def is_pin_memory_available(cls):
        return False


vllm.platforms._current_platform = CudaOnPaper()

from vllm.config import set_current_vllm_config  # noqa: E402
from vllm.distributed import init_distributed_environment, initialize_model_parallel  # noqa: E402
from vllm.engine.arg_utils import EngineArgs  # noqa: E402
from vllm.model_executor.model_loader import get_model  # noqa: E402
from vllm.model_executor.models import registry  # noqa: E402
import vllm.model_executor.layers.quantization.compressed_tensors.compressed_tensors  # noqa: E402,F401
import vllm.model_executor.models.internvl  # noqa: E402,F401

import jobs  # noqa: E402

registry._LazyRegisteredModel.inspect_model_cls = \
    lambda lazy: registry._ModelInfo.from_model_cls(lazy.load_model_cls())


def methods(model: torch.nn.Module) -> dict:
    count: dict = {"vision": {}, "language": {}}
    for name, module in model.named_modules():
        part = "vision" if name.startswith("vision_model") else "language"
        used = getattr(module, "scheme", None) or getattr(module, "quant_method", None)
        if used is not None:
            kind = type(used).__name__
            count[part][kind] = count[part].get(kind, 0) + 1
    return count


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What the GPU is asked for only after every weight was taken: a kernel that repacks them, or the device itself.
NO_GPU = re.compile(r"Could not run '(_\w+::\w+)|No CUDA GPUs|CUDA driver|Found no NVIDIA driver|not compiled with CUDA")


def work(job: dict) -> dict:
    CudaOnPaper.capability = tuple(job.get("capability", (9, 0)))
    on_cpu = {"device": "cpu"} if "device" in inspect.signature(EngineArgs).parameters else {}
    config = EngineArgs(model=job["model"], tokenizer=job["model"], skip_tokenizer_init=True, trust_remote_code=True,
                        dtype=job.get("dtype", "auto"), max_model_len=128, enforce_eager=True,
                        **on_cpu).create_engine_config()
    config.device_config.device = torch.device("cpu")
    config.load_config.device = "cpu"
    with set_current_vllm_config(config):
        init_distributed_environment(1, 0, f"tcp://127.0.0.1:{free_port()}", 0, backend="gloo")
        initialize_model_parallel(1, 1, backend="gloo")
        try:
            model = get_model(vllm_config=config)
        except (NotImplementedError, RuntimeError) as error:
            wanted = NO_GPU.search(str(error))
            if wanted is None:
                raise
            return {"quantization": config.model_config.quantization, "stopped_at_kernel": wanted[1] or wanted[0]}
    return {"quantization": config.model_config.quantization, "dtype": str(config.model_config.dtype),
            "model": type(model).__name__, "methods": methods(model)}


if __name__ == "__main__":
    jobs.main(work)
