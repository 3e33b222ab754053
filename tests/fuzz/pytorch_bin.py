"""Files as torch.save writes them, and such as it never would, without torch."""
import io
import math
import struct
import zipfile
from dataclasses import dataclass

BYTES = {"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Int": 4, "Long": 8, "Char": 1, "Byte": 1, "ComplexFloat": 8}


@dataclass
class Global:
    module: str
    name: str


@dataclass
class Call:
    function: Global
    arguments: tuple


@dataclass
class Persistent:
    identity: object


def pickled(value):
    """The operations that make a value."""
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value) if abs(value) < 2**31 else b"\x8a\x08" + struct.pack("<q", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"B" + struct.pack("<I", len(value)) + value
    if isinstance(value, Global):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Call):
        return pickled(value.function) + pickled(value.arguments) + b"R"
    if isinstance(value, Persistent):
        return pickled(value.identity) + b"Q"
    if isinstance(value, dict):
        return b"}(" + b"".join(pickled(key) + pickled(item) for key, item in value.items()) + b"u"
    begin, end = (b"(", b"t") if isinstance(value, tuple) else (b"](", b"e")
    return begin + b"".join(map(pickled, value)) + end


def ordered(*pairs):
    return Call(Global("collections", "OrderedDict"), (list(pairs),) if pairs else ())


def strides_of(shape):
    return tuple(math.prod(shape[d + 1:]) for d in range(len(shape)))


def tensor(key, kind, shape, strides=None, offset=0, count=None):
    """Over a storage of `count` elements."""
    storage = Persistent(("storage", Global("torch", kind + "Storage"), key, "cpu", math.prod(shape) if count is None else count))
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), (storage, offset, shape, strides or strides_of(shape), False, ordered()))


def archive(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        for name, content in entries:
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


def saved(value, data=(), **entries):
    """The archive of a value, of data by their keys, and of other entries."""
    return archive([("m/data.pkl", b"\x80\x02" + pickled(value) + b"."), *((f"m/{name}", content) for name, content in entries.items()),
                    *((f"m/data/{key}", content) for key, content in data)])


def pytorch_bin(tensors):
    """A state_dict of (name, kind of storage, shape); all bytes are 1."""
    state = {name: tensor(str(i), kind, shape) for i, (name, kind, shape) in enumerate(tensors)}
    return saved(state, [(i, b"\1" * (math.prod(shape) * BYTES[kind])) for i, (_, kind, shape) in enumerate(tensors)],
                 byteorder=b"little", version=b"3\n")


def odd_ones():
    """Archives that reach what a plain state_dict does not."""
    four = [(0, b"\1" * 32)]
    good = tensor("0", "Float", (8,))
    untyped = Persistent(("storage", Global("torch.storage", "UntypedStorage"), "0", "cpu", 32))

    def v3(dtype, shape, strides=None):
        return Call(Global("torch._utils", "_rebuild_tensor_v3"), (untyped, 0, shape, strides or strides_of(shape), False, ordered(), Global("torch", dtype)))
    whole = {"a": {"b": good, "n": 3, "t": True, "s": "x", 7: [1, 2], "l": [good, "y"], "f": 2.5, "none": None, "g": Global("torch", "float16"),
                   "z": Call(Global("torch", "Size"), ((2, 3),)), "d": Call(Global("torch", "device"), ("cpu",)), "by": b"xy", "big": 2**40}}
    values = [whole, ordered(["w", good]), Call(Global("collections", "OrderedDict"), ([["w", good]],)), Call(Global("collections", "OrderedDict"), ([3],)),
              Call(Global("collections", "OrderedDict"), (3,)), {None: good}, {"a\n": good}, {"x" * 600: good}, [good], {"a": list(range(40))},
              {"a": Call(Global("torch", "Size"), (3,))}, {"a": Call(Global("torch", "float16"), ())}, {"a": Call(Global("torch._utils", "_rebuild_parameter"), (good, False, ordered()))},
              {"a": Call(Global("torch.nn.parameter", "Parameter"), (3,))}, {"a": Call(Global("torch._utils", "_rebuild_tensor"), (*good.arguments[:4],))},
              {"a": Call(Global("os", "system"), ("x",))}, {"a": Persistent(("module", 3))},
              *({"a": tensor("0", "Float", shape, strides, offset, 8)} for shape, strides, offset in (
                  ((4, 2), (1, 4), 0), ((8,), (1, 1), 0), ((-1,), (1,), 0), ((8,), (-1,), 0), ((8,), (1,), 4), ((4, 4), (0, 1), 0), ((2, 8), (0, 1), 0),
                  ((0,), (1,), 99), (("x",), (1,), 0), ((1,) * 70, None, 0), ((2**40, 2**40), (1, 1), 0), ((), (), 0))),
              {"a": tensor("0", "Float", (8,), count=9)}, {"a": tensor("1", "Float", (8,))}, {"a": good, "b": good},
              {"a": tensor("0", "Double", (2, 2), (1, 2), 0, 4)}, {"a": tensor("0", "Half", (2, 2), (1, 2), 0, 16)}, {"a": tensor("0", "Char", (2, 2), (1, 2), 0, 32)},
              {"a": tensor("0", "ComplexFloat", (2, 2), (1, 2), 0, 4)},
              *({"a": v3(dtype, shape, strides)} for dtype, shape, strides in (
                  ("float8_e4m3fn", (32,), None), ("float4_e2m1fn_x2", (4, 8), None), ("float4_e2m1fn_x2", (4, 4), (1, 4)), ("uint64", (2, 2), (1, 2)), ("float16", (16,), None)))]
    for value in values:
        yield saved(value, four)
    deep = {"a": good}
    for _ in range(70):
        deep = {"d": deep}
    yield saved(deep, four)
    yield saved({"a": good}, four, byteorder=b"big")
    yield saved({"a": good}, four, byteorder=b"little")
    yield archive([("m/data.pkl", b"\x80\x02}."), ("n/data.pkl", b"\x80\x02}.")])
    yield archive([("m/data.pkl", b"\x80\x02}."), ("n/x", b"")])
    yield archive([("m/x", b"")])
    yield archive([("m/data.pkl", b"\x80\x02}."), ("m/xx", b""), ("m/xy", b"")]).replace(b"m/xy", b"m/xx")
    whole = saved({"a": good}, four)
    yield whole[:-40]
    yield whole.replace(b"PK\1\2", b"PK\1\3")
    yield with_zip64(whole)
    yield with_zip64(whole, entries=9)
    yield b"PK\3\4" + b"\0" * 60


def with_zip64(content, entries=None):
    """The same, with the numbers of its first entry and of its directory as 64 bits."""
    at = content.index(b"PK\1\2")
    begin = content.index(b"PK\5\6")
    count, size, offset = struct.unpack("<HII", content[begin + 10:begin + 20])
    fixed = bytearray(content[at:at + 46])
    stored, plain, name, extra = struct.unpack("<IIHH", fixed[20:32])
    local, = struct.unpack("<I", fixed[42:46])
    field = struct.pack("<HHHHQQQ", 9, 0, 1, 24, plain, stored, local)
    struct.pack_into("<IIHH", fixed, 20, 2**32 - 1, 2**32 - 1, name, extra + len(field))
    struct.pack_into("<I", fixed, 42, 2**32 - 1)
    rest = content[at + 46:begin]
    directory = bytes(fixed) + rest[:name] + field + rest[name:]
    end = at + len(directory)
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, *2 * [count if entries is None else entries], len(directory), offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    return content[:at] + directory + end64 + locator + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, 2**32 - 1, 2**32 - 1, 0)
