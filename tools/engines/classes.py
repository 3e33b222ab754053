"""What the classes of an engine's quantisation methods say: capability, dtypes, keys, and the tensors of their layers."""

import ast
import re


def file_of_module(code, module):
    path = module.replace(".", "/")
    return next((name for name in (path + ".py", path + "/__init__.py") if name in code.names), None)


def imported_from(code, name, wanted):
    """The file from which a file imports a class; a relative import starts from its own folder."""
    tree = code.tree(name)
    for node in ast.walk(tree) if tree is not None else []:
        if isinstance(node, ast.ImportFrom) and any(alias.name == wanted for alias in node.names):
            above = name.split("/")[: -node.level] if node.level else []
            module = ".".join(above + ([node.module] if node.module else []))
            found = file_of_module(code, module)
            if found:
                return found
    return None


def class_of(code, name, wanted):
    """(file, node) of a class that a file defines or imports; None where the release has no such class."""
    for _ in range(5):
        if name is None:
            return None
        node = next((n for n in code.tree(name).body if isinstance(n, ast.ClassDef) and n.name == wanted), None)
        if node is not None:
            return name, node
        name = imported_from(code, name, wanted)
    return None


def method(node, name):
    return next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def returned(function):
    """The values that are returned, the one outside of all conditions last."""
    found = [n for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None]
    return [n.value for n in sorted(found, key=lambda n: n in function.body)]


def capability_of(node):
    """The number returned where nothing special holds: 80 of `100 if self.x else 80`, 60 of `60 if not x else 21`."""
    function = method(node, "get_min_capability")
    value = returned(function)[-1:] if function is not None else []
    while value and isinstance(value[0], ast.IfExp):
        inverted = isinstance(value[0].test, ast.UnaryOp) and isinstance(value[0].test.op, ast.Not)
        value = [value[0].body if inverted else value[0].orelse]
    if value and isinstance(value[0], ast.UnaryOp) and isinstance(value[0].operand, ast.Constant):
        return ast.literal_eval(value[0])
    return value[0].value if value and isinstance(value[0], ast.Constant) else None


def dtypes_of(node):
    function = method(node, "get_supported_act_dtypes")
    found = [n.attr for value in (returned(function) if function is not None else []) for n in ast.walk(value)
             if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "torch"]
    return sorted({{"half": "float16", "float": "float32"}.get(name, name) for name in found})


def always(function):
    """The expressions that a function evaluates whatever its arguments are."""
    for statement in function.body:
        if isinstance(statement, ast.If):
            yield statement.test
            if any(isinstance(n, ast.Return) for n in ast.walk(statement)):
                return
        elif isinstance(statement, (ast.Try, ast.For, ast.While)):
            if any(isinstance(n, ast.Return) for n in ast.walk(statement)):
                return
        else:
            yield statement
            if isinstance(statement, ast.Return):
                return


def required_keys_of(node):
    """Keys of the block without which from_config() stops, each a list of alternatives."""
    function, keys = method(node, "from_config"), []
    for part in always(function) if function is not None else []:
        for n in ast.walk(part):
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "get_from_keys" and len(n.args) > 1:
                names = n.args[1]
                if isinstance(names, ast.List) and all(isinstance(e, ast.Constant) for e in names.elts):
                    keys.append((n.lineno, [e.value for e in names.elts]))
            elif isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name) and n.value.id == "config" and isinstance(n.slice, ast.Constant):
                keys.append((n.lineno, [n.slice.value]))
    ordered = [names for _, names in sorted(keys, key=lambda pair: pair[0])]
    return [names for i, names in enumerate(ordered) if names not in ordered[:i]]


def method_row(name, node):
    """The row of `methods` for the class of a method."""
    row = {"class": node.name, "src": f"{name}:{node.lineno}", "min_capability": capability_of(node),
           "act_dtypes": dtypes_of(node), "required_keys": required_keys_of(node)}
    return {key: value for key, value in row.items() if value is not None and value != []}


def registered(code, pattern):
    """The tensors that the layer classes of some files register: class -> row of `tensors`."""
    out = {}
    for name in sorted(code.find(pattern)):
        for node in code.tree(name).body if code.tree(name) is not None else []:
            names = names_in(node) if isinstance(node, ast.ClassDef) else set()
            if names:
                out[node.name] = {"names": sorted(names), "src": f"{name}:{node.lineno}"}
    return out


def names_in(node):
    calls = [n for function in node.body if isinstance(function, ast.FunctionDef) for n in ast.walk(function) if isinstance(n, ast.Call)]
    calls = [n for n in calls if isinstance(n.func, ast.Attribute) and re.fullmatch("register_(parameter|buffer)", n.func.attr) and len(n.args) > 1]
    firsts = [n.args[0] for n in calls]
    return {n.value for n in firsts if isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value.isidentifier()}
