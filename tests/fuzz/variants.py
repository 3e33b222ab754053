"""Checkpoints of the corpus with something changed that a reader of its dialect has a branch for, and checkpoints made by
hand of what the corpus lacks."""
import itertools
import json
import re

from bundles import Bundle
from pytorch_bin import pytorch_bin

SYMMETRIC_V1, SYMMETRIC_V2 = " =8608480567731124087", " =-8608480567731124088"  # 0x7 and 0x8 in each half of a byte
K_PROJ = "model.layers.0.self_attn.k_proj"


def quant(**keys):
    """Other members of the quantisation block; None takes one away."""
    def change(made):
        block = made.files["config.json"]["quantization_config"]
        block.update(keys)
        for key, value in keys.items():
            if value is None:
                del block[key]
    return change


def config(**keys):
    return lambda made: made.files["config.json"].update(keys)


def unquantised(made):
    made.files["config.json"].pop("quantization_config", None)


def nested(made):
    """The block where models of several parts have it."""
    whole = made.files["config.json"]
    whole["llm_config"] = {"quantization_config": whole.pop("quantization_config")}


def side(name, content):
    return lambda made: made.files.update({name: content})


def replaced(pattern, by):
    def change(made):
        made.tensors = [re.sub(pattern, by, line) for line in made.tensors]
    return change


def without(pattern):
    def change(made):
        made.tensors = [line for line in made.tensors if not re.search(pattern, line)]
    return change


def plus(*lines):
    return lambda made: made.tensors.extend(lines)


def metadata(**pairs):
    return lambda made: setattr(made, "metadata", {**(made.metadata or {}), **pairs})


def no_config(made):
    del made.files["config.json"]


def dense(suffixes):
    """k_proj as a plain weight."""
    return [without(rf"k_proj\.({suffixes})"), plus(f"{K_PROJ}.weight F16 128 256")]


