#!/usr/bin/env python3
"""Writes modelopt_fp8 and modelopt_nvfp4: a random Llama 4 of one layer, quantised and exported by NVIDIA ModelOpt, whose experts
are one tensor a layer, and what ModelOpt itself decodes those to, [experts, inputs, outputs] in F32.

usage: make.py, in the environment that tests/peers/venvs.py makes of requirements/decoders.txt
"""
import json
import sys
from pathlib import Path

import modelopt.torch.quantization as mtq
import torch
from modelopt.torch.export import export_hf_checkpoint
from modelopt.torch.quantization.qtensor import NVFP4QTensor
from safetensors.torch import load_file, save_file
from transformers import Llama4ForCausalLM, Llama4TextConfig

HERE = Path(__file__).resolve().parent
SIZES = {"vocab_size": 32, "hidden_size": 32, "intermediate_size": 16, "intermediate_size_mlp": 16, "num_hidden_layers": 1,
         "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "num_local_experts": 2, "num_experts_per_tok": 1,
         "interleave_moe_layer_step": 1, "tie_word_embeddings": False}
FORMS = {"fp8": mtq.FP8_DEFAULT_CFG, "nvfp4": mtq.NVFP4_DEFAULT_CFG}


def calibrate(model):
    for _ in range(4):
        model(torch.randint(0, SIZES["vocab_size"], (2, 64)))


def decoded(tensors, name, form):
    codes, scale = tensors[name], tensors[name + "_weight_scale"]
    if form == "fp8":
        return codes.float() * scale
    rows = codes.transpose(-2, -1).contiguous()
    shape = (*rows.shape[:-1], 2 * rows.shape[-1])
    whole = NVFP4QTensor(torch.Size(shape), torch.float32, rows).dequantize(
        dtype=torch.float32, scale=scale.transpose(-2, -1).contiguous(), double_scale=tensors[name + "_weight_scale_2"],
        block_sizes={-1: 16})
    return whole.reshape(shape).transpose(-2, -1).contiguous()


def main():
    for form, config in FORMS.items():
        torch.manual_seed(7)
        settings = Llama4TextConfig(**SIZES)
        settings.architectures = ["Llama4ForCausalLM"]
        model = mtq.quantize(Llama4ForCausalLM(settings).to(torch.bfloat16).eval(), config, calibrate)
        out = HERE / f"modelopt_{form}"
        export_hf_checkpoint(model, export_dir=str(out))
        (out / "generation_config.json").unlink(missing_ok=True)
        tensors = load_file(out / "model.safetensors")
        stacks = [name for name in tensors if name.endswith("experts.gate_up_proj") or name.endswith("experts.down_proj")]
        save_file({name: decoded(tensors, name, form) for name in stacks}, out / "expected.safetensors_")
        (out / "expected.safetensors_").rename(HERE / f"modelopt_{form}.expected.safetensors")
        print(out, json.dumps(stacks))


if __name__ == "__main__":
    sys.exit(main())
