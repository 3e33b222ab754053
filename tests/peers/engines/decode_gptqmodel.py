"""GPTQModel loads the folder, formats, rules for single modules and all; its PyTorch layers dequantise themselves.

It loads scales as F16, so they are replaced by those of the file, as F32: it multiplies in their type. While it loads it writes
every tensor to a temporary file and waits for the disk, so those files lie in memory.
"""
import os

if os.path.isdir("/dev/shm"):
    os.environ["TMPDIR"] = "/dev/shm"
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiling takes longer than it saves

os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # its pool has one worker on a machine with two cores and asks for two

import torch  # noqa: E402
from gptqmodel import BACKEND, GPTQModel  # noqa: E402

import decoding  # noqa: E402


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    model = GPTQModel.load(folder, device="cpu", backend=BACKEND.TORCH, dtype=torch.float16).model
    layers = dict(model.named_modules())
    for module in decoding.modules(tensors, "qweight"):
        layer = layers[module]
        layer.scales = tensors[module + ".scales"].float()
        yield module, layer.dequantize_weight().t().contiguous()


if __name__ == "__main__":
    decoding.main(decode, decoding.version("gptqmodel", "TorchLinear.dequantize_weight of a loaded model"), fork=False)
