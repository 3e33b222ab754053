#!/usr/bin/env python3
"""How long `check` takes on a checkpoint of many small files: headers only, tensor data are holes.

    many_shards.py REQUANT [--shards 1000] [--tensors 100000] [--runs 5]

Makes a compressed-tensors W8A8 Llama of that many tensors in a temporary folder and prints the median of
warm runs of `check --engine vllm@0.33.0` and of `check --engine any`.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import tempfile
import time

ROWS, COLS = 512, 512
LINEARS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
           "mlp.up_proj", "mlp.down_proj")
BLOCK = {"quant_method": "compressed-tensors", "format": "int-quantized", "ignore": ["lm_head"],
         "quantization_status": "compressed",
         "config_groups": {"group_0": {
             "targets": ["Linear"],
             "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
             "input_activations": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}}}}


def tensors_of(layers):
    yield "model.embed_tokens.weight", "BF16", [1024, COLS]
    yield "model.norm.weight", "BF16", [COLS]
    yield "lm_head.weight", "BF16", [1024, COLS]
    for layer in range(layers):
        for name in LINEARS:
            yield f"model.layers.{layer}.{name}.weight", "I8", [ROWS, COLS]
            yield f"model.layers.{layer}.{name}.weight_scale", "BF16", [ROWS, 1]
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"model.layers.{layer}.{norm}.weight", "BF16", [COLS]


def write_shard(path, tensors):
    header, at = {}, 0
    for name, dtype, shape in tensors:
        count = 1
        for size in shape:
            count *= size
        size = count * (1 if dtype == "I8" else 2)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + at)


def make(folder, shards, count):
    layers = count // (2 * len(LINEARS) + 2)
    tensors = list(tensors_of(layers))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": COLS, "intermediate_size": ROWS,
              "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 64,
              "vocab_size": 1024, "torch_dtype": "bfloat16", "dtype": "bfloat16", "tie_word_embeddings": False,
              "rms_norm_eps": 1e-5, "max_position_embeddings": 4096, "quantization_config": BLOCK}
    with open(os.path.join(folder, "config.json"), "w") as out:
        json.dump(config, out)
    index = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        own = tensors[shard * len(tensors) // shards:(shard + 1) * len(tensors) // shards]
        write_shard(os.path.join(folder, name), own)
        index.update({tensor[0]: name for tensor in own})
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as out:
        json.dump({"metadata": {"total_size": 1}, "weight_map": index}, out)
    return len(tensors)


def seconds(command, runs):
    times = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requant")
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--tensors", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count = make(folder, arguments.shards, arguments.tensors)
        print(f"{count} tensors in {arguments.shards} files")
        for what in ("inspect {}", "check {} --engine vllm@0.33.0", "check {} --engine any"):
            command = [arguments.requant, *what.format(folder).split()]
            print(f"{what.format('SRC')}: {seconds(command, arguments.runs):.3f} s")


if __name__ == "__main__":
    main()
