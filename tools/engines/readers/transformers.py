"""Transformers: quantizers and their config classes, classes of models that its Auto classes know."""

import ast

import classes
from source import assigned

PACKAGE = "transformers"
REGISTRY = "transformers/quantizers/auto.py"
MODELS = "transformers/models/auto/modeling_auto.py"


def mapping(code, name):
    for _, value, _ in assigned(code, REGISTRY, name):
        return {k.value: v.id for k, v in zip(value.keys, value.values) if isinstance(k, ast.Constant) and isinstance(v, ast.Name)}
    return {}


def methods(code):
    configs, out = mapping(code, "AUTO_QUANTIZATION_CONFIG_MAPPING"), {}
    for name, kind in mapping(code, "AUTO_QUANTIZER_MAPPING").items():
        found = classes.class_of(code, REGISTRY, kind)
        row = {"class": configs.get(name), "src": f"{found[0]}:{found[1].lineno}" if found else None}
        out[name] = {key: value for key, value in row.items() if value}
    return out


def architectures(code):
    """Pairs of a model type and a class, or classes."""
    names = set()
    for node in ast.walk(code.tree(MODELS)):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[0], ast.Constant):
            values = node.elts[1].elts if isinstance(node.elts[1], (ast.Tuple, ast.List)) else [node.elts[1]]
            names |= {v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)}
    return {"names": sorted(names)}


def tables(code):
    return {"registry": {"methods": list(mapping(code, "AUTO_QUANTIZER_MAPPING")), "src": REGISTRY}, "methods": methods(code),
            "architectures": architectures(code)}
