"""Small checkpoints of random numbers, and what lies in a folder. Standard library only."""
import hashlib
import json
import os
import random
import struct

FP8 = {"quant_dtype": "float8_e4m3fn", "quant_method": "smooth_quant"}


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, data in tensors:
            out.write(data)


def config(hidden, layers, vocab, quantization):
    out = {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
           "hidden_size": hidden, "intermediate_size": 2 * hidden, "max_position_embeddings": 2048,
           "model_type": "llama", "num_attention_heads": hidden // 32, "num_hidden_layers": layers,
           "num_key_value_heads": hidden // 32, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
           "tie_word_embeddings": False, "torch_dtype": "float16", "vocab_size": vocab}
    if quantization:
        out["quantization_config"] = quantization
    return out


def linears(hidden):
    return [("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", hidden, hidden),
            ("self_attn.v_proj", hidden, hidden), ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", 2 * hidden, hidden), ("mlp.up_proj", 2 * hidden, hidden),
            ("mlp.down_proj", hidden, 2 * hidden)]


def half(rng, count):
    """Numbers of an ordinary size: the exponent of F16 stays small."""
    data = bytearray(rng.randbytes(2 * count))
    for i in range(1, len(data), 2):
        data[i] = data[i] & 0x83 | 0x28
    return bytes(data)


def model(folder, hidden, layers, quantised, shard_per_tensor):
    rng, vocab = random.Random(1), 128
    tensors = [("model.embed_tokens.weight", "F16", [vocab, hidden], half(rng, vocab * hidden)),
               ("lm_head.weight", "F16", [vocab, hidden], half(rng, vocab * hidden)),
               ("model.norm.weight", "F16", [hidden], half(rng, hidden))]
    for layer in range(layers):
        at = f"model.layers.{layer}."
        for name, rows, cols in linears(hidden):
            if quantised:
                codes = bytes(b - 1 if b & 0x7F == 0x7F else b for b in rng.randbytes(rows * cols))
                tensors.append((f"{at}{name}.weight", "F8_E4M3", [rows, cols], codes))
                scales = struct.pack(f"<{rows}f", *(rng.uniform(0.001, 0.01) for _ in range(rows)))
                tensors.append((f"{at}{name}.scale", "F32", [rows, 1], scales))
            else:
                tensors.append((f"{at}{name}.weight", "F16", [rows, cols], half(rng, rows * cols)))
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors.append((f"{at}{name}.weight", "F16", [hidden], half(rng, hidden)))
    os.makedirs(folder)
    if shard_per_tensor:
        names = {}
        for i, tensor in enumerate(tensors):
            name = f"model-{i + 1:05}-of-{len(tensors):05}.safetensors"
            write_safetensors(os.path.join(folder, name), [tensor])
            names[tensor[0]] = name
        with open(os.path.join(folder, "model.safetensors.index.json"), "w") as out:
            json.dump({"metadata": {"total_size": sum(len(t[3]) for t in tensors)}, "weight_map": names}, out)
    else:
        write_safetensors(os.path.join(folder, "model.safetensors"), tensors)
    with open(os.path.join(folder, "config.json"), "w") as out:
        json.dump(config(hidden, layers, vocab, FP8 if quantised else None), out, indent=2)
    with open(os.path.join(folder, "tokenizer.json"), "w") as out:
        json.dump({"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}, out)
    with open(os.path.join(folder, "generation_config.json"), "w") as out:
        json.dump({"bos_token_id": 1, "eos_token_id": 2}, out)


def fp8_model(folder, hidden=128, layers=4):
    """As lmdeploy quantises to FP8."""
    model(folder, hidden, layers, True, False)


def dense_model(folder, hidden=128, layers=2, shard_per_tensor=False):
    model(folder, hidden, layers, False, shard_per_tensor)


def no_index_model(folder, hidden=64, layers=20):
    """Many weight files, and no index of them: what `fix` mends."""
    model(folder, hidden, layers, True, True)
    os.remove(os.path.join(folder, "model.safetensors.index.json"))


def tree(folder):
    out = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                out[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return out
