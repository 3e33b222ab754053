"""ModelOpt: the dequantise methods of its tensor classes. It has no loader of its own exports.

For INT4 it has a packer and nothing that unpacks: the codes are read here, and count only when its packer makes the stored
bytes of them.
"""
import torch
from modelopt.torch.export.quant_utils import pack_int4_in_uint8
from modelopt.torch.quantization.qtensor import FP8QTensor, INT8QTensor, MXFP4QTensor, MXFP8QTensor, NVFP4QTensor

import decoding


def int4(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    nibbles = torch.stack([weight & 0xF, weight >> 4], dim=1).flatten(0, 1).to(torch.int8)
    codes = torch.where(nibbles > 7, nibbles - 16, nibbles).float()
    group = codes.shape[1] // scale.shape[1]
    values = codes * scale.float().repeat_interleave(group, dim=1)
    if not torch.equal(pack_int4_in_uint8(values, scale.float(), group), weight):
        raise ValueError("pack_int4_in_uint8 makes other bytes of these codes")
    return values


def eight_bits(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    kind = FP8QTensor if weight.dtype == torch.float8_e4m3fn else INT8QTensor
    blocks = None
    if scale.dim() == 4:  # [rows, 1, columns, 1] of blocks
        scale = scale.squeeze(3).squeeze(1)
        blocks = {dim: -(-weight.shape[dim] // scale.shape[dim]) for dim in (0, 1)}
    elif scale.dim() == 1 and scale.numel() == weight.shape[0]:
        scale = scale.unsqueeze(1)
    return kind(weight.shape, torch.float32, weight).dequantize(torch.float32, scale=scale.float(), block_sizes=blocks)


def weight_of(one: dict[str, torch.Tensor]) -> torch.Tensor:
    weight, scale = one["weight"], one["weight_scale"]
    if weight.dtype != torch.uint8:
        if scale.dtype == torch.uint8:
            return MXFP8QTensor(weight.shape, torch.float32, weight).dequantize(torch.float32, scale=scale)
        return eight_bits(weight, scale)
    unpacked = torch.Size([*weight.shape[:-1], weight.shape[-1] * 2])
    if scale.dtype == torch.float8_e4m3fn:
        return NVFP4QTensor(unpacked, torch.float32, weight).dequantize(
            torch.float32, scale=scale, double_scale=one["weight_scale_2"], block_sizes={-1: 16})
    if scale.dtype == torch.uint8:
        return MXFP4QTensor(unpacked, torch.float32, weight).dequantize(torch.float32, scale=scale, block_sizes={-1: 32})
    return int4(weight, scale)


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    for module in decoding.modules(tensors, "weight_scale"):
        yield module, weight_of(decoding.of_module(tensors, module))


if __name__ == "__main__":
    decoding.main(decode, decoding.version("nvidia-modelopt", "dequantize of its QTensor classes"))
