"""llama_cpp_score.py MODEL.gguf IDS OUT.npy: what llama.cpp says after each token but the last, a row of log-probabilities each."""
import json
import sys

import gguf
import numpy
import xllamacpp


def distribution(server: xllamacpp.Server, prompt: list[int], size: int, drawn: int) -> list[dict]:
    """Of the next token, before any is drawn. The answer has none where the drawn one ends in half a character: it is told which."""
    answer = server.handle_completions({"prompt": prompt, "n_predict": 1, "n_probs": size, "temperature": 0, "ignore_eos": True,
                                        "logit_bias": [[drawn, 1000.0]]})
    found = answer["choices"][0]["logprobs"]
    if not found:
        raise ValueError(f"no distribution: {answer}")
    return found["content"][0]["top_logprobs"]


def main() -> None:
    path, ids, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    tokens = gguf.GGUFReader(path).fields["tokenizer.ggml.tokens"]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = 256
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    parameters.cpuparams.n_threads = 2
    server = xllamacpp.Server(parameters)
    table = numpy.full((len(ids) - 1, len(tokens.data)), -numpy.inf)
    drawn = next(number for number, text in enumerate(tokens.contents()) if text.isascii() and text.isalpha())
    for row in range(len(ids) - 1):
        for one in distribution(server, ids[:row + 1], len(tokens.data), drawn):
            table[row, one["id"]] = one["logprob"]
    if not numpy.isfinite(table).all():
        raise ValueError(f"log-probabilities are missing: {numpy.isfinite(table).sum()} of {table.size}")
    numpy.save(out, table)


main()
