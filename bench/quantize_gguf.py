#!/usr/bin/env python3
"""How long `requant quantize --to gguf:MIX` takes against llama-quantize on the same file.

  quantize_gguf.py REQUANT [--only MIX]... [--pairs 3] [--layers 6] [--work DIR] [--json RESULTS]

A Llama of random BF16 weights whose rows are whole blocks of 256, as a GGUF file. For each mix, pairs of llama-quantize (its
own function, without the time that Python takes to load it) and requant (the whole program, SHA-256 of every tensor
included), interleaved, both on the same two cores; the median of the ratios counts (>= 2).
llama-quantize is what tests/peers/llama_quantize.py builds.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE.parent / "tests" / "peers"
sys.path.insert(0, str(PEERS))
import llama_quantize  # noqa: E402
from common import environment  # noqa: E402
from venvs import python  # noqa: E402

BAR = 2
CORES = {0, 1}
TIMED = """
import json, sys
sys.path[:0] = sys.argv[1:2]
import llama_quantize as peer, time, pathlib
for line in sys.stdin:
    source, out, library, mix = json.loads(line)
    begin = time.perf_counter()
    peer.quantise(library, pathlib.Path(source), pathlib.Path(out), mix, {})
    print(time.perf_counter() - begin, flush=True)
"""
MAKE = """
import sys, gguf, numpy as np
out, layers, hidden, inner, vocabulary = sys.argv[1], int(sys.argv[2]), 1024, 4096, 8192
random = np.random.default_rng(1)
writer = gguf.GGUFWriter(out, "llama")
writer.add_block_count(layers); writer.add_context_length(512); writer.add_embedding_length(hidden)
writer.add_feed_forward_length(inner); writer.add_head_count(16); writer.add_head_count_kv(8)
writer.add_layer_norm_rms_eps(1e-5); writer.add_rope_freq_base(10000.0); writer.add_vocab_size(vocabulary)
writer.add_rope_dimension_count(64); writer.add_key_length(64); writer.add_value_length(64)
writer.add_tokenizer_model("none")
def matrix(name, rows, cols):
    bits = (random.standard_normal((rows, cols), np.float32) * 0.03).view(np.uint32) >> 16
    writer.add_tensor(name + ".weight", bits.astype(np.uint16).view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
def vector(name):
    writer.add_tensor(name + ".weight", np.ones(hidden, np.float32))
matrix("token_embd", vocabulary, hidden); vector("output_norm"); matrix("output", vocabulary, hidden)
for layer in range(layers):
    name = f"blk.{layer}."
    vector(name + "attn_norm"); vector(name + "ffn_norm")
    matrix(name + "attn_q", hidden, hidden); matrix(name + "attn_k", hidden // 2, hidden); matrix(name + "attn_v", hidden // 2, hidden)
    matrix(name + "attn_output", hidden, hidden)
    matrix(name + "ffn_gate", inner, hidden); matrix(name + "ffn_up", inner, hidden); matrix(name + "ffn_down", hidden, inner)
writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()
"""


class Peer:
    """llama-quantize in a process that stays."""

    def __init__(self, work):
        self.library = str(llama_quantize.library())
        self.log = open(work / "llama.log", "wb")
        self.process = subprocess.Popen([python("llama-cpp"), "-c", TIMED, PEERS / "engines"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment())

    def seconds(self, source, out, file_type):
        self.process.stdin.write(json.dumps([str(source), str(out), self.library, file_type]) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def file_type(mix):
    return json.loads((HERE.parent / "data" / "recipes" / f"{mix}.json").read_text())["file_type"]


def ours(requant, source, out, mix):
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    subprocess.run([requant, "quantize", source, "-o", out, "--to", f"gguf:{mix}"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def measure(args, mix, source, work, peer):
    ratios, seconds = [], []
    for pair in range(args.pairs + 1):
        theirs = peer.seconds(source, work / "theirs.gguf", file_type(mix))
        own = ours(args.requant, source.parent, work / "ours", mix)
        if pair > 0:  # the first fills the page cache
            ratios.append(theirs / own)
            seconds.append((theirs, own))
    row = {"mix": mix, "ratio": statistics.median(ratios), "llama-quantize": statistics.median(s[0] for s in seconds),
           "requant": statistics.median(s[1] for s in seconds)}
    print(f"{mix}: llama-quantize {row['llama-quantize']:.2f} s, requant {row['requant']:.2f} s, "
          f"ratio {row['ratio']:.2f}{'' if row['ratio'] >= BAR else f', below {BAR}'}", flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requant", type=pathlib.Path)
    parser.add_argument("--only", action="append", default=[], metavar="MIX")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.requant = args.requant.resolve()
    os.sched_setaffinity(0, CORES & os.sched_getaffinity(0) or os.sched_getaffinity(0))
    work = pathlib.Path(tempfile.mkdtemp(prefix="quantize-gguf-", dir=args.work))
    try:
        source = work / "source" / "model.gguf"
        source.parent.mkdir()
        subprocess.run([python("llama-cpp"), "-c", MAKE, source, str(args.layers)], check=True)
        print(f"{source.stat().st_size / 1e9:.2f} GB of BF16, {len(os.sched_getaffinity(0))} cores", flush=True)
        peer = Peer(work)
        rows = [measure(args, mix, source, work, peer) for mix in args.only or llama_quantize.MIXES]
        if args.json:
            args.json.write_text(json.dumps(rows, indent=1))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0 if all(row["ratio"] >= BAR for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
