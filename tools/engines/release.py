"""The Python files of one release of a package: from a wheel, an sdist, a folder, or PyPI.

A wheel on PyPI is read in ranges: its table of contents, then only the files that are asked for, so
that a wheel of 400 MB with CUDA binaries costs a few MB. What was read lies in ~/.cache/requant/releases.
"""

import io
import json
import os
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


def cache_of(package, version):
    root = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return root / "requant" / "releases" / f"{package}-{version}"


class Package:
    """The files of a wheel, an sdist, a folder, or NAME==VERSION on PyPI: `members`, and the text of each.

    What was read from PyPI is kept: what was read once needs no network.
    """

    def __init__(self, what):
        self.cache = self.bytes_of = None
        if re.fullmatch(r"[\w.-]+==[\w.+-]+", what):
            self.name, self.version = what.split("==")
            self.cache = cache_of(self.name, self.version)
            self.open_kept(self.cache / "names.json")
        elif pathlib.Path(what).is_dir():
            folder = pathlib.Path(what)
            self.source = folder.name
            self.members = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
            self.bytes_of = lambda name: (folder / name).read_bytes()
        else:
            self.source = pathlib.Path(what).name
            self.open(self.source, pathlib.Path(what))

    def open_kept(self, contents):
        if contents.is_file():
            page = json.loads(contents.read_text())
            self.source, self.members = page["source"], page["names"]
            return
        self.fetch()
        contents.parent.mkdir(parents=True, exist_ok=True)
        write_whole(contents, json.dumps({"source": self.source, "names": self.members}))

    def fetch(self):
        entry = file_on_pypi(self.name, self.version)
        self.source = f"{self.name}=={self.version} {'wheel' if entry['filename'].endswith('.whl') else 'sdist'} from PyPI"
        self.open(entry["filename"], entry["url"])

    def open(self, filename, where):
        remote = isinstance(where, str)
        if filename.endswith(".whl"):
            archive = zipfile.ZipFile(Ranges(where) if remote else where)
            self.members, self.bytes_of = archive.namelist(), archive.read
            return
        stream = io.BytesIO(urllib.request.urlopen(where, timeout=300).read()) if remote else open(where, "rb")
        archive = tarfile.open(fileobj=stream)
        found = {m.name.split("/", 1)[1]: m for m in archive.getmembers() if m.isfile() and "/" in m.name}
        self.members, self.bytes_of = sorted(found), lambda name: archive.extractfile(found[name]).read()
        for name in self.members if remote else []:  # an sdist cannot be read in pieces
            if name.endswith(".py") or name == "PKG-INFO":
                self.text(name)

    def text(self, name):
        kept = self.cache / name if self.cache and ".." not in name.split("/") and not name.startswith("/") else None
        if kept and kept.is_file():
            return kept.read_text()
        if self.bytes_of is None:
            self.fetch()
        text = self.bytes_of(name).decode(errors="replace")
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, text)
        return text


class Release:
    """The sources in a package: `names`, relative to `root` in it, and read(name), the text."""

    def __init__(self, what, root=""):
        self.package = Package(what)
        self.source = self.package.source
        members = self.package.members
        self.root = root if any(name.startswith(root) for name in members) else ""
        self.names = [name.removeprefix(self.root) for name in members if name.startswith(self.root)]

    def read(self, name):
        return self.package.text(self.root + name)

    def find(self, pattern):
        wanted = re.compile(pattern)
        return [name for name in self.names if wanted.fullmatch(name)]

    def metadata(self):
        """The lines of METADATA or PKG-INFO."""
        for name in self.package.members:
            if re.fullmatch(r"[^/]+\.dist-info/METADATA|PKG-INFO", name):
                return self.package.text(name).splitlines()
        return []


def write_whole(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.rename(path)
