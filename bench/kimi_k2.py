"""The shape of Kimi-K2-Thinking: DeepSeek-V3's names, experts in compressed-tensors' pack-quantized INT4.

Sizes and config are those of the published model as far as they are known; its files were not at hand.
"""

GROUP = 32
QUANTIZATION = {
    "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
    "kv_cache_scheme": None,
    "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"],
    "config_groups": {"group_0": {
        "targets": ["Linear"], "input_activations": None, "output_activations": None,
        "weights": {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": GROUP,
                    "dynamic": False, "actorder": None, "block_structure": None, "observer": "minmax",
                    "observer_kwargs": {}}}}}


def half(name, *shape):
    return (name + ".weight", "BF16", list(shape))


def packed(name, rows, cols):
    return [(name + ".weight_packed", "I32", [rows, cols // 8]),
            (name + ".weight_scale", "BF16", [rows, cols // GROUP]),
            (name + ".weight_shape", "I32", [2], [rows, cols])]


def attention(at, hidden, heads):
    return [half(at + "q_a_proj", 1536, hidden), half(at + "q_a_layernorm", 1536),
            half(at + "q_b_proj", heads * 192, 1536), half(at + "kv_a_proj_with_mqa", 576, hidden),
            half(at + "kv_a_layernorm", 512), half(at + "kv_b_proj", heads * 256, 512),
            half(at + "o_proj", hidden, heads * 128)]


def mlp(at, hidden, inter, linear):
    return [*linear(at + "gate_proj", inter, hidden), *linear(at + "up_proj", inter, hidden),
            *linear(at + "down_proj", hidden, inter)]


def kimi_k2(layers):
    hidden, inter, expert, experts, heads, vocab = 7168, 18432, 2048, 384, 64, 163840
    plain = lambda *args: [half(*args)]
    tensors = [half("model.embed_tokens", vocab, hidden)]
    for i in range(layers):
        at = f"model.layers.{i}."
        tensors += [half(at + "input_layernorm", hidden), half(at + "post_attention_layernorm", hidden)]
        tensors += attention(at + "self_attn.", hidden, heads)
        if i == 0:
            tensors += mlp(at + "mlp.", hidden, inter, plain)
            continue
        tensors += [half(at + "mlp.gate", experts, hidden),
                    (at + "mlp.gate.e_score_correction_bias", "F32", [experts])]
        tensors += mlp(at + "mlp.shared_experts.", hidden, expert, plain)
        for e in range(experts):
            tensors += mlp(f"{at}mlp.experts.{e}.", hidden, expert, packed)
    tensors += [half("model.norm", hidden), half("lm_head", vocab, hidden)]
    config = {"architectures": ["DeepseekV3ForCausalLM"], "attention_bias": False, "bos_token_id": 163584,
              "eos_token_id": 163586, "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": hidden,
              "intermediate_size": inter, "kv_lora_rank": 512, "max_position_embeddings": 262144,
              "model_type": "kimi_k2", "moe_intermediate_size": expert, "moe_layer_freq": 1, "n_group": 1,
              "n_routed_experts": experts, "n_shared_experts": 1, "norm_topk_prob": True,
              "num_attention_heads": heads, "num_experts_per_tok": 8, "num_hidden_layers": layers,
              "num_key_value_heads": heads, "num_nextn_predict_layers": 0, "q_lora_rank": 1536,
              "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "quantization_config": QUANTIZATION,
              "rms_norm_eps": 1e-05, "rope_theta": 50000.0, "routed_scaling_factor": 2.827,
              "scoring_func": "sigmoid", "tie_word_embeddings": False, "topk_group": 1,
              "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim": 128, "vocab_size": vocab}
    return tensors, config
