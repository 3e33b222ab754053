"""lmdeploy: its own kernel of 8-bit products multiplies the identity by the weight.

It is a Triton kernel, run on a CPU by Triton's interpreter. The interpreter has no tuner, so the first of the kernel's two
configurations is taken.
"""
import os

os.environ["TRITON_INTERPRET"] = "1"

import torch  # noqa: E402
from lmdeploy.pytorch.kernels.cuda import w8a8_triton_kernels as kernels  # noqa: E402

import decoding  # noqa: E402

kernels._linear.configs = kernels._linear.configs[:1]
kernels.get_kernel_meta = lambda *_: {}


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    for module in decoding.modules(tensors, "scale"):
        weight, scale = tensors[module + ".weight"], tensors[module + ".scale"]
        columns = weight.shape[1]
        identity = torch.eye(columns).to(weight.dtype)
        product = kernels.matmul_kernel_dynamic_quant(identity, weight, torch.ones(columns, 1), scale,
                                                      output_dtype=torch.float32)
        yield module, product.t().contiguous()


if __name__ == "__main__":
    decoding.main(decode, decoding.version("lmdeploy", "w8a8_triton_kernels.matmul_kernel_dynamic_quant of the identity"))
