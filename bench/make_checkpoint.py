#!/usr/bin/env python3
"""Writes a checkpoint of a real model's shape as the tool would that quantised it.

  make_checkpoint.py OUT --shape llama-8b --gb 4.5           random codes, as many layers as fit
  make_checkpoint.py OUT --shape internvl2_5-26b --sparse    the whole shape; codes are holes (zeros)
  make_checkpoint.py OUT --shape kimi-k2 --sparse            compressed-tensors INT4, 10^12 weights
  make_checkpoint.py OUT --shape llama-3.2-3b-awq            2.25 GB; so in each dialect of llama_3b.py

Scales are always real random numbers, and no code is NaN. Standard library only.
"""
import argparse
import array
import functools
import json
import os
import random
import struct

from kimi_k2 import kimi_k2
from llama_3b import DIALECTS, llama_3b, scales

BLOCK = 16 << 20
SHARD = 5_000_000_000
SMALL_SHARD = 1_500_000_000  # of the 3B model, so that two threads of a tool have a file each
# Random bytes without the NaN patterns of e4m3fn; halves without the exponent of infinity and NaN.
FP8 = bytes(b - 1 if b & 0x7F == 0x7F else b for b in range(256))
F16 = bytes(b & 0xBF for b in range(256))
I8 = bytes(b if b != 0x80 else 0x81 for b in range(256))  # no -128
CODES = {"F8_E4M3": FP8, "F16": F16, "BF16": F16, "I8": I8}


def linear(name, rows, cols):
    return [(name + ".weight", "F8_E4M3", [rows, cols]), (name + ".scale", "F32", [rows, 1])]


def half(name, *shape):
    return (name, "F16", list(shape))


def llama_8b(layers):
    hidden, inter, kv, vocab = 4096, 14336, 1024, 32000
    tensors = [half("model.embed_tokens.weight", vocab, hidden), half("lm_head.weight", vocab, hidden),
               half("model.norm.weight", hidden)]
    for i in range(layers):
        at = f"model.layers.{i}."
        for name, rows, cols in [("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", kv, hidden),
                                 ("self_attn.v_proj", kv, hidden), ("self_attn.o_proj", hidden, hidden),
                                 ("mlp.gate_proj", inter, hidden), ("mlp.up_proj", inter, hidden),
                                 ("mlp.down_proj", hidden, inter)]:
            tensors += linear(at + name, rows, cols)
        tensors += [half(at + "input_layernorm.weight", hidden),
                    half(at + "post_attention_layernorm.weight", hidden)]
    config = {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
              "hidden_act": "silu", "hidden_size": hidden, "intermediate_size": inter,
              "max_position_embeddings": 8192, "model_type": "llama", "num_attention_heads": 32,
              "num_hidden_layers": layers, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
              "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "float16",
              "quantization_config": QUANTIZATION, "vocab_size": vocab}
    return tensors, config


def vision_layer(at, hidden, inter):
    return [half(at + "attn.qkv.weight", 3 * hidden, hidden), half(at + "attn.proj.weight", hidden, hidden),
            half(at + "attn.proj.bias", hidden), half(at + "attn.q_norm.weight", hidden),
            half(at + "attn.k_norm.weight", hidden), half(at + "mlp.fc1.weight", inter, hidden),
            half(at + "mlp.fc1.bias", inter), half(at + "mlp.fc2.weight", hidden, inter),
            half(at + "mlp.fc2.bias", hidden), half(at + "norm1.weight", hidden),
            half(at + "norm2.weight", hidden), half(at + "ls1", hidden), half(at + "ls2", hidden)]