GPTQ = [
    [quant(checkpoint_format="gptq_v2", format=None)], [quant(checkpoint_format="gptq_p")], [quant(checkpoint_format="marlin")],
    [quant(checkpoint_format="other")], [quant(checkpoint_format=3)], [quant(is_marlin_format=True, checkpoint_format=None, format=None)],
    *([quant(checkpoint_format=form, format=None, meta=None), replaced(r"(qzeros .*?) [=z].*", rf"\1{zeros}")]
      for form in ("gptq", "gptq_v2", None) for zeros in (SYMMETRIC_V1, SYMMETRIC_V2, " =0", " =1234605616436508552")),
    [quant(sym=True), replaced(r"(qzeros .*?) [=z].*", r"\1 =1234605616436508552")],
    [quant(sym=False, meta=None), replaced(r"(qzeros .*?) [=z].*", r"\1 =-1")],
    [quant(desc_act=False), replaced(r"(g_idx .*?) [izm].*", r"\1 m2")], [quant(desc_act=False, sym=False), replaced(r"(g_idx .*?) [izm].*", r"\1 m2")],
    [replaced(r"(g_idx .*?) [izm].*", r"\1 i96")], [replaced(r"(g_idx .*?) [izm].*", r"\1 m3")],
    [quant(bits=None)], [quant(group_size=None)], [quant(lm_head=True)], [quant(lm_head=False)],
    [quant(dynamic={"-:.*k_proj": {}})], [quant(dynamic={"+:.*k_proj": {"bits": 8}, r".*q_proj": {"group_size": 32}})], [quant(dynamic=[])],
    [quant(dynamic={"+:(": {}})], dense(".*"), [plus(f"{K_PROJ}.weight F16 128 256")], [quant(static_groups=True)],
    [quant(meta={"static_groups": True, "quantizer": ["other", "gptqmodel:1"]})], [quant(meta=None), metadata(auto_gptq_version="0.7.1")],
    [quant(meta=None, block_name_to_quantize="model.layers")], [side("quantize_config.json", {"bits": 8, "sym": False, "quant_method": "gptq"})],
    [unquantised, side("quantize_config.json", {"bits": 4, "group_size": 128, "checkpoint_format": "gptq_v2"})],
    [quant(modules_in_block_to_quantize=[["self_attn.q_proj"]])], [quant(quant_method="awq")],
]
AWQ = [
    *([quant(version=version)] for version in ("gemv", "marlin", "llm-awq", "exllama", "other", 3)), [quant(group_size=64)],
    [quant(group_size=0)], [quant(bits=8)], [quant(zero_point=False)], [quant(zero_point=True), without("qzeros")],
    [quant(modules_to_not_convert=["k_proj", "q"])], dense(".*"), [*dense(".*"), quant(modules_to_not_convert=["k_proj"])],
    [replaced(r"(qzeros .*?)( [=z].*|$)", rf"\1{SYMMETRIC_V2}")], [nested], [quant(meta={"quantizer": "gptqmodel:2.0"})],
    [quant(modules_to_not_convert=None)], [quant(modules_to_not_convert=["lm_head"])], [plus(f"{K_PROJ}.weight F16 128 256")],
    [without(r"k_proj\.scales")], [without(r"k_proj\.qweight")], [unquantised, side("quant_config.json", {"w_bit": 4, "q_group_size": 128})],
    [without("proj"), plus(f"{K_PROJ}.qweight I16 32 256", f"{K_PROJ}.qzeros F16 8 128", f"{K_PROJ}.scales F16 8 128"),
     quant(version="gemv_fast")],
    [without("proj"), plus(f"{K_PROJ}.qweight I32 16 256", f"{K_PROJ}.scales F16 2 128"), quant(version="marlin")],
]
CT = [
    [quant(ignore=["re:.*k_proj", "lm_head"])], [quant(ignore=["lm_head", K_PROJ])], [quant(version=None, global_compression_ratio=None)],
    [quant(config_groups={"W4A16": ["Linear"]})], [quant(config_groups={"other": ["Linear"]})], [quant(config_groups={"FP8_DYNAMIC": ["re:.*k_proj"]})],
    *([quant(transform_config={"config_groups": {"u": {"apply": [{"location": place}]}}})] for place in ("weight_input", "input")),
    [quant(transform_config={"config_groups": {"u": {}}})], [quant(format="other")], [without("zero_point")],
    [quant(config_groups={"a": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}},
                          "b": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "int"}}})],
    [quant(config_groups={"a": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "float", "group_size": 0}}})],
    [quant(config_groups={"a": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 128, "actorder": "group"},
                                "output_activations": {"num_bits": 8}}})],
    [without("proj"), plus(f"{K_PROJ}.weight.compressed BF16 1024", f"{K_PROJ}.weight.bitmask U8 16 16", f"{K_PROJ}.weight.shape I64 2 =16,128",
                           f"{K_PROJ}.weight.row_offsets I64 16 =0,64,128,192", f"{K_PROJ}.weight_scale BF16 16 1"), quant(format="sparse-bitmask")],
    [without("proj"), plus(f"{K_PROJ}.weight_packed U8 16 96", f"{K_PROJ}.weight_scale U8 16 4")], [replaced("weight_packed I32", "weight_packed U8")],
    [quant(version="0.12.0")], [quant(version="0.13.0")], [plus("model.layers.0.mlp.gate.weight BF16 8 256")], dense(".*"), [without("input_global_scale")],
    [quant(kv_cache_scheme={"num_bits": 8, "type": "float"}), plus("model.layers.0.self_attn.k_scale BF16 1")],
    [quant(ignore=["re:" + "(a+)+" * 40 + "$"])], [quant(ignore=["re:" + "a" * 20000])], [quant(ignore=["re:(", "re:[0-9]+.k_proj", "re:layers.\\d+"])],
    [replaced(r"^model\.", "model.language_model."), config(text_config={}, model_type="qwen2_5_vl")],
]
LMDEPLOY = [
    [quant(modules_to_not_convert=["k_proj"])], [quant(quant_dtype="int8")], [quant(quant_dtype=None)], [unquantised], [nested],
    [without(r"k_proj\.weight")], [without(r"k_proj\.scale")], [config(dtype="float16")], [replaced(r"(k_proj.scale) F32 (\d+) 1", r"\1 F16 \2 1")],
    [without("proj"), plus(f"{K_PROJ}.weight F8_E5M2 16 32", f"{K_PROJ}.scale F32 16 1")],
]
OTHERS = {
    "torchao__int8dynact-int4__tiny_llama": [
        [metadata(**{f"{K_PROJ}.weight": text})] for text in (
            "x", "{}", '{"_type": "Float8Tensor"}', '{"_type": "IntxUnpackedToInt8Tensor", "_data": {}}',
            *('{"_type": "IntxUnpackedToInt8Tensor", "_data": {"target_dtype": {"_data": "int8"}, "block_size": [1, 32], '
              f'"activation_quantization": "{how}"}}}}' for how in ("int8_asym_per_token", "int8_sym_per_token", "other", "")))] + [
        [lambda made: setattr(made, "metadata", None)], [without("qdata")], [unquantised], [without("k_proj._weight_scale")],
        [replaced("(k_proj._weight_qdata I8 .*)", r"\1 z"), replaced("(k_proj._weight_zero_point I8 .*)", r"\1 z")]],
    "autoround__auto_round-w4g128__tiny_llama": [
        [quant(extra_config={K_PROJ: entry})] for entry in ({"bits": 16}, {"bits": 8}, {"group_size": 32}, {"group_size": -1}, {}, 3)] + [
        [without(r"k_proj\.scales")], [without(r"k_proj\.qzeros")], [quant(packing_format="auto_round:auto_awq")], [quant(packing_format="other")],
        [quant(extra_config={"k_proj": {"bits": 16, "data_type": "fp"}})], [quant(block_name_to_quantize="model.layers")]],
    "bnb__nf4-dq__tiny_llama": [
        [without(r"quant_state")], [replaced(r"bitsandbytes__nf4", "bitsandbytes__fp5")], [replaced("(quant_state.*? U8) .*", r"\1 70000")],
        [replaced('"blocksize"', '"x"')], [replaced(r'"shape": \[.*?\]', '"shape": [0, 1]')], [replaced(r'"shape": \[.*?\]', '"shape": 3')],
        [replaced('"nested_offset": [^,}]*', '"nested_offset": "x"')], [replaced(r"k_proj\.weight\.quant_state\S*", f"{K_PROJ}.bias.quant_state.bitsandbytes__nf4")],
        [replaced('"nested_blocksize": 256', '"nested_blocksize": 128')], [without(r"k_proj\.weight ")],
        [without("proj"), plus(f"{K_PROJ}.weight F16 128 256")], [replaced('"blocksize": 64', '"blocksize": 128')]],
    "bnb__int8__tiny_llama": [[without(r"k_proj\.weight ")], [without("SCB"), replaced("proj.weight I8", "proj.weight F16")], [without(r"k_proj\.SCB")]],
    "mlx__q4g64__tiny_llama": [
        [config(quantization=None, quantization_config=None)], [config(quantization={"group_size": 64, "bits": 4, K_PROJ: False})],
        [config(quantization={"group_size": 64, "bits": 4, K_PROJ: {"group_size": 32, "bits": 8}, "x": True})], [config(quantization_config={"quant_method": "mlx"})],
        [metadata(format="mlx")], [without(r"k_proj\.biases")], [config(quantization={"group_size": 64})], [config(quantization=3)],
        [metadata(format="mlx"), config(quantization=None, quantization_config=None)]],
    "mlx__nvfp4__tiny_llama": [[metadata(format="mlx")], [config(quantization=None, quantization_config=None)], [plus(f"{K_PROJ}.global_scale F32 1")]],
    "mlx__mxfp4__tiny_llama": [[metadata(format="mlx")], [config(quantization=None, quantization_config=None)]],
    "transformers__finegrained_fp8__tiny_llama": [
        [quant(modules_to_not_convert=["k_proj"])], [quant(modules_to_not_convert=["re:.*k_proj"])], [quant(fmt="e4m3")], [quant(activation_scheme="static")],
        [plus(f"{K_PROJ}.weight_scale F32 1")], [plus("model.layers.0.mlp.experts.gate_up_proj F8_E4M3 2 64 64", "model.layers.0.mlp.experts.gate_up_proj_scale_inv F32 2 1 1")],
        [quant(activation_scheme="static"), plus(f"{K_PROJ}.activation_scale F32 1")], [quant(activation_scheme="static"), plus(f"{K_PROJ}.input_scale F32 1")]],
    "byhand__fbgemm_fp8__tiny_llama": [
        [quant(modules_to_not_convert=["k_proj"])], [plus("model.layers.0.mlp.experts.x.weight F8_E4M3 2 16 16")], [plus("model.layers.0.mlp.x.weight F8_E4M3 16")],
        [without(r"k_proj\.weight_scale")]],
    "byhand__mxfp4__tiny_gptoss": [
        [without(r"gate_up_proj_scales")], [without(r"gate_up_proj_blocks")], [quant(modules_to_not_convert=["model.layers.*.mlp.experts"])],
        [quant(modules_to_not_convert=["re:.*experts", "model.layers.0.mlp"])]],
    "modelopt__NVFP4__tiny_qwen3moe": [[plus(f"{K_PROJ}.weight_lora_a BF16 16 16", f"{K_PROJ}.svdquant_lora_a BF16 8 256")]],
    "modelopt__W4A8_AWQ__tiny_llama": [[quant(quantized_layers={K_PROJ: {"quant_algo": "W4A8_AWQ", "group_size": 128}}, quant_algo="MIXED_PRECISION")]],
    "modelopt__FP8__tiny_llama": [
        *([quant(quantized_layers={K_PROJ: layer}, quant_algo="MIXED_PRECISION")] for layer in ({"quant_algo": "FP8"}, {"quant_algo": "x"}, {}, 3)),
        [side("hf_quant_config.json", {"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": {K_PROJ: {"quant_algo": "FP8"}}}})],
        [quant(ignore=["*k_proj*"])], [quant(exclude_modules=["k_proj", "lm_head"])]],
    "quark__int4_wo_128__tiny_llama": [[quant(exclude=["re:.*k_proj"])], [quant(exclude=["*k_proj"])], [quant(layer_quant_config={"*k_proj": {}})],
                                       [quant(global_quant_config=3)], [quant(export=None)]],
    "gptqmodel__fp8-row__tiny_llama": [[quant(dynamic={"-:.*k_proj": {}})], [quant(format="block")], dense("weight.*")],
}
WHOLE = [  # of any checkpoint
    [no_config], [side("generation_config.json", "x"), side("requant.json", {"requant": "0.1"})], [side("hf_quant_config.json", [])],
    [side("requant.json", {"requant": 3})], [config(auto_map={"AutoModel": "a.B"})], [config(torch_dtype="float16", dtype=None)],
    [lambda made: made.files["config.json"].update(compression_config=made.files["config.json"].get("quantization_config"))],
    [nested, config(quantization_config={"quant_method": "fp8"})], [config(num_hidden_layers=0)], [config(model_type=3)], [unquantised],
]
MARKERS = [("trellis I16 2 2 16", "exl3"), ("q_weight I32 4 16", "exl2"), ("codebooks F16 1 8 1 8", "aqlm"), ("indices I16 1 4", "vptq"),
           ("_data I8 16 16", "quanto"), ("weight I8 16 16", "eetq"), ("weight U8 4 16", "bitnet"), ("tables2 F16 4 4 2", "higgs"),
           ("dense_weights I32 16", "spqr"), ("qweight U8 16 16", "gguf"), ("weight._data I8 16 16", "quanto"), ("qtrellis I16 2 2", "x")]
