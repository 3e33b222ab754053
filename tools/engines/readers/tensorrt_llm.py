"""TensorRT-LLM: what load_hf_quant_config() tells apart. Its package on PyPI has no sources: give a folder of them with --from."""

import ast

from source import assigned, compared, texts_in

PACKAGE = None
CONFIG = "tensorrt_llm/_torch/model_config.py"
INDEX = "tensorrt_llm/_torch/models/_arch_index.py"


def asked(function):
    """What `block.get("quant_method")` is compared with, and what a variable of that name is; ModelOpt's is asked for by a function."""
    found = [text for text, _ in compared(function, "quant_method")]
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Call) and texts_in(node.left) == ["quant_method"]:
            found += texts_in(node.comparators[0])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "is_modelopt_quant_config":
            found.append("modelopt")
    return list(dict.fromkeys(found))


def tables(code):
    function = code.scope(CONFIG, "ModelConfig.load_hf_quant_config")
    methods = asked(function) if function is not None else []
    names = [key.value for _, table, _ in assigned(code, INDEX, "MODEL_ARCH_TO_MODULE") for key in table.keys]
    return {"registry": {"methods": sorted(methods)} if methods else {}, "architectures": {"names": sorted(names)} if names else {}}