def internvl2_5_26b(layers):
    hidden, inter, vocab, heads, kv, head = 6144, 16384, 92553, 48, 8, 128
    v_hidden, v_inter, v_layers, patch, image = 3200, 12800, 45, 14, 448
    at = "vision_model."
    tensors = [half(at + "embeddings.class_embedding", 1, 1, v_hidden),
               half(at + "embeddings.patch_embedding.weight", v_hidden, 3, patch, patch),
               half(at + "embeddings.patch_embedding.bias", v_hidden),
               half(at + "embeddings.position_embedding", 1, (image // patch) ** 2 + 1, v_hidden)]
    for i in range(v_layers):
        tensors += vision_layer(f"{at}encoder.layers.{i}.", v_hidden, v_inter)
    tensors += [half("mlp1.0.weight", 4 * v_hidden), half("mlp1.0.bias", 4 * v_hidden),
                half("mlp1.1.weight", hidden, 4 * v_hidden), half("mlp1.1.bias", hidden),
                half("mlp1.3.weight", hidden, hidden), half("mlp1.3.bias", hidden)]
    for i in range(layers):
        at = f"language_model.model.layers.{i}."
        tensors += linear(at + "attention.wqkv", (heads + 2 * kv) * head, hidden)
        tensors += linear(at + "attention.wo", hidden, heads * head)
        tensors += linear(at + "feed_forward.w1", inter, hidden)
        tensors += linear(at + "feed_forward.w3", inter, hidden)
        tensors += linear(at + "feed_forward.w2", hidden, inter)
        tensors += [half(at + "attention_norm.weight", hidden), half(at + "ffn_norm.weight", hidden)]
    at = "language_model."
    tensors += [half(at + "model.tok_embeddings.weight", vocab, hidden), half(at + "model.norm.weight", hidden),
                half(at + "output.weight", vocab, hidden)]
    llm = {"architectures": ["InternLM2ForCausalLM"], "attn_implementation": "flash_attention_2", "bias": False,
           "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": hidden,
           "intermediate_size": inter, "max_position_embeddings": 32768, "model_type": "internlm2",
           "num_attention_heads": heads, "num_hidden_layers": layers, "num_key_value_heads": kv,
           "quantization_config": QUANTIZATION, "rms_norm_eps": 1e-05,
           "rope_scaling": {"factor": 3.0, "type": "dynamic"}, "rope_theta": 1000000,
           "tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": vocab}
    vision = {"architectures": ["InternVisionModel"], "hidden_act": "gelu", "hidden_size": v_hidden,
              "image_size": image, "initializer_factor": 0.1, "intermediate_size": v_inter,
              "layer_norm_eps": 1e-06, "model_type": "intern_vit_6b", "norm_type": "rms_norm",
              "num_attention_heads": 25, "num_channels": 3, "num_hidden_layers": v_layers,
              "patch_size": patch, "qk_normalization": True, "qkv_bias": False, "torch_dtype": "bfloat16",
              "use_flash_attn": True}
    config = {"architectures": ["InternVLChatModel"], "downsample_ratio": 0.5, "dynamic_image_size": True,
              "force_image_size": image, "hidden_size": hidden, "llm_config": llm, "max_dynamic_patch": 12,
              "min_dynamic_patch": 1, "model_type": "internvl_chat", "pad2square": False, "ps_version": "v2",
              "select_layer": -1, "template": "internvl2_5", "tie_word_embeddings": False,
              "torch_dtype": "float16", "use_thumbnail": True, "vision_config": vision}
    return tensors, config


QUANTIZATION = {"quant_dtype": "float8_e4m3fn", "quant_method": "smooth_quant"}
SHAPES = {"llama-8b": (llama_8b, 32), "internvl2_5-26b": (internvl2_5_26b, 48), "kimi-k2": (kimi_k2, 61)}
SHAPES.update({f"llama-3.2-3b-{name}": (functools.partial(llama_3b, dialect=name), 28) for name in DIALECTS})
WIDTH = {"F8_E4M3": 1, "I8": 1, "U8": 1, "F16": 2, "BF16": 2, "F32": 4, "I32": 4}


def size(tensor):
    count = 1
    for n in tensor[2]:
        count *= n
    return count * WIDTH[tensor[1]]


def fill(out, tensor, rng, sparse):
    dtype, values = tensor[1], tensor[3:]
    left = size(tensor)
    known = None if sparse else scales(tensor, left)
    if known is not None:
        out.write(known)
    elif values:
        out.write(array.array("i", *values).tobytes())
    elif dtype == "F32":
        out.write(array.array("f", (rng.uniform(1e-4, 1e-2) for _ in range(left // 4))).tobytes())
    elif sparse:
        out.seek(left, os.SEEK_CUR)
    else:
        while left:
            block = min(left, BLOCK)
            out.write(os.urandom(block).translate(CODES.get(dtype)))
            left -= block


def write_shard(path, tensors, rng, sparse):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for tensor in tensors:
        header[tensor[0]] = {"dtype": tensor[1], "shape": tensor[2], "data_offsets": [offset, offset + size(tensor)]}
        offset += size(tensor)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            fill(out, tensor, rng, sparse)
        out.truncate(8 + len(text) + offset)


def shards_of(tensors, limit):
    shards, used = [[]], 0
    for tensor in tensors:
        if shards[-1] and used + size(tensor) > limit:
            shards.append([])
            used = 0
        shards[-1].append(tensor)
        used += size(tensor)
    return shards


def write_all(folder, tensors, config, rng, sparse, limit):
    os.makedirs(folder)
    shards = shards_of(tensors, limit)
    weight_map = {}
    for i, shard in enumerate(shards):
        name = "model.safetensors" if len(shards) == 1 else f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
        write_shard(os.path.join(folder, name), shard, rng, sparse)
        weight_map.update({tensor[0]: name for tensor in shard})
    if len(shards) > 1:
        index = {"metadata": {"total_size": sum(map(size, tensors))}, "weight_map": dict(sorted(weight_map.items()))}
        with open(os.path.join(folder, "model.safetensors.index.json"), "w") as out:
            json.dump(index, out, indent=2)
    for name, value in [("config.json", config), ("generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})]:
        with open(os.path.join(folder, name), "w") as out:
            json.dump(value, out, indent=2)
            out.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-8b")
    parser.add_argument("--gb", type=float, help="at most this many 10^9 bytes: fewer layers")
    parser.add_argument("--sparse", action="store_true", help="codes are holes in the file")
    parser.add_argument("--shard-gb", type=float, help="at most so many 10^9 bytes in a file")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    build, layers = SHAPES[args.shape]
    tensors, config = build(layers)
    while args.gb and layers > 1 and sum(map(size, tensors)) > args.gb * 1e9:
        layers -= 1
        tensors, config = build(layers)
    limit = SMALL_SHARD if args.shape.startswith("llama-3.2-3b") else SHARD
    if args.shard_gb:
        limit = args.shard_gb * 1e9
    write_all(args.out, tensors, config, random.Random(args.seed), args.sparse, limit)
    print(f"{args.out}: {len(tensors)} tensors, {sum(map(size, tensors)) / 1e9:.2f} GB, {layers} layers")


if __name__ == "__main__":
    main()
