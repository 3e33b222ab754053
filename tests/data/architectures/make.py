#!/usr/bin/env python3
"""Writes NAME.json: config, tensor names, classes of modules and shapes of a tiny random model, as transformers saves it.

  make.py FOLDER [NAME...]     with the Python of an environment that has transformers and torch

NAME-tf4.json is of a release 4 of transformers, and is kept only where the names are other ones than those of release 5.
"""
import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

TEXT = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=64, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)
MOE = dict(TEXT, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=24)
ROPE = dict(rope_theta=10000.0, rope_scaling={"rope_type": "default", "type": "default", "mrope_section": [1, 1, 2]})
MLA = dict(TEXT, num_key_value_heads=4, q_lora_rank=20, kv_lora_rank=12, qk_nope_head_dim=8, qk_rope_head_dim=4,
           v_head_dim=8)
DEEPSEEK = dict(MLA, moe_intermediate_size=24, n_routed_experts=4, num_experts_per_tok=2, n_group=2, topk_group=1,
                n_shared_experts=1, first_k_dense_replace=1)
GLM_MOE = dict(TEXT, head_dim=8, moe_intermediate_size=24, n_routed_experts=3, num_experts_per_tok=2, n_group=1,
               topk_group=1, n_shared_experts=1, first_k_dense_replace=1)
SIGLIP = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=28, patch_size=14)
QWEN_VISION = dict(depth=2, hidden_size=24, num_heads=3, intermediate_size=40, patch_size=14, out_hidden_size=32)
GLM_VISION = dict(depth=2, hidden_size=24, num_heads=3, intermediate_size=40, out_hidden_size=32, patch_size=14,
                  image_size=28)

# name: class, config class, its values
MODELS = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", TEXT),
    "llama-bias": ("LlamaForCausalLM", "LlamaConfig", dict(TEXT, attention_bias=True, mlp_bias=True)),
    "mistral": ("MistralForCausalLM", "MistralConfig", TEXT),
    "ministral3": ("Ministral3ForCausalLM", "Ministral3Config", dict(TEXT, head_dim=8)),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", dict(TEXT, num_local_experts=3)),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", TEXT),
    "qwen2_moe": ("Qwen2MoeForCausalLM", "Qwen2MoeConfig", dict(MOE, shared_expert_intermediate_size=40)),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", dict(TEXT, head_dim=8)),
    "qwen3_moe": ("Qwen3MoeForCausalLM", "Qwen3MoeConfig", dict(MOE, head_dim=8, mlp_only_layers=[0])),
    "qwen2_vl": ("Qwen2VLForConditionalGeneration", "Qwen2VLConfig",
                 dict(text_config=dict(TEXT, **ROPE), vision_config=dict(depth=2, embed_dim=24, num_heads=3,
                                                                         hidden_size=32, patch_size=14))),
    "qwen2_5_vl": ("Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLConfig",
                   dict(text_config=dict(TEXT, **ROPE), vision_config=QWEN_VISION)),
    "qwen3_vl": ("Qwen3VLForConditionalGeneration", "Qwen3VLConfig",
                 dict(text_config=dict(TEXT, head_dim=8, **ROPE),
                      vision_config=dict(QWEN_VISION, deepstack_visual_indexes=[0, 1], num_position_embeddings=16))),
    "qwen3_vl_moe": ("Qwen3VLMoeForConditionalGeneration", "Qwen3VLMoeConfig",
                     dict(text_config=dict(MOE, head_dim=8, **ROPE),
                          vision_config=dict(QWEN_VISION, deepstack_visual_indexes=[0], num_position_embeddings=16))),
    "llama4": ("Llama4ForConditionalGeneration", "Llama4Config",
               dict(text_config=dict(TEXT, head_dim=8, intermediate_size_mlp=40, num_local_experts=3,
                                     num_experts_per_tok=1, interleave_moe_layer_step=2),
                    vision_config=dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96,
                                       image_size=28, patch_size=14, vision_output_dim=40, projector_input_dim=40,
                                       projector_output_dim=40))),
    "mistral3": ("Mistral3ForConditionalGeneration", "Mistral3Config",
                 dict(text_config=dict(TEXT, model_type="mistral", head_dim=8),
                      vision_config=dict(SIGLIP, model_type="pixtral", head_dim=8))),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", dict(TEXT, head_dim=8)),
    "gemma3_text": ("Gemma3ForCausalLM", "Gemma3TextConfig", dict(TEXT, head_dim=8)),
    "gemma3": ("Gemma3ForConditionalGeneration", "Gemma3Config",
               dict(text_config=dict(TEXT, head_dim=8), mm_tokens_per_image=4,
                    vision_config=dict(SIGLIP, model_type="siglip_vision_model"))),
    "glm": ("GlmForCausalLM", "GlmConfig", dict(TEXT, head_dim=8)),
    "glm4": ("Glm4ForCausalLM", "Glm4Config", dict(TEXT, head_dim=8)),
    "glm4_moe": ("Glm4MoeForCausalLM", "Glm4MoeConfig", dict(GLM_MOE, use_qk_norm=True)),
    "glm4v": ("Glm4vForConditionalGeneration", "Glm4vConfig",
              dict(text_config=dict(TEXT, **ROPE), vision_config=GLM_VISION)),
    "glm4v_moe": ("Glm4vMoeForConditionalGeneration", "Glm4vMoeConfig",
                  dict(text_config=dict(GLM_MOE, **ROPE), vision_config=GLM_VISION)),
    "glm46v": ("Glm46VForConditionalGeneration", "Glm46VConfig",
               dict(text_config=dict(TEXT, model_type="glm4v_text", **ROPE),
                    vision_config=dict(GLM_VISION, model_type="glm4v_vision"))),
    "deepseek_v3": ("DeepseekV3ForCausalLM", "DeepseekV3Config", DEEPSEEK),
    "deepseek_v32": ("DeepseekV32ForCausalLM", "DeepseekV32Config",
                     dict(DEEPSEEK, index_n_heads=2, index_head_dim=8, index_topk=4)),
    "deepseek_v2": ("DeepseekV2ForCausalLM", "DeepseekV2Config",
                    dict({k: v for k, v in DEEPSEEK.items() if k != "q_lora_rank"}, q_lora_rank=None)),
    "gpt_oss": ("GptOssForCausalLM", "GptOssConfig", dict(TEXT, head_dim=8, num_local_experts=3, num_experts_per_tok=2)),
    "hunyuan_vl": ("HunYuanVLForConditionalGeneration", "HunYuanVLConfig",
                   dict(text_config=dict(TEXT, head_dim=8),
                        vision_config=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2,
                                           num_attention_heads=3, patch_size=14, out_hidden_size=32, text_hidden_size=32,
                                           max_image_size=28, img_max_token_num=64, max_vit_seq_len=64))),
    "hunyuan_v1_dense": ("HunYuanDenseV1ForCausalLM", "HunYuanDenseV1Config", dict(TEXT, head_dim=8)),
    "glmasr": ("GlmAsrForConditionalGeneration", "GlmAsrConfig",
               dict(text_config=dict(TEXT, model_type="llama"),
                    audio_config=dict(hidden_size=24, intermediate_size=96, num_hidden_layers=2, num_attention_heads=3,
                                      num_mel_bins=8, max_position_embeddings=64))),
    "minicpm3": ("MiniCPM3ForCausalLM", "MiniCPM3Config", MLA),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", TEXT),
    "granite": ("GraniteForCausalLM", "GraniteConfig", TEXT),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", TEXT),
    "smollm3": ("SmolLM3ForCausalLM", "SmolLM3Config", TEXT),
    "internvl": ("InternVLForConditionalGeneration", "InternVLConfig",
                 dict(text_config=dict(TEXT, model_type="qwen2"),
                      vision_config=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2,
                                         num_attention_heads=3, image_size=28, patch_size=14))),
}
NOISE = ("id2label", "label2id", "transformers_version")


