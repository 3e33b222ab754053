"""llama.cpp's own perplexity tool (tools/perplexity/perplexity.cpp), over GGUF files and a text.

A job: name, timeout, model (the folder that requant wrote), library (what ../llama_perplexity.py built), text, base (a GGUF file
whose logits the others are held against) and others (names to GGUF files). The answer:
  perplexity   of base and of each of the others
  divergence   of each of the others, the mean of KL(base || it) in nats
"""
import ctypes
import os
import re
import subprocess
import sys
import tempfile

import jobs

CONTEXT = 128
THREADS = 2
RUN = "import llama_perplexity, sys; llama_perplexity.run(*sys.argv[1:])"


def run(library: str, *arguments: str) -> None:
    import xllamacpp
    ctypes.CDLL(xllamacpp.xllamacpp.__file__, ctypes.RTLD_GLOBAL)
    words = (ctypes.c_char_p * (len(arguments) + 2))(b"perplexity", *map(os.fsencode, arguments), None)
    ctypes.CDLL(library)._Z16llama_perplexityiPPc(len(arguments) + 1, words)


def measured(job: dict, model: str, logits: str) -> str:
    words = [sys.executable, "-X", "faulthandler", "-c", RUN, job["library"], model, job["text"], str(CONTEXT), str(THREADS), logits]
    done = subprocess.run(words, capture_output=True, text=True, cwd=os.path.dirname(os.path.abspath(__file__)))
    if done.returncode != 0:
        raise RuntimeError(f"{model}: " + " ".join(done.stderr.split()[-40:]))
    return done.stdout


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern + r"\s*[:=]\s*(-?[\d.]+)", text)[1])


def work(job: dict) -> dict:
    with tempfile.TemporaryDirectory(dir=os.path.dirname(job["model"])) as folder:
        logits = os.path.join(folder, "logits")
        perplexity = {"base": number("Final estimate: PPL", measured(job, job["base"], logits))}
        divergence = {}
        for name, model in job["others"].items():
            text = measured(job, model, "=" + logits)
            perplexity[name] = number(r"Mean PPL\(Q\)", text)
            divergence[name] = number(r"Mean\s+KLD", text)
    return {"perplexity": perplexity, "divergence": divergence}


if __name__ == "__main__":
    jobs.main(work)
