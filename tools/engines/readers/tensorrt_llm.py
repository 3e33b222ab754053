"""TensorRT-LLM: what load_hf_quant_config() tells apart. Its package on PyPI has no sources: give a folder of them with --from."""

from source import compared

PACKAGE = None
CONFIG = "tensorrt_llm/_torch/model_config.py"


def tables(code):
    function = code.scope(CONFIG, "ModelConfig.load_hf_quant_config")
    methods = [method for method, _ in compared(function, "quant_method")] if function is not None else []
    return {"registry": {"methods": methods}} if methods else {}