TINY = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
        "num_hidden_layers": 1, "num_key_value_heads": 2, "vocab_size": 16, "torch_dtype": "float16"}


def changed(made, changes):
    new = Bundle(json.loads(json.dumps(made.files)), list(made.tensors), dict(made.metadata or {}))
    try:
        for change in changes:
            change(new)
    except KeyError:
        return []  # it has no such block
    return [new]


def marked():
    for (marker, method), named in ((pair, named) for pair in MARKERS for named in (True, False)):
        block = {"quantization_config": {"quant_method": method}} if named else {}
        for beside in ([], [f"{K_PROJ}.weight_scale F16 1", f"{K_PROJ}.weight_scales F16 16", f"{K_PROJ}.scales F16 16"]):
            yield Bundle({"config.json": {**TINY, **block}}, [f"{K_PROJ}.{marker}", *beside])


def hqq():
    block = {"quantization_config": {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}}}
    good = ["W_q U8 4 64", "scale F16 8 1", "zero F16 8 1", "shape I64 2 =8,64"]
    for lines in (good, [*good, "nbits I32 =4", "axis I32 =1"], [*good[:3], "shape I64 1 =8"], good[:3], [good[0], "scale I8 8 1", *good[2:]],
                  ["W_q U8 4 64", "scale F16 1 64", "zero F16 1 64", "shape I64 2 =8,64"], [*good, "nbits I32 =3"], [*good, "nbits F16"]):
        yield Bundle({"config.json": {**TINY, **block}}, [f"{K_PROJ}.{line}" for line in lines])


