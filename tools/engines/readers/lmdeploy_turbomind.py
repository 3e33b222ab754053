"""LMDeploy's TurboMind: methods that it converts, formats of weights, classes of models."""

import ast

from source import assigned, compared

PACKAGE = "lmdeploy"
CONVERTERS = ("lmdeploy/turbomind/converter.py", "lmdeploy/turbomind/deploy/converter.py")  # since 0.14, before
FORMATS = "lmdeploy/turbomind/weight_format.py"
PARAMETERS = "lmdeploy/turbomind/deploy/parameter.py"
MODELS = "lmdeploy/turbomind/supported_models.py"


def group_sizes(code, name, methods):
    for _, value, _ in assigned(code, name, "_SUPPORTED_GROUP_SIZES"):
        return {k.value: sorted(n.value for n in ast.walk(v) if isinstance(n, ast.Constant)) for k, v in zip(value.keys, value.values)}
    if any("Currently, only 128" in line for line in code.lines(name)):
        only = {"awq": [128], "gptq": [128], "fp8": [128], "mxfp4": [32]}
        return {method: sizes if method in methods else [] for method, sizes in only.items()}
    return {}


def texts(value, known):
    """The texts of a tuple, a sum of tuples, or a name of one."""
    if isinstance(value, ast.Name):
        return known.get(value.id, [])
    if isinstance(value, ast.BinOp):
        return texts(value.left, known) + texts(value.right, known)
    keys = value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])
    return [k.value for k in keys if isinstance(k, ast.Constant)]


def tensors(code):
    out, newer = {}, FORMATS in code.names
    name, wanted = (FORMATS, "suffix_map") if newer else (PARAMETERS, "KEYS")
    for node in code.tree(name).body:
        known = {}
        for statement in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                known[statement.targets[0].id] = texts(statement.value, known)
                if statement.targets[0].id == wanted and known[wanted]:
                    line = node.lineno if newer else statement.lineno
                    out[node.name] = {"names": sorted(text.removeprefix(".") for text in known[wanted]), "src": f"{name}:{line}"}
    return out


def architectures(code):
    for _, value, _ in assigned(code, MODELS, "SUPPORTED_ARCHS"):
        names = [k.arg for k in value.keywords] if isinstance(value, ast.Call) else [k.value for k in value.keys]
        return {"names": sorted(names)}
    return {}


def tables(code):
    name = next(name for name in CONVERTERS if name in code.names)
    found = compared(code.tree(name), "quant_method")
    methods = [method for method, _ in found]
    return {"registry": {"methods": methods, "src": f"{name}:{dict(found)['awq']}"}, "platform_methods": {"cuda": {"methods": methods}},
            "group_sizes": group_sizes(code, name, methods), "tensors": tensors(code), "architectures": architectures(code)}


def finish(facts):
    """The rule about other methods names those that there are."""
    for rule in facts["rules"]:
        if rule["id"] in ("lmdeploy.tm.method", "lmdeploy.pt.method"):
            rule["when"] = {**rule["when"], "v": facts["registry"]["methods"]}