def digest(tensor):
    return tensor.shape, tensor.detach().contiguous().numpy().tobytes()


def classes(model):
    """Values -> class of the module that holds them. Names change on the way to the file, values do not."""
    held = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            held.setdefault(digest(parameter), type(module).__name__)
    return held


def saved(name):
    class_name, config_name, values = MODELS[name]
    torch.manual_seed(1)
    model = getattr(transformers, class_name)(getattr(transformers, config_name)(**values)).float()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    held = classes(model)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        stored = load_file(Path(folder) / "model.safetensors")
        tensors = {key: [held.get(digest(value), "")] + list(value.shape) for key, value in stored.items()}
        config = json.loads((Path(folder) / "config.json").read_text())
    return {"written_by": f"transformers {transformers.__version__}",
            "config": {key: value for key, value in config.items() if key not in NOISE},
            "tensors": {key: tensors[key] for key in sorted(tensors)}}


def dump(record, path):
    rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(shape)}" for key, shape in record["tensors"].items())
    path.write_text(f'{{"written_by": {json.dumps(record["written_by"])},\n "config": {json.dumps(record["config"])},\n'
                    f' "tensors": {{\n{rows}\n}}}}\n')


def main():
    folder = Path(sys.argv[1])
    old = transformers.__version__.startswith("4.")
    for name in sys.argv[2:] or MODELS:
        if not hasattr(transformers, MODELS[name][0]):
            print(f"{name}: not in transformers {transformers.__version__}")
            continue
        try:
            record = saved(name)
        except Exception as problem:  # one family must not hide the others
            print(f"{name}: {type(problem).__name__}: {str(problem)[:300]}")
            continue
        newer = folder / f"{name}.json"
        if old and newer.exists() and json.loads(newer.read_text())["tensors"] == record["tensors"]:
            continue
        dump(record, folder / f"{name}-tf4.json" if old else newer)
        print(f"{name}: {len(record['tensors'])} tensors")


if __name__ == "__main__":
    main()
