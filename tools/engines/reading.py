"""Reads a release against a version that is known: which facts hold as they are, and where they moved to.

A fact names the line of the source that says it. Where the function (or class) around that line is the
same in the new release, the fact holds there too, at the line it moved to; where it changed, a person has
to look. Tables that can be read by themselves (methods, architectures, pins) are read anew.
"""

import ast
import re

from survey import pins_of

PLACE = re.compile(r"^(?P<file>[^:]+\.py):(?P<line>\d+)$")


class Code:
    """The functions of a release's files, by name and by line."""

    def __init__(self, release):
        self.release = release
        self.trees = {}

    def tree(self, name):
        if name not in self.trees:
            try:
                self.trees[name] = ast.parse(self.release.read(name)) if name in self.release.names else None
            except SyntaxError:
                self.trees[name] = None
        return self.trees[name]

    def scopes(self, name):
        """(qualified name, node) of all functions and classes, outer ones first."""
        out = []

        def walk(node, prefix):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    out.append((prefix + child.name, child))
                    walk(child, prefix + child.name + ".")
                else:
                    walk(child, prefix)

        if self.tree(name) is not None:
            walk(self.tree(name), "")
        return out

    def around(self, name, line):
        """The innermost function or class at a line; for a line of a class, only its heading counts."""
        found = None
        for qualified, node in self.scopes(name):
            if node.lineno <= line <= node.end_lineno:
                found = (qualified, node)
        return found


def text_of(node):
    """What a function does, without its place and its documentation; of a class its name and bases."""
    if isinstance(node, ast.ClassDef):
        return ast.dump(ast.Tuple(elts=node.bases, ctx=ast.Load())) + node.name
    body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    return ast.dump(ast.Module(body=body, type_ignores=[])) + ast.dump(node.args)


def moved(place, old, new):
    """Where the line of the old release stands in the new one; None: its function changed or is gone."""
    found = PLACE.match(place)
    if not found:
        return place
    name, line = found["file"], int(found["line"])
    scope = old.around(name, line)
    if scope is None:  # outside all functions: the same text
        lines = old.release.read(name).splitlines() if name in old.release.names else []
        if not 0 < line <= len(lines) or name not in new.release.names:
            return None
        for number, text in enumerate(new.release.read(name).splitlines(), 1):
            if text == lines[line - 1]:
                return f"{name}:{number}"
        return None
    for qualified, node in new.scopes(name):
        if qualified == scope[0] and text_of(node) == text_of(scope[1]):
            return f"{name}:{node.lineno + line - scope[1].lineno}"
    return None


def carried(value, old, new):
    """A fact with its places moved, or None where one of them cannot be followed."""
    if isinstance(value, list):
        out = [carried(item, old, new) for item in value]
        return None if any(item is None for item in out) else out
    if not isinstance(value, dict):
        return value
    out = {}
    for key, member in value.items():
        if (key == "src" or key.endswith("_src")) and isinstance(member, str):
            places = [moved(place, old, new) for place in member.split(", ")]
            if any(place is None for place in places):
                return None
            out[key] = ", ".join(places)
        elif member is not None:
            out[key] = carried(member, old, new)
            if out[key] is None:
                return None
        else:
            out[key] = None
    return out


def texts_in(node):
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def assigned(code, name, pattern):
    """(name, value, line) of module-level assignments."""
    tree = code.tree(name)
    for node in tree.body if tree is not None else []:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name) and re.fullmatch(pattern, target.id) and node.value is not None:
                yield target.id, node.value, node.lineno


def vllm_tables(code):
    """Methods and architectures as vLLM's registries list them."""
    out = {}
    registry = "vllm/model_executor/layers/quantization/__init__.py"
    for name, value, line in assigned(code, registry, "QuantizationMethods|DEPRECATED_QUANTIZATION_METHODS"):
        row = out.setdefault("registry", {})
        if name == "QuantizationMethods":
            row.update(methods=texts_in(value), src=f"{registry}:{line}")
        else:
            row["deprecated"] = texts_in(value)
    models = "vllm/model_executor/models/registry.py"
    for name, value, line in assigned(code, models, r"_[A-Z_]+_MODELS"):
        if not isinstance(value, ast.Dict):
            continue
        keys = [k.value for k in value.keys if isinstance(k, ast.Constant)]
        row = out.setdefault("architectures", {"names": [], "previously_supported": {}, "src": f"{models}:{line}"})
        if name == "_PREVIOUSLY_SUPPORTED_MODELS":
            row["previously_supported"] = dict(zip(keys, (v.value for v in value.values if isinstance(v, ast.Constant))))
        else:
            row["names"] = sorted(set(row["names"]) | set(keys))
    return out


