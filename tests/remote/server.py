"""A loopback server of checkpoint folders that can misbehave in each way that servers do.

The first part of a path names the manner: /plain/FOLDER/FILE is served well, /no-ranges/FOLDER/FILE with 200
for everything, and so on (the functions below). Under /hub lies a Hugging Face hub: /hub/ORG/NAME/resolve/REV/FILE
and /hub/api/models/ORG/NAME/tree/REV. Every request is recorded.
"""
import http.server
import json
import pathlib
import re
import socket
import ssl
import threading
import urllib.parse

TOKEN = "hf_loopback"
PAGE = 3  # files on one page of the hub's list


class Record:
    """What was asked and sent, and how much of it at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        self.requests, self.bytes, self.now, self.most = [], 0, 0, 0

    def begin(self, path, headers):
        with self.lock:
            self.requests.append((path, headers))
            self.now += 1
            self.most = max(self.most, self.now)

    def end(self, sent):
        with self.lock:
            self.now -= 1
            self.bytes += sent


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.record.begin(self.path, dict(self.headers))
        self.sent = 0
        server.stopped.wait(server.latency)
        try:
            path = urllib.parse.urlsplit(self.path).path
            manner, _, rest = path.lstrip("/").partition("/")
            MANNERS.get(manner, absent)(self, urllib.parse.unquote(rest))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            server.record.end(self.sent)

    # ---- answers
    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.write(body)

    def write(self, body):
        self.wfile.write(body)
        self.sent += len(body)  # as far as the socket takes it

    def range(self, size):
        """(begin, end) of the bytes asked for; None: all."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(found[1]), min(int(found[2]) + 1, size)) if found else None

    def file(self, name):
        path = self.server.root / name
        return path if path.is_file() and ".." not in name.split("/") else None

    def part(self, path):
        """The bytes asked for, and the Content-Range that tells the truth."""
        size = path.stat().st_size
        begin, end = self.range(size) or (0, size)
        with open(path, "rb") as file:
            file.seek(begin)
            return file.read(max(0, end - begin)), begin, end, size


def absent(h, name):
    h.answer(404, b"<html>no such page</html>")


def plain(h, name):
    path = h.file(name)
    if path is None:
        return absent(h, name)
    body, begin, end, size = h.part(path)
    if h.range(size) is None:
        return h.answer(200, body)
    if begin >= size:
        return h.answer(416, Content_Range=f"bytes */{size}")
    h.answer(206, body, Content_Range=f"bytes {begin}-{end - 1}/{size}")


def whole_files(h, name):
    path = h.file(name)
    if path is None:
        return absent(h, name)
    h.answer(200, path.read_bytes())


def misbehaving(wrong):
    """`wrong(h, path)` answers for weight files; all else is served well."""
    def manner(h, name):
        path = h.file(name)
        if path is None or not name.endswith(".safetensors"):
            return plain(h, name)
        wrong(h, path)
    return manner


def lying_begin(h, path):
    body, begin, end, size = h.part(path)
    h.answer(206, body, Content_Range=f"bytes {begin + 8}-{end + 7}/{size + 8}")


def lying_total(h, path):
    body, begin, end, size = h.part(path)
    h.answer(206, body, Content_Range=f"bytes {begin}-{end - 1}/{size * (2 if begin == 0 else 3)}")


def short_part(h, path):
    body, begin, end, size = h.part(path)
    h.answer(206, body[:-5], Content_Range=f"bytes {begin}-{end - 1}/{size}")


def long_part(h, path):
    body, begin, end, size = h.part(path)
    h.answer(206, body + b"12345", Content_Range=f"bytes {begin}-{end - 1}/{size}")


def bad_part(h, path):
    h.answer(206, h.part(path)[0], Content_Range="bytes of it")


def no_total(h, path):
    body, begin, end, _ = h.part(path)
    h.answer(206, body, Content_Range=f"bytes {begin}-{end - 1}/*")


def cut(h, path):
    body, begin, end, size = h.part(path)
    h.answer(206, body[:100], Content_Length=str(len(body)), Content_Range=f"bytes {begin}-{end - 1}/{size}")
    h.close_connection = True
    h.connection.shutdown(socket.SHUT_RDWR)


def garbage(h, path):
    h.wfile.write(b"this is no HTTP\r\n\r\n" * 4)
    h.close_connection = True


def silent(h, path):
    h.server.stopped.wait(60)
    h.close_connection = True


