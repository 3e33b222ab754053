"""The facts that the checker needs, from one file of the engine survey."""

import ast
import re

RULE_KEYS = ("id", "stage", "method", "when", "verdict", "message", "reason", "fix", "src", "evidence")
DTYPE_NAMES = {"half": "float16", "float": "float32"}
PLATFORMS = ("cuda", "cpu")


def keys_of(entry):
    """["w_bit", "bits"] for the source text "['w_bit', 'bits']" or "'bits'"; None for other code."""
    try:
        value = ast.literal_eval(entry)
    except ValueError:
        return None
    return value if isinstance(value, list) else [value]


def required_keys(method):
    """Keys that must stand in the quantization block itself; each is a list of alternatives."""
    found = []
    for key in method.get("config_keys") or []:
        if key.get("required") and key.get("of") in (None, "config") and key.get("fn") == "from_config":
            found.append(keys_of(key["keys"]))
    return [keys for keys in found if keys]


def methods_of(methods):
    out = {}
    for name, method in methods.items():
        row = {"class": method.get("config_class"), "src": method.get("class_src")}
        if isinstance(method.get("min_capability"), int):
            row["min_capability"] = method["min_capability"]
            row["min_capability_src"] = method.get("min_capability_src")
        if method.get("act_dtypes"):
            row["act_dtypes"] = sorted({DTYPE_NAMES.get(d, d) for d in method["act_dtypes"]})
            row["act_dtypes_src"] = method.get("act_dtypes_src")
        if required_keys(method):
            row["required_keys"] = required_keys(method)
        if method.get("quant_algos"):
            row["quant_algos"] = method["quant_algos"]
        if method.get("condition"):
            row["condition"] = method["condition"]
        out[name] = {k: v for k, v in row.items() if v is not None}
    return out


def numbers(predicate):
    """Capabilities that the survey has as text ("90") are numbers."""
    if isinstance(predicate, list):
        return [numbers(p) for p in predicate]
    if not isinstance(predicate, dict):
        return predicate
    out = {k: numbers(v) for k, v in predicate.items()}
    if out.get("f") == "dev.cc" and isinstance(out.get("v"), str) and out["v"].isdigit():
        out["v"] = int(out["v"])
    return out


def kernels_of(kernels):
    """Rows in the order in which the engine tries them, for each platform."""
    order = kernels.get("order", {}).get("_POSSIBLE_KERNELS")
    rows = []
    for platform in PLATFORMS if order else ():
        for name in order["platforms"].get(platform.upper()) or []:
            source = kernels["classes"].get(name)
            row = {"name": name, "on": platform}
            if source is None:
                rows.append({**row, "rejects": [{"when": {"opaque": f"kernel {name} was not read"}, "src": order["src"]}], "src": order["src"]})
                continue
            if isinstance(source.get("min_capability"), int):
                row["min_capability"] = source["min_capability"]
            row["rejects"] = []
            for reject in source.get("rejects", []) + source.get("platform_rejects", []):
                when = numbers(reject.get("when", {"opaque": reject.get("message") or "not translated"}))
                row["rejects"].append({"when": when, "src": reject["src"]})
            rows.append({**row, "src": source["src"]})
    return rows


def tensors_of(tensors):
    out = {}
    for name, entry in tensors.items():
        if "tensors" in entry:
            names = sorted({t["name"] for t in entry["tensors"] if t["name"].isidentifier()})
        else:  # LMDeploy: suffixes that a format takes
            names = sorted(set(re.findall(r"'\.([\w.]+)'", entry.get("suffix_map") or entry.get("suffixes") or "")))
        if names:
            out[name] = {"names": names, "src": entry["src"]}
    return out


def scheme_rows(rows):
    keep = ("when", "scheme", "reject", "min_capability", "src")
    return [{k: numbers(row[k]) if k == "when" else row[k] for k in keep if row.get(k) is not None} for row in rows]


def pins_of(lines):
    """"transformers>=4.56.0" as {"transformers": ">=4.56.0"}; what only extras ask for comes last."""
    out = {}
    for line in sorted(lines, key=lambda line: "extra ==" in line):
        requirement = line.partition(";")[0].strip()
        found = re.match(r"([\w.-]+)(?:\[[^\]]*\])?\s*\(?([^)]*)", requirement)
        if found:
            out.setdefault(found[1], found[2].strip())
    return out


def rules_of(rules):
    out = []
    for rule in rules:
        row = {k: rule[k] for k in RULE_KEYS if rule.get(k) is not None}
        row["when"] = numbers(row["when"])
        row["reason"] = row.get("reason") or row.get("message", "")
        row["src"] = ", ".join(rule.get("src") or [])
        if not row["src"]:
            del row["src"]
        out.append(row)
    return out


def version_of(source):
    """The survey's "git-2026 (pytorch backend)" and "llama_cpp_python-0.3.36", as one word without spaces."""
    return source["version"].split(" ")[0].removeprefix("llama_cpp_python-")


# Where the survey took one branch of the source for all of it.
CORRECTIONS = {
    # 94 is asked of mxfp8 that has to become block fp8; everything else returns 80.
    ("sglang", "fp8"): {"min_capability": 80},
}


def corrected(engine, methods):
    for name, row in methods.items():
        if "min_capability" in row:
            row.update(CORRECTIONS.get((engine, name), {}))
    return methods


def facts_of(source):
    """All that the checker reads, for the one version of `source`."""
    arch = source.get("architectures", {})
    registry = source["registry"]
    ct = source.get("compressed_tensors") or {}
    facts = {
        "source": source["source"]["package"].replace(source["version"], "{version}"),
        "pins": pins_of(source.get("pins", [])),
        "registry": {k: registry[k] for k in ("methods", "src", "deprecated", "needs_vllm", "conditional") if registry.get(k)},
        "methods": corrected(source["engine"], methods_of(source.get("methods", {}))),
        "platform_methods": source.get("platform_methods", {}),
        "activation_formats": ct.get("activation_formats", {}),
        "schemes": scheme_rows(ct.get("schemes", [])),
        "kernels": kernels_of(source.get("kernels", {})),
        "tensors": tensors_of(source.get("tensors", {})),
        "architectures": {k: arch[k] for k in ("names", "previously_supported", "out_of_tree", "src") if arch.get(k)},
        "group_sizes": source.get("group_sizes", {}),
        "model_types": sorted(source.get("model_types", [])),
        "rules": rules_of(source["rules"]),
    }
    return {k: v for k, v in facts.items() if v or k in ("rules", "registry")}
