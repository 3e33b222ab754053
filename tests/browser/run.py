#!/usr/bin/env python3
"""The web page of `--html` in a real browser, headless Chromium.

Pages of real checkpoints, and of one whose tensor names are markup, are loaded at 400 and at 1280 pixels. The
browser's own log has to show no message on the console and no request but for the page itself; the page
shows what the program said, runs nothing, and is never wider than the window.

usage: run.py --requant BINARY --data tests/data [--out FOLDER]   (screenshots are kept in FOLDER)
"""
import argparse
import html.parser
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

WIDTHS = (400, 1280)
HEIGHT = 2400
EVIL = "model.layers.0.<script>document.title='run'</script>\"' onmouseover='x'<img src=https://evil.example/x>"
FOLDERS = ["lmdeploy__sq-fp8-v072__tiny-internvl25", "autoawq__gemm-w4g128__tiny_llama", "byhand__mxfp4__tiny_gptoss",
           "tiny-llama"]
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-extensions",
         "--disable-default-apps", "--disable-domain-reliability", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"]
ALLOWED = {"html", "head", "meta", "link", "title", "style", "body", "main", "h1", "h2", "h3", "p", "span", "strong",
           "div", "dl", "dt", "dd", "small", "section", "ul", "li", "pre", "code", "i", "table", "thead", "tbody", "tr",
           "th", "td", "footer"}
# Says in its title how wide the page becomes in a window of that width.
FRAME = """<!doctype html><title>-</title><iframe src="{page}" style="width:{width}px;height:900px;border:0"></iframe>
<script>onload = () => {{ document.title =
  document.querySelector("iframe").contentDocument.documentElement.scrollWidth }};</script>"""


class Dom(html.parser.HTMLParser):
    """Elements, attributes and text of what the browser made of the page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.title, self.within = [], [], "", "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.within.append(tag)

    def handle_endtag(self, tag):
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data):
        inside = self.within[-1] if self.within else ""
        if inside == "title":
            self.title += data
        elif inside != "style":
            self.text += data


class Browser:
    def __init__(self, program, work):
        self.program, self.work = program, work

    def open(self, url, *words, log=None):
        net = [f"--log-net-log={log}"] if log else []
        command = [self.program, *QUIET, f"--user-data-dir={self.work / 'profile'}", *net, *words, url]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def requests(self, log):
        """URLs that a page asked for; what the browser asks for itself (updates, time) has no origin."""
        events = json.loads(log.read_text())
        start = events["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
        asked = [e["params"] for e in events["events"] if e["type"] == start and "url" in e.get("params", {})]
        return {p["url"] for p in asked if p.get("initiator", "not an origin") != "not an origin"}


def evil_checkpoint(folder):
    folder.mkdir()
    tensors, offset = {}, 0
    for name in ("model.embed_tokens.weight", EVIL + ".weight", "lm_head.weight"):
        tensors[name] = {"dtype": "BF16", "shape": [8, 8], "data_offsets": [offset, offset + 128]}
        offset += 128
    header = json.dumps(tensors).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(offset))
    config = {"architectures": [EVIL], "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1,
              "quantization_config": {"quant_method": "<b>" + EVIL, "bits": "<i>"}}
    (folder / "config.json").write_text(json.dumps(config))


class Test:
    def __init__(self):
        self.count, self.failed = 0, 0

    def expect(self, what, holds, detail=""):
        self.count += 1
        if not holds:
            self.failed += 1
            print(f"FAILED {what}: {detail}")


def look_at_bad_page(test, browser):
    """What the checks below look for is seen where it is there."""
    page, log = browser.work / "bad.html", browser.work / "net.json"
    page.write_text("<title>x</title><img src='http://127.0.0.1:9/x.png'><script>console.log('said')</script>")
    done = browser.open(page.as_uri(), "--dump-dom", log=log)
    test.expect("a request is seen", browser.requests(log) == {"http://127.0.0.1:9/x.png"}, browser.requests(log))
    test.expect("a message on the console is seen", "CONSOLE" in done.stderr, done.stderr[-500:])


def look(test, browser, name, page, expected, out):
    url = page.as_uri()
    log = browser.work / "net.json"
    done = browser.open(url, "--dump-dom", log=log)
    dom = Dom(done.stdout)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    test.expect(f"{name}: nothing on the console", not console, console)
    asked = browser.requests(log)
    test.expect(f"{name}: no request", not asked, asked)
    test.expect(f"{name}: known elements only", set(dom.tags) <= ALLOWED, set(dom.tags) - ALLOWED)
    handlers = [a for a in dom.attributes if a.startswith("on") or a in ("src", "srcset", "action")]
    test.expect(f"{name}: no handlers", not handlers, handlers)
    test.expect(f"{name}: one headline", dom.tags.count("h1") == 1 and dom.title, dom.title)
    for text in expected:
        test.expect(f"{name}: says {text[:60]!r}", text in dom.text, dom.text[:300])
    for width in WIDTHS:
        frame = browser.work / "frame.html"
        frame.write_text(FRAME.format(page=url, width=width))
        seen = browser.open(frame.as_uri(), "--allow-file-access-from-files", "--dump-dom")
        wide = Dom(seen.stdout).title
        test.expect(f"{name}: fits {width} pixels", wide.isdigit() and int(wide) <= width, wide)
        shot = out / f"{name}-{width}.png"
        browser.open(url, f"--window-size={width},{HEIGHT}", f"--screenshot={shot}")
        test.expect(f"{name}: a picture at {width}", shot.is_file() and shot.stat().st_size > 10_000)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("there is no chromium: tests/browser/run installs it")
    requant = str(pathlib.Path(args.requant).resolve())
    test = Test()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        out = args.out.resolve() if args.out else work
        out.mkdir(parents=True, exist_ok=True)
        evil_checkpoint(work / "evil")
        browser = Browser(program, work)
        look_at_bad_page(test, browser)
        for folder in [args.data.resolve() / "corpus" / f for f in FOLDERS] + [work / "evil"]:
            for kind, words in (("inspect", ["inspect", str(folder)]),
                                ("check", ["check", str(folder), "--engine", "vllm@0.7.3"]),
                                ("any", ["check", str(folder), "--engine", "any", "--context", "4096"])):
                name = f"{kind}-{folder.name}"
                page = out / f"{name}.html"
                done = subprocess.run([requant, *words, "--json", "--html", str(page)], capture_output=True, text=True)
                if not page.is_file():
                    test.expect(name, kind != "inspect" and done.returncode in (3, 4), done.stderr)
                    continue
                said = json.loads(done.stdout)
                expected = [f["message"] for f in said.get("findings", []) if not f["rule"].startswith("edit.")][:20]
                expected += {"inspect": ["bits per weight"], "check": [said.get("summary")],
                             "any": ["Runs on", "Where it runs", "on each GPU"]}[kind]
                look(test, browser, name, page, expected, out)
    print(f"{test.count - test.failed} of {test.count} hold")
    return 1 if test.failed or test.count < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