def crawling(h, path):
    body, begin, end, size = h.part(path)
    h.send_response(206)
    h.send_header("Content-Length", str(len(body)))
    h.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
    h.end_headers()
    for byte in body:
        h.write(bytes([byte]))
        if h.server.stopped.wait(0.1):
            break
    h.close_connection = True


def compressed(h, path):
    body, begin, end, size = h.part(path)
    h.answer(206, body, Content_Encoding="gzip", Content_Range=f"bytes {begin}-{end - 1}/{size}")


def status(code, **headers):
    return lambda h, name: h.answer(code, b"<html>an error page</html>", **headers)


def busy_twice(h, name):
    """503 for the first two requests of each file."""
    seen = sum(1 for path, _ in h.server.record.requests if path == h.path)
    if seen <= 2:
        return h.answer(503, b"busy", Retry_After="0")
    plain(h, name)


def redirect(to):
    return lambda h, name: h.answer(302, b"", Location=to(h, name))


def hub(h, name):
    """The API's list in pages, and files by a redirect to the other server, as the real hub does."""
    listed = re.fullmatch(r"api/models/([^/]+)/([^/]+)/tree/([^/]+)", name)
    file = re.fullmatch(r"([^/]+)/([^/]+)/resolve/([^/]+)/(.+)", name)
    where = listed or file
    if where is None or where[3] not in ("main", "v1"):
        return absent(h, name)
    if where[1] == "private" and h.headers.get("Authorization") != f"Bearer {TOKEN}":
        return h.answer(401, b"Invalid username or password.")
    if listed and where[1] == "garbled":
        return h.answer(200, b"<html>maintenance</html>")
    if listed and where[1] == "endless":
        return h.answer(200, b"[]", Link=f'<http://{h.headers["Host"]}{h.path}>; rel="next"')
    if listed:
        return hub_list(h, where[2], 1 if where[1] == "liar" else 0)
    if file[4].endswith(".safetensors"):
        return h.answer(302, b"", Location=f"{h.server.other}/plain/{file[2]}/{file[4]}?X-Signature=1")
    plain(h, f"{file[2]}/{file[4]}")


def hub_list(h, folder, lie):
    root = h.server.root / folder
    if not root.is_dir():
        return absent(h, folder)
    names = sorted(p.name for p in root.iterdir() if p.is_file())
    items = [{"type": "directory", "path": "onnx", "size": 0}, {"type": "file", "path": "onnx/model.safetensors", "size": 9}]
    items += [{"type": "file", "path": n, "size": (root / n).stat().st_size + lie, "oid": "0"} for n in names]
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(h.path).query)
    at = int(query.get("cursor", ["0"])[0])
    more = at + PAGE < len(items)
    link = f'<http://{h.headers["Host"]}{h.path.split("?")[0]}?recursive=1&cursor={at + PAGE}>; rel="next"'
    h.answer(200, json.dumps(items[at:at + PAGE]).encode(), Link=link if more else None)


MANNERS = {
    "plain": plain, "no-ranges": whole_files, "lying-begin": misbehaving(lying_begin),
    "lying-total": misbehaving(lying_total), "short": misbehaving(short_part), "long": misbehaving(long_part),
    "bad-part": misbehaving(bad_part), "no-total": misbehaving(no_total), "cut": misbehaving(cut),
    "garbage": misbehaving(garbage), "silent": misbehaving(silent), "crawling": misbehaving(crawling),
    "compressed": misbehaving(compressed), "unauthorised": status(401), "forbidden": status(403),
    "broken": status(500), "later": status(429, Retry_After="3600"), "teapot": status(418),
    "busy-twice": busy_twice, "hub": hub,
    "moved": redirect(lambda h, name: f"/plain/{name}"),
    "loop": redirect(lambda h, name: f"/loop/{name}"),
    "to-other": redirect(lambda h, name: f"{h.server.other}/plain/{name}"),
    "to-file": redirect(lambda h, name: f"file://{h.server.root}/{name}"),
    "to-password": redirect(lambda h, name: f"{h.server.other.replace('://', '://user:password@')}/plain/{name}"),
}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.record, self.stopped, self.other = pathlib.Path(root), Record(), threading.Event(), ""
        self.latency = 0  # seconds before each answer
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.address = f"{scheme}://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that does not trust the certificate hangs up

    def close(self):
        self.stopped.set()
        self.shutdown()
        self.server_close()
