"""The Python files of one release of a package: from a wheel, an sdist, a folder, or PyPI.

A wheel on PyPI is read in ranges: its table of contents, then only the files that are asked for, so
that a wheel of 400 MB with CUDA binaries costs a few MB.
"""

import io
import json
import pathlib
import re
import tarfile
import urllib.request
import zipfile

INDEX = "https://pypi.org/simple/{name}/"
TAIL = 1 << 16
AHEAD = 1 << 18  # one request brings the small files that follow as well


class Ranges(io.RawIOBase):
    """A file behind HTTP, read by ranges; zipfile needs no more than this."""

    def __init__(self, url):
        self.url = url
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.size = int(answer.headers["Content-Length"])
        self.at = 0
        self.first = self.size
        self.bytes = b""
        self.load(max(0, self.size - TAIL), self.size)

    def load(self, begin, end):
        request = urllib.request.Request(self.url, headers={"Range": f"bytes={begin}-{end - 1}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            if answer.status != 206:
                raise OSError(f"{self.url}: the server sends no ranges")
            self.first, self.bytes = begin, answer.read()

    def seekable(self):
        return True

    def readable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def read(self, size=-1):
        end = self.size if size < 0 else min(self.size, self.at + size)
        if self.at < self.first or end > self.first + len(self.bytes):
            self.load(self.at, min(self.size, max(end, self.at + AHEAD)))
        piece = self.bytes[self.at - self.first : end - self.first]
        self.at = end
        return piece


def rank(name):
    """Wheels of this machine first, then any wheel, then the sdist."""
    if name.endswith(".whl"):
        return 0 if "none-any" in name else 1 if "x86_64" in name else 2
    return 3 if name.endswith(".tar.gz") else 4


def file_on_pypi(name, version):
    request = urllib.request.Request(INDEX.format(name=name), headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    stem = re.sub(r"[-_.]+", "_", name).lower()
    wanted = re.compile(rf"{re.escape(stem)}-{re.escape(version)}(-|\.tar\.gz)")
    found = [f for f in files if wanted.match(re.sub(r"^[\w.-]+?(?=-\d)", stem, f["filename"]))]
    if not found:
        raise SystemExit(f"PyPI has no file of {name} {version}")
    return min(found, key=lambda f: (rank(f["filename"]), f["filename"]))


class Release:
    """`names`: paths relative to the root of the wheel. `read(name)`: the text."""

    def __init__(self, what):
        if re.fullmatch(r"[\w.-]+==[\w.+-]+", what):
            name, version = what.split("==")
            entry = file_on_pypi(name, version)
            self.source = f"{name}=={version} {'wheel' if entry['filename'].endswith('.whl') else 'sdist'} from PyPI"
            self.open(entry["filename"], entry["url"])
        else:
            path = pathlib.Path(what)
            self.source = path.name
            if path.is_dir():
                self.names = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())
                self.text = lambda name: (path / name).read_text(errors="replace")
            else:
                self.open(path.name, path)

    def open(self, filename, where):
        remote = isinstance(where, str)
        if filename.endswith(".whl"):
            archive = zipfile.ZipFile(Ranges(where) if remote else where)
            self.names = archive.namelist()
            self.text = lambda name: archive.read(name).decode(errors="replace")
            return
        stream = io.BytesIO(urllib.request.urlopen(where, timeout=300).read()) if remote else open(where, "rb")
        archive = tarfile.open(fileobj=stream)
        members = {m.name.split("/", 1)[1]: m for m in archive.getmembers() if m.isfile() and "/" in m.name}
        self.names = sorted(members)
        self.text = lambda name: archive.extractfile(members[name]).read().decode(errors="replace")

    def read(self, name):
        return self.text(name)

    def find(self, pattern):
        wanted = re.compile(pattern)
        return [name for name in self.names if wanted.fullmatch(name)]

    def metadata(self):
        """The lines of METADATA or PKG-INFO."""
        for name in self.names:
            if re.fullmatch(r"[^/]+\.dist-info/METADATA|PKG-INFO", name):
                return self.read(name).splitlines()
        return []