def pickled():
    """PyTorch files, as hexadecimal digits."""
    w8a8 = [(f"{K_PROJ}.weight", "Char", (16, 32)), (f"{K_PROJ}.scale", "Float", (16, 1)), ("model.norm.weight", "Half", (32,))]
    awq = [(f"{K_PROJ}.qweight", "Int", (32, 2)), (f"{K_PROJ}.qzeros", "Int", (1, 2)), (f"{K_PROJ}.scales", "Half", (1, 16))]
    hqq_like = [(f"{K_PROJ}.W_q", "Byte", (8, 32)), (f"{K_PROJ}.scale", "Half", (16, 1)), (f"{K_PROJ}.zero", "Half", (16, 1))]
    for tensors, block in ((w8a8, {"quant_method": "smooth_quant"}), (w8a8, {"quant_method": "smooth_quant", "quant_dtype": "int8"}), (w8a8, None),
                           (awq, {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}), (hqq_like, {"quant_method": "hqq"}),
                           (w8a8[2:], {"quant_method": "torchao"}), (w8a8[2:], {"quant_method": "bitsandbytes"})):
        data = pytorch_bin(tensors).hex()
        top = {"quantization_config": block} if block else {}
        for keys in (top, {"llm_config": top}):
            yield Bundle({"config.json": {**TINY, **keys}, "pytorch_model.bin": data}, [])


