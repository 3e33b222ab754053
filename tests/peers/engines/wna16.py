"""vLLM's CPU build has its 4-bit matrix product for AVX-512 only. Where the CPU lacks it, this stands in for that one call, in
torch: loading, repacking and everything else stay vLLM's own.

After vLLM repacked a weight (model_executor/kernels/linear/mixed_precision/cpu.py, in older releases
model_executor/layers/quantization/cpu_wna16.py): q_weight I32 [out / 16, in * 2], two words of eight nibbles, lowest first, for sixteen
outputs of each input; scales [groups, out]; zeros I32 [groups, out / 8] or None: 8; g_idx the group of each input or None: in turn.
"""
import sys

import torch
from vllm import _custom_ops

WEIGHTS: dict = {}  # by where the packed weight lies; empty: nothing asked for the product


def nibbles(words: torch.Tensor) -> torch.Tensor:
    shifts = torch.arange(0, 32, 4, dtype=torch.int32)
    return ((words.unsqueeze(-1) >> shifts) & 15).flatten(-2)


def dequantised(q_weight: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor | None,
                g_idx: torch.Tensor | None) -> torch.Tensor:
    """[in, out] in the dtype of the scales."""
    groups, outputs = scales.shape
    blocks = q_weight.view(outputs // 16, -1, 2)
    codes = nibbles(blocks).permute(1, 0, 2).reshape(-1, outputs)
    zero = nibbles(zeros) if zeros is not None else torch.full((groups, outputs), 8, dtype=torch.int32)
    group = torch.arange(codes.size(0)) // (codes.size(0) // groups) if g_idx is None else g_idx.long()
    return ((codes - zero[group]).to(torch.float32) * scales[group].float()).to(scales.dtype)


def product(input, q_weight, scales, zeros, bias, pack_factor, isa_hint, g_idx=None):  # the names are vLLM's
    assert pack_factor == 8, pack_factor
    key = (q_weight.data_ptr(), q_weight.shape)
    if key not in WEIGHTS:
        WEIGHTS[key] = dequantised(q_weight, scales, zeros, g_idx)
    out = input @ WEIGHTS[key].to(input.dtype)
    return out if bias is None else out + bias


def install() -> bool:
    """True where the stand-in is used."""
    if hasattr(torch.ops._C, "cpu_gemm_wna16"):
        return False
    original = _custom_ops.cpu_gemm_wna16
    for module in list(sys.modules.values()):  # some import the function by its name
        if vars(module).get("cpu_gemm_wna16") is original:
            module.cpu_gemm_wna16 = product
    return True
