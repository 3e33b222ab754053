"""SGLang's registries: methods by platform, the classes of methods and layers, classes of models."""

import ast
import re

import classes
from source import assigned, texts_in

PACKAGE = "sglang"
HELPERS = {"schemes": re.compile(r".*\._(is|check|get_scheme)_\w+")}
FOLDER = "sglang/srt/layers/quantization/"
REGISTRY = FOLDER + "__init__.py"
MODEL_CONFIG = "sglang/srt/configs/model_config.py"
FORMATS = FOLDER + "compressed_tensors/utils.py"
# fp8 and mxfp8 are one class: it asks 100 of mxfp8, and less on other platforms only.
CAPABILITIES = {"mxfp8": 100}


def entries(value):
    return [(k.value, v.id) for k, v in zip(value.keys, value.values) if isinstance(k, ast.Constant) and isinstance(v, ast.Name)]


def conditional(body, conditions=()):
    """(method, class, condition) of what is put into the table under conditions."""
    for node in body:
        if isinstance(node, ast.If):
            test = ast.unparse(node.test)
            yield from conditional(node.body, (*conditions, test))
            yield from conditional(node.orelse, (*conditions, f"not ({test})"))
        elif isinstance(node, ast.Expr) and ast.unparse(node).startswith("BASE_QUANTIZATION_METHODS.update("):
            for name, kind in entries(node.value.args[0]):
                yield name, kind, " and ".join(conditions)


def registry(code):
    found = {name: entries(value) for name, value, _ in assigned(code, REGISTRY, "(BASE|VLLM|CPU)_QUANTIZATION_METHODS") if isinstance(value, ast.Dict)}
    needs_vllm = found.get("VLLM_QUANTIZATION_METHODS", [])
    always = dict(found.get("BASE_QUANTIZATION_METHODS", []) + needs_vllm)
    sometimes = {}
    for name, kind, condition in conditional(code.tree(REGISTRY).body):
        sometimes.setdefault(name, []).append((kind, condition))
    row = {"methods": list(always) + [name for name in sometimes if name not in always], "src": REGISTRY,
           "needs_vllm": [name for name, _ in needs_vllm], "conditional": {name: [c for _, c in rows] for name, rows in sometimes.items()}}
    kinds = {name: (kind, "vllm package importable" if name in row["needs_vllm"] else None) for name, kind in always.items()}
    for name, rows in sometimes.items():
        kinds.setdefault(name, (rows[0][0], " or ".join(condition for _, condition in rows)))
    cpu = [name for name, _ in found.get("CPU_QUANTIZATION_METHODS", [])]
    return {key: value for key, value in row.items() if value}, kinds, cpu


def methods(code, kinds):
    out = {}
    for name, (kind, condition) in kinds.items():
        found = classes.class_of(code, REGISTRY, kind)
        row = classes.method_row(*found) if found else {"class": kind}
        if name in CAPABILITIES and "min_capability" in row:
            row["min_capability"] = CAPABILITIES[name]
        out[name] = {**row, "condition": condition} if condition else row
    return out


def architectures(code):
    names = set()
    for name in code.find(r"sglang/srt/models/.*\.py"):
        for _, value, _ in assigned(code, name, "EntryClass"):
            names |= {n.id for n in (value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]) if isinstance(n, ast.Name)}
    return {"names": sorted(names)}


def platforms(code, cpu):
    out = {}
    for _, value, line in assigned(code, MODEL_CONFIG, "rocm_supported_quantization", code.tree(MODEL_CONFIG)):
        out["rocm"] = {"methods": texts_in(value), "src": f"{MODEL_CONFIG}:{line}"}
    if cpu:
        out["cpu"] = {"methods": cpu}
    return out


def formats(code):
    for _, value, line in assigned(code, FORMATS, "_ACTIVATION_QUANTIZATION_FORMATS"):
        names = [n.value.attr for n in ast.walk(value) if isinstance(n, ast.Attribute) and n.attr == "value" and isinstance(n.value, ast.Attribute)]
        return {"values": [name.replace("_", "-") for name in names], "src": f"{FORMATS}:{line}"}
    return {}


def tables(code):
    row, kinds, cpu = registry(code)
    return {"registry": row, "methods": methods(code, kinds), "platform_methods": platforms(code, cpu), "activation_formats": formats(code),
            "tensors": classes.registered(code, FOLDER + r".*\.py"), "architectures": architectures(code)}
