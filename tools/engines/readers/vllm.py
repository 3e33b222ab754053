"""vLLM's registries: methods, by platform, the tensors of their layers, and classes of models."""

import ast
import re

import classes
from source import assigned, texts_in

PACKAGE = "vllm"
HELPERS = {"schemes": re.compile(r".*\._(is|check|get_scheme)_\w+")}
FOLDER = "vllm/model_executor/layers/quantization/"
REGISTRY = FOLDER + "__init__.py"
MODELS = "vllm/model_executor/models/registry.py"


def tables(code):
    out = {}
    for name, value, line in assigned(code, REGISTRY, "QuantizationMethods|QUANTIZATION_METHODS|DEPRECATED_QUANTIZATION_METHODS"):
        row = out.setdefault("registry", {})
        if name == "DEPRECATED_QUANTIZATION_METHODS":
            row["deprecated"] = texts_in(value)
        elif "methods" not in row:
            row.update(methods=[k.value for k in value.keys] if isinstance(value, ast.Dict) else texts_in(value), src=f"{REGISTRY}:{line}")
    architectures = {"names": [], "previously_supported": {}, "out_of_tree": {}, "src": MODELS}
    for name, value, _ in assigned(code, MODELS, r"_[A-Z_]+_MODELS"):
        keys = [k.value for k in value.keys if isinstance(k, ast.Constant)] if isinstance(value, ast.Dict) else []
        table = {"_PREVIOUSLY_SUPPORTED_MODELS": "previously_supported", "_OOT_SUPPORTED_MODELS": "out_of_tree"}.get(name)
        if table:
            architectures[table] = dict(zip(keys, (v.value for v in value.values if isinstance(v, ast.Constant))))
        else:
            architectures["names"] = sorted(set(architectures["names"]) | set(keys))
    gone = set(architectures["previously_supported"]) | set(architectures["out_of_tree"])
    architectures["names"] = [name for name in architectures["names"] if name not in gone]
    out["architectures"] = {key: value for key, value in architectures.items() if value}
    out["platform_methods"] = platforms(code)
    out["tensors"] = classes.registered(code, FOLDER + r".*\.py")
    return out


def platforms(code):
    """Each platform with a list of its own; one without takes all."""
    out = {}
    for name in code.find(r"vllm/platforms/\w+\.py"):
        for _, value, line in assigned(code, name, "supported_quantization", code.tree(name)):
            if texts_in(value):
                out[name.rpartition("/")[2].removesuffix(".py")] = {"methods": texts_in(value), "src": f"{name}:{line}"}
    return out


def more(code):
    """Rows of methods, for those that no neighbour has."""
    wanted = tables(code)["registry"]["methods"]
    function, rows = code.scope(REGISTRY, "get_quantization_config"), {}
    for _, value, _ in assigned(code, REGISTRY, "method_to_config", function) if function is not None else []:
        for key, kind in zip(value.keys, value.values):
            found = classes.class_of(code, REGISTRY, kind.id) if isinstance(key, ast.Constant) and isinstance(kind, ast.Name) else None
            if found and key.value in wanted:
                rows[key.value] = classes.method_row(*found)
    return {"methods": rows}
