"""mlx-lm: methods of other programs that it takes over, and the modules of its models."""

from source import compared

PACKAGE = "mlx-lm"
UTILS = "mlx_lm/utils.py"


def tables(code):
    found = compared(code.tree(UTILS), "quant_method")
    models = [name.removeprefix("mlx_lm/models/").removesuffix(".py") for name in code.find(r"mlx_lm/models/[^/]+\.py")]
    return {"registry": {"methods": [method for method, _ in found], "src": f"{UTILS}:{found[0][1]}"}, "model_types": sorted(models)}
