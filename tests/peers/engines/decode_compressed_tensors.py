"""compressed-tensors: its config classes say which scheme a module has, its compressors decompress it.

Scales go in as F32, so that the library multiplies in F32. Where it would unpack FP4 and FP6 to BF16, its own unpacking is
asked for F32.
"""
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.compressors.nvfp4 import helpers as fp4
from compressed_tensors.quantization import QuantizationConfig
from compressed_tensors.quantization.lifecycle.forward import dequantize
from compressed_tensors.utils import is_match

import decoding

WEIGHT_ENDINGS = ("weight_packed", "weight_scale")


def scheme_of(config: QuantizationConfig, module: str):
    linear = torch.nn.Linear(1, 1)
    for group in config.config_groups.values():
        if is_match(module, linear, group.targets, config.ignore):
            return group
    raise LookupError(f"{module} has quantised tensors and no group of the config")


def decompress_nvfp4(stored: dict, scheme) -> torch.Tensor:
    rows, width = stored["weight_packed"].shape
    codes = fp4.unpack_fp4_from_uint8(stored["weight_packed"], rows, width * 2, torch.float32)
    return dequantize(x_q=codes, scale=stored["weight_scale"].float(), args=scheme.weights,
                      global_scale=stored["weight_global_scale"], dtype=torch.float32)


def decompress(stored: dict, scheme, form: str) -> torch.Tensor:
    if form == "nvfp4-pack-quantized":
        return decompress_nvfp4(stored, scheme)
    if stored["weight_scale"].dtype in (torch.bfloat16, torch.float16):
        stored = {**stored, "weight_scale": stored["weight_scale"].float()}
    # Powers of two times FP4, FP6 and FP8 are exact in BF16.
    return BaseCompressor.get_value_from_registry(form).decompress(stored, scheme)["weight"].float()


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    config = QuantizationConfig.model_validate(decoding.read_config(folder)["quantization_config"])
    quantised = {module for ending in WEIGHT_ENDINGS for module in decoding.modules(tensors, ending)}
    for module in sorted(quantised):
        scheme = scheme_of(config, module)
        form = scheme.format or config.format
        yield module, decompress(decoding.of_module(tensors, module), scheme, getattr(form, "value", form))


if __name__ == "__main__":
    decoding.main(decode, decoding.version("compressed-tensors", "BaseCompressor.decompress"))
