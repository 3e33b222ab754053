"""The checkpoint loader of vLLM 0.7.3's CUDA wheel, on a machine without a GPU.

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

import socket  # noqa: E402

import torch  # noqa: E402
import vllm.platforms  # noqa: E402
from vllm.platforms.cpu import CpuPlatform  # noqa: E402
from vllm.platforms.interface import DeviceCapability, PlatformEnum  # noqa: E402


class CudaOnPaper(CpuPlatform):
    """Answers every question about the device as a CUDA platform does, and keeps tensors on the CPU."""
    _enum = PlatformEnum.CUDA
    device_type = "cpu"
    supported_quantization: list = []
    capability = (9, 0)

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


def work(job: dict) -> dict:
    CudaOnPaper.capability = tuple(job.get("capability", (9, 0)))
    config = EngineArgs(model=job["model"], tokenizer=job["model"], skip_tokenizer_init=True, trust_remote_code=True,
                        dtype=job.get("dtype", "auto"), max_model_len=128, enforce_eager=True,
                        device="cpu").create_engine_config()
    config.device_config.device = torch.device("cpu")
    init_distributed_environment(1, 0, f"tcp://127.0.0.1:{free_port()}", 0, backend="gloo")
    with set_current_vllm_config(config):
        initialize_model_parallel(1, 1, backend="gloo")
        try:
            model = get_model(vllm_config=config)
        except NotImplementedError as error:
            # Every weight was taken; a method now wants to repack them with a kernel of the GPU.
            if "Could not run '_C::" not in str(error):
                raise
            return {"quantization": config.model_config.quantization, "stopped_at_kernel": str(error).split("'")[1]}
    return {"quantization": config.model_config.quantization, "dtype": str(config.model_config.dtype),
            "model": type(model).__name__, "methods": methods(model)}


if __name__ == "__main__":
    jobs.main(work)
