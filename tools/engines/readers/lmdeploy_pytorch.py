"""LMDeploy's PyTorch engine: methods that its layers have, classes of models."""

import ast

from readers.lmdeploy_turbomind import finish  # noqa: F401
from source import compared

PACKAGE = "lmdeploy"
CONFIG = "lmdeploy/pytorch/config.py"
LINEARS = ("lmdeploy/pytorch/nn/linear/__init__.py", "lmdeploy/pytorch/nn/linear.py")  # since 0.9, before
MODELS = "lmdeploy/pytorch/models/module_map.py"


def methods(code):
    kind = code.scope(CONFIG, "QuantizationConfig")  # since 0.12
    trees = [tree for tree in [kind, *(code.scope(name, "build_linear") for name in LINEARS)] if tree is not None]
    return list(dict.fromkeys(method for tree in trees for method, _ in compared(tree, "quant_method", ast.Eq)))


def architectures(code):
    """MODULE_MAP is filled by update() calls; the maps beside it are of other devices, or of models that were removed."""
    names = set()
    for node in ast.walk(code.tree(MODELS)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "MODULE_MAP.update" and isinstance(node.args[0], ast.Dict):
            names |= {k.value for k in node.args[0].keys if isinstance(k, ast.Constant)}
    return {"names": sorted(names)}


def tables(code):
    line = dict(compared(code.tree(CONFIG), "quant_method"))["awq"]
    return {"registry": {"methods": methods(code), "src": f"{CONFIG}:{line}"}, "architectures": architectures(code)}
