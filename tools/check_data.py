#!/usr/bin/env python3
"""Checks the data files that are built into the program: engines, and the rows added to them by hand.

    check_data.py [ROOT]

For each engine: the keys, known verdicts, stages and operators, sources of the form file:line,
since/until/in that name versions of the file in order, rule ids that no version has twice, and names
that refer to other parts of the file. Prints one line a mistake.
"""

import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "engines"))
from compact import Expander  # noqa: E402

OPERATORS = {"==", "!=", "<", "<=", ">", ">=", "in", "not_in", "in_registry", "truthy", "nonempty",
             "startswith", "contains", "missing_any", "no_match", "mixed", "not_pow2", "single_endswith",
             "not_accepted_by"}
VERDICTS = {"reject", "loads-garbage", "wrong-values", "wrong-values-or-shape-error", "wrong-or-reject",
            "reject-unless-plugin", "reject-unless-flag", "reject-unless-package", "needs-key",
            "needs-package", "accept-degraded", "requantised", "dequantised", "fallback", "ignored",
            "accept", "repacked", "accept-if-dynamic", "kernel-skip"}
STAGES = {"detect", "config", "scheme", "layout", "shape", "kernel", "fused", "moe", "kv", "dtype", "tp",
          "platform", "env", "arch"}
SOURCE = re.compile(r"^[\w./+-]+(\.py|@[0-9a-f]{8})(:[\w.]+)?$")
RULE_ID = re.compile(r"^[a-z0-9]+([._-][A-Za-z0-9_]+)*([.-][A-Za-z0-9_-]+)*$")
REQUIRED = ("source", "registry", "rules", "config_blocks", "containers", "activation_dtype")
MAX_BYTES = 400_000
MARKS = ("since", "until", "in")


def number(version):
    return [int(part) if part.isdigit() else 0 for part in version.replace("-", ".").split(".")]


def predicate_mistakes(node, where):
    if not isinstance(node, dict):
        yield f"{where}: a predicate is an object, not {node!r}"
    elif "all" in node or "any" in node:
        for child in node.get("all", []) + node.get("any", []):
            yield from predicate_mistakes(child, where)
    elif "not" in node:
        yield from predicate_mistakes(node["not"], where)
    elif "f" in node:
        if node.get("op") not in OPERATORS:
            yield f"{where}: unknown operator {node.get('op')!r}"
    elif "const" not in node and "opaque" not in node:
        yield f"{where}: not a predicate: {json.dumps(node)}"


def rule_mistakes(rule):
    where = f"rule {rule.get('id', '?')}"
    if not RULE_ID.match(rule.get("id", "?")):
        yield f"{where}: an id is lower-case words with dots and dashes"
    for key, known in (("verdict", VERDICTS), ("stage", STAGES)):
        if rule.get(key) not in known:
            yield f"{where}: unknown {key} {rule.get(key)!r}"
    if not rule.get("reason"):
        yield f"{where}: no reason"
    if not rule.get("src") and rule.get("evidence") == "run":
        yield f"{where}: no source"
    yield from predicate_mistakes(rule.get("when"), where)


def mark_mistakes(node, versions, where):
    """Marks that name no version, or whose ends are the wrong way round."""
    if isinstance(node, list):
        for item in node:
            yield from mark_mistakes(item, versions, where)
        return
    if not isinstance(node, dict) or "f" in node or "opaque" in node:
        return
    marks = [node[m] for m in ("since", "until") if m in node] + list(node.get("in", []))
    for version in marks:
        if not re.fullmatch(r"\d+(\.\d+)*", version):
            yield f"{where}: {version!r} is no version"
    if "since" in node and "until" in node and number(node["since"]) > number(node["until"]):
        yield f"{where}: since {node['since']} is after until {node['until']}"
    for key, member in node.items():
        yield from mark_mistakes(member, versions, f"{where}.{key}" if where else key)


def sources_in(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if (key == "src" or key.endswith("_src")) and isinstance(value, str):
                yield from value.split(", ")
            else:
                yield from sources_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from sources_in(value)


def merged(data, additions):
    """As the program merges them: rows are appended, members of tables set, all else replaced."""
    out = dict(data)
    for key, value in additions.items():
        if key in ("rules", "schemes", "moe_schemes", "kernels", "overrides") and key in out:
            out[key] = out[key] + value
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = {**out[key], **value}
        elif key not in ("schema", "guard"):
            out[key] = value
    return out


def version_mistakes(data, version):
    facts = Expander(version).value({k: v for k, v in data.items() if k not in ("versions", "builds")})
    seen = set()
    for rule in facts["rules"]:
        if rule["id"] in seen:
            yield f"rule {rule['id']}: stands twice"
        seen.add(rule["id"])
        yield from rule_mistakes(rule)
    for row in facts.get("overrides", []):
        yield from predicate_mistakes(row["when"], f"override of {row['from']!r}")
    for table in ("schemes", "moe_schemes"):
        for row in facts.get(table, []):
            yield from predicate_mistakes(row["when"], table)
            if not row.get("scheme") and not row.get("reject"):
                yield f"{table}: a row with neither scheme nor reject"
    for name, tensors in facts.get("method_tensors", {}).items():
        if tensors not in facts.get("tensors", {}):
            yield f"method_tensors of {name!r} names {tensors!r}, which is not in 'tensors'"
    for source in sources_in({k: v for k, v in facts.items() if k != "source"}):
        if not SOURCE.match(source):
            yield f"{source!r} is not file:line"


def engine_mistakes(path, additions):
    text = path.read_text()
    data = json.loads(text)
    if data.get("schema") != "requant/engine/2" or additions.get("schema") != "requant/engine-additions/2":
        yield f"schema is {data.get('schema')!r}, of the additions {additions.get('schema')!r}"
    if path.stem != data.get("engine"):
        yield "the file is not named ENGINE.json"
    if len(text) > MAX_BYTES:
        yield f"{len(text)} bytes, expected at most {MAX_BYTES}"
    whole = merged(data, additions)
    for key in REQUIRED:
        if key not in whole:
            yield f"no {key!r}"
    versions = data.get("versions", [])
    if sorted(versions, key=number) != versions:
        yield "versions are not in order"
    yield from mark_mistakes(whole, versions, "")
    for rule_id in additions.get("guard", {}):
        if not any(rule["id"] == rule_id for rule in data["rules"]):
            yield f"a guard is for {rule_id}, which is not there"
    for version in versions:
        for mistake in version_mistakes(whole, version):
            yield f"{version}: {mistake}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    mistakes = 0
    for path in sorted((root / "data/engines").glob("*.json")):
        by_hand = path.parent / "additions" / path.name
        additions = json.loads(by_hand.read_text()) if by_hand.exists() else {}
        for mistake in engine_mistakes(path, additions):
            print(f"{path.relative_to(root)}: {mistake}")
            mistakes += 1
    for path in (root / "data/engines/additions").glob("*.json"):
        if not (path.parent.parent / path.name).exists():
            print(f"{path.relative_to(root)}: there is no engine of that name")
            mistakes += 1
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
