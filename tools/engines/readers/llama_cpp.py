"""llama.cpp, out of the sdist of llama-cpp-python: what its converter of checkpoints reads."""

import ast

from source import compared, texts_in

PACKAGE = "llama-cpp-python"
ROOT = "vendor/llama.cpp/"
BASE = "conversion/base.py"


def tables(code):
    found = compared(code.tree(BASE), "quant_method")
    names = set()
    for name in code.find(r"conversion/\w+\.py|convert_hf_to_gguf\.py"):
        for node in ast.walk(code.tree(name)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ModelBase.register":
                names |= {text for argument in node.args for text in texts_in(argument)}
    return {"registry": {"methods": [method for method, _ in found], "src": f"{BASE}:{found[0][1]}"}, "architectures": {"names": sorted(names)}}