FAMILIES = [
    (GPTQ, ["autogptq0.7.1__w4g128-asym-descact__tiny_llama", "gptqmodel__gptq-w4g128-sym__tiny_llama", "gptqmodel__gptq_p-w3g64-asym__tiny_llama",
            "gptqmodel__gptq_v2-w4g128-sym__tiny_llama"]),
    (AWQ, ["autoawq__gemm-w4g128__tiny_llama", "autoawq__gemv-w4g128__tiny_llama"]),
    (CT, ["llmcompressor__W4A16-g128__tiny_llama", "llmcompressor__W4A16_ASYM__tiny_llama", "llmcompressor__FP8_DYNAMIC__tiny_llama",
          "llmcompressor__NVFP4__tiny_llama", "llmcompressor0.5.1__W4A16-actorder-group-g128__tiny_llama"]),
    (LMDEPLOY, ["lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow"]),
    (WHOLE, ["tiny-llama", "gptqmodel__gptq-w4g128-sym__tiny_llama", "lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow", "mlx__q4g64__tiny_llama",
             "llmcompressor__FP8_DYNAMIC__tiny_llama"]),
]


def variants(good):
    """Of those of the corpus, by their names; a clone without ../shared has a part of them."""
    families = [*FAMILIES, *((changes, [name]) for name, changes in OTHERS.items())]
    for lists, names in families:
        for changes, name in itertools.product(lists, names):
            if name in good:
                yield from changed(good[name], changes)
    yield from marked()
    yield from hqq()
    yield from pickled()
