"""Llama-3.2-3B's shape as each dialect of bench/edges.py stores it. 2.25 GB as AWQ."""

GROUP = 128  # of AWQ


def lmdeploy_fp8(name, rows, cols):
    return [(name + ".weight", "F8_E4M3", [rows, cols]), (name + ".scale", "F32", [rows, 1])]


def lmdeploy_int8(name, rows, cols):
    return [(name + ".weight", "I8", [rows, cols]), (name + ".scale", "F32", [rows, 1])]


def awq(name, rows, cols):
    return [(name + ".qweight", "I32", [cols, rows // 8]), (name + ".qzeros", "I32", [cols // GROUP, rows // 8]),
            (name + ".scales", "F16", [cols // GROUP, rows])]


def fp8_block(name, rows, cols):
    return [(name + ".weight", "F8_E4M3", [rows, cols]),
            (name + ".weight_scale_inv", "F32", [-(-rows // 128), -(-cols // 128)])]


def nvfp4(name, rows, cols):
    return [(name + ".weight", "U8", [rows, cols // 2]), (name + ".weight_scale", "F8_E4M3", [rows, cols // 16]),
            (name + ".weight_scale_2", "F32", [])]


def mxfp4(name, rows, cols):
    return [(name + ".weight", "U8", [rows, cols // 2]), (name + ".weight_scale", "U8", [rows, cols // 32])]


MODELOPT = {"quant_method": "modelopt", "ignore": ["lm_head", "model.embed_tokens"],
            "producer": {"name": "modelopt", "version": "0.47.0"}}
# How a linear layer is stored, and what config.json says of it.
DIALECTS = {
    "lmdeploy-fp8": (lmdeploy_fp8, {"quant_dtype": "float8_e4m3fn", "quant_method": "smooth_quant"}),
    "lmdeploy-int8": (lmdeploy_int8, {"quant_dtype": "int8", "quant_method": "smooth_quant"}),
    "awq": (awq, {"bits": 4, "group_size": GROUP, "modules_to_not_convert": None, "quant_method": "awq",
                  "version": "gemm", "zero_point": True}),
    "fp8-block": (fp8_block, {"quant_method": "fp8", "modules_to_not_convert": ["lm_head"],
                              "activation_scheme": "dynamic", "weight_block_size": [128, 128]}),
    "modelopt-nvfp4": (nvfp4, {**MODELOPT, "quant_algo": "W4A16_NVFP4"}),
    "modelopt-mxfp4": (mxfp4, {**MODELOPT, "quant_algo": "mxfp4"}),
}
# Scales by their dtype: positive, neither zero nor infinite. Written over and over.
SCALES = {"F16": bytes(b for i in range(1 << 15) for b in ((i * 37) & 0xFF, 0x14 + (i * 11) % 8)),
          "F8_E4M3": bytes(0x20 + (i * 29) % 0x50 for i in range(1 << 16)),
          "U8": bytes(110 + (i * 7) % 20 for i in range(1 << 16))}


def scales(tensor, size):
    """The bytes of a tensor of small scales; None for any other tensor."""
    name, dtype = tensor[:2]
    if not name.endswith((".weight_scale", ".scales")):
        return None
    block = SCALES.get(dtype)
    return block and (block * (size // len(block)) + block[:size % len(block)])


def llama_3b(layers, dialect):
    linear, quantization = DIALECTS[dialect]
    hidden, inter, kv, vocab = 3072, 8192, 1024, 128256
    tensors = [("model.embed_tokens.weight", "F16", [vocab, hidden]), ("model.norm.weight", "F16", [hidden])]
    for i in range(layers):
        at = f"model.layers.{i}."
        for name, rows, cols in [("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", kv, hidden),
                                 ("self_attn.v_proj", kv, hidden), ("self_attn.o_proj", hidden, hidden),
                                 ("mlp.gate_proj", inter, hidden), ("mlp.up_proj", inter, hidden),
                                 ("mlp.down_proj", hidden, inter)]:
            tensors += linear(at + name, rows, cols)
        tensors += [(at + "input_layernorm.weight", "F16", [hidden]),
                    (at + "post_attention_layernorm.weight", "F16", [hidden])]
    config = {"architectures": ["LlamaForCausalLM"], "bos_token_id": 128000, "eos_token_id": 128001, "head_dim": 128,
              "hidden_act": "silu", "hidden_size": hidden, "intermediate_size": inter,
              "max_position_embeddings": 131072, "model_type": "llama", "num_attention_heads": 24,
              "num_hidden_layers": layers, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
              "tie_word_embeddings": True, "torch_dtype": "float16", "quantization_config": quantization,
              "vocab_size": vocab}
    return tensors, config
