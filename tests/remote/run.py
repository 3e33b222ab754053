#!/usr/bin/env python3
"""`inspect` and `check` on addresses, against loopback servers that are honest, slow, broken or lying.

Every case says what the program is asked, its exit code, and what its one line of error says.
usage: run.py --requant BINARY --data tests/data
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from server import TOKEN, Server

FOLDER = "llmcompressor__FP8_DYNAMIC__tiny_llama"
SHARDED = "sharded"
WEIGHTS = "model.safetensors"
QUICK = 8.0  # seconds for a case that does not wait for a timeout
TIMEOUT = 1  # seconds, of the cases that do

# manner, exit code, what the error says
BAD_SERVERS = [
    ("lying-begin", 3, "asked for bytes 0 to"),
    ("lying-total", 3, "bytes"),
    ("short", 3, "its Content-Range says"),
    ("long", 3, "more than"),
    ("bad-part", 3, "Content-Range 'bytes of it'"),
    ("no-total", 4, "does not say how long the file is"),
    ("cut", 3, "the answer ends after 100 bytes"),
    ("garbage", 3, "does not answer in HTTP"),
    ("silent", 5, "no answer, or less than 1000 bytes a second, for 1 s"),
    ("crawling", 5, "no answer, or less than 1000 bytes a second, for 1 s"),
    ("compressed", 3, "encoded as 'gzip'"),
]
BAD_FOLDERS = [
    ("unauthorised", 3, "denies it (401)"),
    ("forbidden", 3, "denies it (403)"),
    ("absent", 3, "config.json is not there"),
    ("broken", 5, "the server answers 500, asked 5 times"),
    ("later", 5, "the server answers 429, asked 1 time, to be asked again in 3600 s"),
    ("teapot", 3, "the server answers 418"),
    ("loop", 3, "redirects more than 5 times"),
    ("to-file", 4, "it redirects to: file:// is not read"),
    ("to-password", 4, "a user name or password in the address"),
]


class Run:
    def __init__(self, binary):
        self.binary, self.failures, self.count = binary, [], 0

    def program(self, *words, **environment):
        env = {k: v for k, v in os.environ.items() if k not in ("HF_TOKEN", "HF_ENDPOINT", "SSL_CERT_FILE")}
        env.update(environment, NO_COLOR="1", no_proxy="*")
        start = time.monotonic()
        done = subprocess.run([self.binary, *words], capture_output=True, text=True, env=env, timeout=120)
        done.seconds = time.monotonic() - start
        return done

    def expect(self, what, holds, detail=""):
        self.count += 1
        if not holds:
            self.failures.append(what)
            print(f"FAILED {what}: {detail}")

    def error(self, what, done, code, says, *names):
        """One line, with that exit code, which names the address and the file."""
        line = done.stderr
        holds = (done.returncode == code and line.startswith("error: ") and line.count("\n") == 1 and not done.stdout
                 and says in line and all(n in line for n in names))
        self.expect(what, holds, f"exit {done.returncode}, {line!r}, expected {code}, {says!r}, {names}")
        self.expect(what + " is quick", done.seconds < QUICK, f"{done.seconds:.1f} s")


def inspection(text):
    """What does not depend on where the checkpoint lies."""
    document = json.loads(text)
    for key in ("path", "side_files"):
        document.pop(key)
    return document


def split_in_two(folder, out):
    """The folder again as two shards and an index."""
    shutil.copytree(folder, out)
    data = (out / WEIGHTS).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    names = sorted(header)
    shards = [names[:len(names) // 2], names[len(names) // 2:]]
    weight_map = {}
    for i, members in enumerate(shards):
        name, offset, entries, body = f"model-{i + 1:05}-of-00002.safetensors", 0, {}, b""
        for tensor in members:
            begin, end = header[tensor]["data_offsets"]
            body += data[8 + length + begin:8 + length + end]
            entries[tensor] = dict(header[tensor], data_offsets=[offset, offset + end - begin])
            offset += end - begin
            weight_map[tensor] = name
        text = json.dumps(entries).encode()
        (out / name).write_bytes(struct.pack("<Q", len(text)) + text + body)
    (out / WEIGHTS).unlink()
    (out / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def same_as_on_disk(run, server, root):
    for folder in (FOLDER, SHARDED):
        local = run.program("inspect", "--json", str(root / folder))
        for manner in ("plain", "no-ranges", "moved", "to-other", "busy-twice"):
            remote = run.program("inspect", "--json", f"{server.address}/{manner}/{folder}/")
            run.expect(f"inspect of /{manner}/{folder}/ says what it says of the disk",
                       remote.returncode == local.returncode and remote.stdout
                       and inspection(remote.stdout) == inspection(local.stdout), remote.stderr)
    for name in (f"{FOLDER}/{WEIGHTS}", f"{SHARDED}/model.safetensors.index.json"):
        one = run.program("inspect", f"{server.address}/plain/{name}")
        run.expect(f"one file: {name}", one.returncode == 0 and "compressed-tensors" in one.stdout, one.stderr)
    local = run.program("check", str(root / FOLDER), "--engine", "vllm@0.7.3", "--json")
    remote = run.program("check", f"{server.address}/plain/{FOLDER}", "--engine", "vllm@0.7.3", "--json")
    run.expect("check says the same", remote.stdout and remote.stdout == local.stdout, remote.stderr)


def bad_servers(run, server):
    for manner, code, says in BAD_SERVERS:
        address = f"{server.address}/{manner}/{FOLDER}/"
        done = run.program("inspect", address, "--timeout", str(TIMEOUT))
        run.error(f"a server that is {manner}", done, code, says, address, WEIGHTS)
    for manner, code, says in BAD_FOLDERS:
        address = f"{server.address}/{manner}/{FOLDER}/"
        run.error(f"a server that is {manner}", run.program("inspect", address), code, says, address)
    address = f"{server.address}/later/{FOLDER}/{WEIGHTS}"
    run.error("a busy server, asked for one file", run.program("inspect", address), 5, "answers 429", address)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/x/"
        run.error("no server", run.program("inspect", address), 5, "connect", address)


def addresses(run, server):
    for address, code, says in [
            ("file:///etc/", 4, "file:// is not read"), ("ftp://host/x", 4, "ftp:// is not read"),
            ("http://host.invalid/x/", 4, "http:// is read from this machine only"),
            ("https://user:password@host/x/", 4, "a user name or password"),
            ("hf://name", 2, "expected hf://ORG/NAME"), ("https://host.invalid/x/", 5, "resolve")]:
        run.error(address, run.program("inspect", address), code, says)
    address = f"{server.address}/plain/{FOLDER}/"
    with tempfile.TemporaryDirectory() as out:
        deep = run.program("inspect", "--deep", address)
        run.error("--deep", deep, 4, "--deep reads every byte; download it first", address)
        for words in (["convert", address, "-o", out + "/o", "--to", "dense:bf16"], ["verify", address, address],
                      ["quantize", address, "-o", out + "/o", "--to", "compressed-tensors:w8a16"]):
            run.error(words[0], run.program(*words), 4, "only inspect and check read an address", address)


def hub(run, server, other, root):
    endpoint = server.address + "/hub/"
    local = run.program("inspect", "--json", str(root / SHARDED))
    for address in (f"hf://org/{SHARDED}", f"hf://org/{SHARDED}@v1"):
        remote = run.program("inspect", "--json", address, HF_ENDPOINT=endpoint)
        run.expect(f"inspect of {address} says what it says of the disk",
                   remote.returncode == local.returncode and remote.stdout
                   and inspection(remote.stdout) == inspection(local.stdout), remote.stderr)
        run.expect("the list has all files", json.loads(remote.stdout or "{}").get("side_files")
                   == json.loads(local.stdout)["side_files"])
    one = run.program("inspect", f"hf://org/{FOLDER}/{WEIGHTS}", HF_ENDPOINT=endpoint)
    run.expect("one file of the hub", one.returncode == 0, one.stderr)
    for address, code, says in [("hf://garbled/x", 3, "the hub's list of files"),
                                ("hf://endless/x", 3, "more than 100 pages"),
                                (f"hf://liar/{FOLDER}", 3, "the list of files says"),
                                (f"hf://org/{SHARDED}@v2", 3, "is not there (404)"), ("hf://org/nothing", 3, "(404)"),
                                (f"hf://private/{FOLDER}", 3, "denies it (401); a token in HF_TOKEN may open it")]:
        run.error(address, run.program("inspect", address, HF_ENDPOINT=endpoint), code, says, address)
    address = f"hf://private/{FOLDER}"
    wrong = run.program("inspect", address, HF_ENDPOINT=endpoint, HF_TOKEN="hf_wrong")
    run.error("a wrong token", wrong, 3, "the token of HF_TOKEN does not open it", address)
    run.expect("no message has the token", "hf_wrong" not in wrong.stderr, wrong.stderr)
    for record in (server.record, other.record):
        record.clear()
    done = run.program("inspect", address, HF_ENDPOINT=endpoint, HF_TOKEN=TOKEN)
    run.expect("the token opens a private repository", done.returncode == 0, done.stderr)
    sent = [headers.get("Authorization") for _, headers in server.record.requests]
    run.expect("the hub gets the token", sent and all(s == f"Bearer {TOKEN}" for s in sent), sent)
    leaked = [path for path, headers in other.record.requests if "Authorization" in headers]
    run.expect("where the hub redirects to gets no token", other.record.requests and not leaked, leaked)


def certificates(run, root, work):
    key, certificate = work / "key.pem", work / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=loopback", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    secure, plain = Server(root, (certificate, key)), Server(root)
    secure.other = plain.address
    try:
        address = f"{secure.address}/plain/{FOLDER}/"
        run.error("a certificate of nobody", run.program("inspect", address), 4, "certificate is not trusted", address)
        done = run.program("inspect", address, SSL_CERT_FILE=str(certificate))
        run.expect("a certificate that SSL_CERT_FILE names", done.returncode == 0, done.stderr)
        address = f"{secure.address}/to-other/{FOLDER}/"
        run.error("https that redirects to http", run.program("inspect", address, SSL_CERT_FILE=str(certificate)), 4,
                  "redirects from https to http://127.0.0.1", address)
    finally:
        secure.close()
        plain.close()


def economy(run, server):
    """Few bytes, one request for each shard, not more than 16 at once."""
    server.record.clear()
    run.program("inspect", f"{server.address}/plain/{SHARDED}/")
    record = server.record
    heads = [path for path, headers in record.requests if "-of-" in path and headers["Range"].startswith("bytes=0-")]
    run.expect("one request for the header of each shard", sorted(heads) == sorted(set(heads)) and len(heads) == 2, heads)
    run.expect("at most 16 requests at once", record.most <= 16, record.most)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    run = Run(str(pathlib.Path(arguments.requant).resolve()))
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        root = work / "root"
        shutil.copytree(arguments.data / "corpus" / FOLDER, root / FOLDER)
        split_in_two(root / FOLDER, root / SHARDED)
        server, other = Server(root), Server(root)
        server.other = other.address
        same_as_on_disk(run, server, root)
        bad_servers(run, server)
        addresses(run, server)
        hub(run, server, other, root)
        certificates(run, root, work)
        economy(run, server)
        server.close()
        other.close()
    print(f"{run.count - len(run.failures)} of {run.count} hold")
    return 1 if run.failures or run.count < 60 else 0


if __name__ == "__main__":
    sys.exit(main())
