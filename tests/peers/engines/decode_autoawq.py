"""AutoAWQ: its layers unpack and dequantise themselves where they can do that without a GPU (gemm).

Only calibration needs the package datasets, so an empty one stands in for it. Scales go in as F32: AutoAWQ would multiply in F16.
"""
import importlib.machinery
import sys
import types

datasets = types.ModuleType("datasets")
datasets.__spec__ = importlib.machinery.ModuleSpec("datasets", None)
datasets.load_dataset = None
sys.modules["datasets"] = datasets

from awq.utils.packing_utils import dequantize_gemm  # noqa: E402

import decoding  # noqa: E402


def block(config: dict) -> dict:
    return config.get("quantization_config") or config["llm_config"]["quantization_config"]


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    config = block(decoding.read_config(folder))
    bits, group = config.get("bits") or config["w_bit"], config.get("group_size") or config["q_group_size"]
    for module in decoding.modules(tensors, "qweight"):
        one = decoding.of_module(tensors, module)
        rows = one["qweight"].shape[0]
        weight = dequantize_gemm(one["qweight"], one["qzeros"], one["scales"].float(), bits, rows if group == -1 else group)
        yield module, weight.t().contiguous()


if __name__ == "__main__":
    decoding.main(decode, decoding.version("autoawq", "awq.utils.packing_utils.dequantize_gemm"))
