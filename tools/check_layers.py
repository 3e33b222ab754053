#!/usr/bin/env python3
"""Fails when a file of src/ includes a layer that its own does not stand on, when includes form a
cycle, when src/cli includes more than the public headers, or when a public header includes a private
one. Layers and their dependencies are those of the rq_layer() calls, which CMake writes to
BUILD_DIR/layers.txt.

usage: check_layers.py BUILD_DIR
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]', re.M)
ROOT = pathlib.Path(__file__).resolve().parent.parent


def declared_layers(build_dir):
    """layer -> every layer that it may include, itself among them."""
    closure = {}
    for line in (build_dir / "layers.txt").read_text().splitlines():
        layer, _, dependencies = line.partition(":")
        closure[layer] = {layer}
        for dependency in filter(None, re.split(r"[;\s]+", dependencies)):
            closure[layer] |= closure[dependency]  # lowest first: it is there already
    return closure


def cycle_in(graph):
    """Three-colour depth-first search; gives the files of one cycle, or nothing."""
    state = {}
    for root in sorted(graph):
        stack = [(root, iter(sorted(graph[root])))]
        trail = [root]
        if state.get(root) == "done":
            continue
        state[root] = "open"
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = "done"
                stack.pop()
                trail.pop()
            elif state.get(following) == "open":
                return trail[trail.index(following):] + [following]
            elif state.get(following) != "done":
                state[following] = "open"
                stack.append((following, iter(sorted(graph.get(following, ())))))
                trail.append(following)
    return []


def problem_of(name, include, closure):
    layer = name.split("/")[0]
    target = include.split("/")[0]
    if layer == "cli":
        if target in closure:
            return f"{name}: includes {include}, but commands see requant/*.h and cli/*.h only"
    elif layer in closure and target in closure and target not in closure[layer]:
        return f"{name}: includes {include}, but {layer} does not stand on {target}"
    return None


def main():
    closure = declared_layers(pathlib.Path(sys.argv[1]))
    problems, graph = [], {}
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in {".h", ".cpp", ".cu"}:
            continue
        name = path.relative_to(ROOT / "src").as_posix()
        graph.setdefault(name, set())
        for include in INCLUDE.findall(path.read_text()):
            if (ROOT / "src" / include).exists():
                graph[name].add(include)
            if problem := problem_of(name, include, closure):
                problems.append(problem)
    for path in sorted((ROOT / "include").rglob("*.h")):
        for include in INCLUDE.findall(path.read_text()):
            if "/" in include and not include.startswith("requant/"):
                problems.append(f"{path.relative_to(ROOT)}: includes {include}, which is not installed")
    if cycle := cycle_in(graph):
        problems.append("include cycle: " + " -> ".join(cycle))
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