TABLES = {"vllm": vllm_tables}


# Rows that stand for more code than the function around their line: the helpers of the same file.
HELPERS = {"schemes": re.compile(r".*\._(is|check|get_scheme)_\w+")}


def helpers(code, name, pattern):
    return {qualified: text_of(node) for qualified, node in code.scopes(name) if pattern.fullmatch(qualified)}


def same_helpers(key, row, old, new):
    place = PLACE.match(row.get("src", "")) if key in HELPERS else None
    if place is None:
        return True
    return helpers(old, place["file"], HELPERS[key]) == helpers(new, place["file"], HELPERS[key])


def row_name(key, row):
    return row.get("id") or row.get("scheme") or row.get("name") or row.get("reject") or key


def facts_of_release(engine, release, known):
    """(facts, notes) of a release. `known`: [(facts, Code)] of its neighbours, the nearer one first."""
    code = Code(release)
    tables = TABLES.get(engine, lambda _: {})(code)
    pins = pins_of([line.partition(":")[2].strip() for line in release.metadata() if line.startswith("Requires-Dist:")])
    wanted = known[0][0].get("pins", {}).keys() | (known[-1][0].get("pins", {}).keys())
    tables["pins"] = {name: pin for name, pin in sorted(pins.items()) if name in wanted}
    facts, notes = {}, []
    keys = [k for k in known[0][0]] + [k for k in known[-1][0] if k not in known[0][0]]
    for key in keys:
        if key in tables:
            facts[key] = tables[key]
            before = known[0][0].get(key)
            if key == "architectures":
                notes += difference(key, set(before["names"]), set(tables[key]["names"]))
            elif key == "registry":
                notes += difference(key, set(before["methods"]), set(tables[key]["methods"]))
            elif before != tables[key]:
                notes += [f"{key}: {name} {before.get(name, 'not there')} -> {pin}" for name, pin in tables[key].items() if before.get(name) != pin]
        else:
            facts[key], more = part(key, known, code)
            notes += more
    return facts, notes


def difference(key, before, now):
    return [f"{key}: + {name}" for name in sorted(now - before)] + [f"{key}: - {name}" for name in sorted(before - now)]


def part(key, known, code):
    """One key of the facts: its rows or members one by one where it has any."""
    first = next(facts[key] for facts, _ in known if key in facts)
    if isinstance(first, list) and first and isinstance(first[0], dict):
        return rows(key, known, code)
    if isinstance(first, dict) and first and all(isinstance(v, dict) for v in first.values()):
        out, notes = {}, []
        names = list(dict.fromkeys(n for facts, _ in known for n in facts.get(key, {})))
        for name in names:
            value, note = one(f"{key} {name}", [(facts.get(key, {}).get(name), old) for facts, old in known], code)
            if value is not None:
                out[name] = value
            notes += note
        return out, notes
    return one(key, [(facts.get(key), old) for facts, old in known], code)


def one(name, versions, code):
    """The fact as it moved; where its code changed, the nearest one, with a note to look at it."""
    key = name.split(" ")[0]
    for value, old in versions:
        if value is not None and (not isinstance(value, dict) or same_helpers(key, value, old, code)):
            moved_value = carried(value, old, code)
            if moved_value is not None:
                return moved_value, []
    values = [value for value, _ in versions if value is not None]
    if len(values) < len(versions):
        return None, [f"look: {name} is in one neighbour only, and its code is not the same here: left out"]
    return values[0], [f"look: {name}: its code changed; taken over as it was, with the old line"]


def rows(key, known, code):
    """Rows in the order of the nearest neighbour; those that only the other has come where they stand there."""
    out, notes, seen = [], [], []
    for facts, old in known:
        at = 0
        for row in facts.get(key, []):
            identity = {k: v for k, v in row.items() if not (k == "src" or k.endswith("_src") or k == "rejects")}
            if identity in seen:
                at = next((i + 1 for i, r in enumerate(out) if r[0] == identity), at)
                continue
            others = [next((r for r in f.get(key, []) if {k: v for k, v in r.items() if k in identity} == identity), None) for f, _ in known]
            value, note = one(f"{key} {row_name(key, row)}", [(r, o) for r, (_, o) in zip(others, known)], code)
            notes += note
            seen.append(identity)
            if value is not None:
                out.insert(at, (identity, value))
                at += 1
    return [value for _, value in out], notes
