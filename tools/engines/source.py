"""The Python files of one release, by functions and lines: what stands where, and where it moved to."""

import ast
import re

PLACE = re.compile(r"^(?P<file>[^:]+\.py):(?P<line>\d+)$")
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Code:
    """The functions of a release's files, by name and by line."""

    def __init__(self, release):
        self.release = release
        self.names = set(release.names)
        self.trees, self.found = {}, {}

    def tree(self, name):
        """None where there is no such file."""
        if name not in self.trees:
            try:
                self.trees[name] = ast.parse(self.release.read(name)) if name in self.names else None
            except SyntaxError:
                self.trees[name] = None
        return self.trees[name]

    def lines(self, name):
        return self.release.read(name).splitlines() if name in self.names else []

    def scopes(self, name):
        """(qualified name, node) of all functions and classes, outer ones first."""
        if name in self.found:
            return self.found[name]
        out = self.found[name] = []

        def walk(node, prefix):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, SCOPES):
                    out.append((prefix + child.name, child))
                    walk(child, prefix + child.name + ".")
                else:
                    walk(child, prefix)

        if self.tree(name) is not None:
            walk(self.tree(name), "")
        return out

    def scope(self, name, qualified):
        return next((node for found, node in self.scopes(name) if found == qualified), None)

    def around(self, name, line):
        """The innermost function or class at a line."""
        found = None
        for qualified, node in self.scopes(name):
            if node.lineno <= line <= node.end_lineno:
                found = (qualified, node)
        return found

    def find(self, pattern):
        return self.release.find(pattern)


def text_of(node):
    """What a function does, without its place and its documentation; of a class its name and bases."""
    if isinstance(node, ast.ClassDef):
        return ast.dump(ast.Tuple(elts=node.bases, ctx=ast.Load())) + node.name
    body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    return ast.dump(ast.Module(body=body, type_ignores=[])) + ast.dump(node.args)


def statements(node):
    """(text, statement) of all statements within; of one that holds others, its heading."""
    for child in ast.walk(node):
        if isinstance(child, ast.stmt) and child is not node and not isinstance(child, SCOPES):
            heading = [getattr(child, part) for part in ("test", "iter", "target", "items") if hasattr(child, "body") and hasattr(child, part)]
            text = "".join(ast.dump(h) if isinstance(h, ast.AST) else str([ast.dump(i) for i in h]) for h in heading)
            yield type(child).__name__ + (text if hasattr(child, "body") else ast.dump(child)), child


def same_statement(line, old, new):
    """Where the statement at a line of function `old` stands in function `new`, if it does so once."""
    inside = [(text, s) for text, s in statements(old) if s.lineno <= line <= s.end_lineno]
    if not inside:
        return None
    text, before = max(inside, key=lambda pair: pair[1].lineno)
    found = [s for other, s in statements(new) if other == text]
    return found[0].lineno + line - before.lineno if len(found) == 1 else None


def moved(place, old, new):
    """(place in the new release, whether all of its function is the same); (None, False): it is gone or changed.

    Of a class its heading or the statement in its body that stands at the line counts, not the rest.
    """
    found = PLACE.match(place)
    if not found:
        return place, True
    name, line = found["file"], int(found["line"])
    scope = old.around(name, line)
    if scope is None:  # outside all functions: the same text
        lines = old.lines(name)
        if 0 < line <= len(lines):
            for number, text in enumerate(new.lines(name), 1):
                if text == lines[line - 1]:
                    return f"{name}:{number}", True
        return None, False
    node = new.scope(name, scope[0])
    if node is None:
        return None, False
    in_class = isinstance(node, ast.ClassDef) and line != scope[1].lineno
    if text_of(node) == text_of(scope[1]) and not in_class:
        return f"{name}:{node.lineno + line - scope[1].lineno}", True
    at = same_statement(line, scope[1], node) if in_class or not isinstance(node, ast.ClassDef) else None
    return (f"{name}:{at}", in_class) if at else (None, False)


def texts_in(node):
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def assigned(code, name, pattern, within=None):
    """(name, value, line) of assignments in a module, or anywhere within `within`."""
    tree = within if within is not None else code.tree(name)
    for node in [] if tree is None else ast.walk(tree) if within is not None else tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name) and re.fullmatch(pattern, target.id) and node.value is not None:
                yield target.id, node.value, node.lineno


def compared(tree, variable, by=(ast.Eq, ast.In)):
    """(text, line) of what a variable is compared with, in the order of the lines."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == variable and isinstance(node.ops[0], by):
            found += [(node.lineno, text) for text in texts_in(node.comparators[0])]
    seen = {}
    for line, text in sorted(found, key=lambda pair: pair[0]):
        seen.setdefault(text, line)
    return list(seen.items())
