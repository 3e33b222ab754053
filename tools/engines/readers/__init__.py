"""One module an engine, named after it. Each has

    PACKAGE            what it is called on PyPI
    tables(code)       the facts that can be read by themselves, by the keys of data/engines
    ROOT               where its sources begin in the package, if not at its root
    HELPERS            key -> pattern of functions that rows of that key stand for, beside the one around their line
    finish(facts)      changes what follows from the tables
"""

import importlib


def reader_of(engine):
    return importlib.import_module("readers." + engine.replace("-", "_").replace(".", "_"))
