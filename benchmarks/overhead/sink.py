"""Takes what speaks no OTLP, and counts it: traces for Datadog's agent, envelopes, telemetry items.

python sink.py PORT; `GET /counts` tells. Runs apart, so that its CPU is nobody's.
"""

import gzip
import json
import sys
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_counts: dict[str, Counter[str]] = {
    "ddtrace": Counter(),
    "sentry": Counter(),
    "azure": Counter(),
}
_AGENT = {"version": "7.70.0", "endpoints": ["/v0.5/traces"], "client_drop_p0s": True}


class Sink(BaseHTTPRequestHandler):
    """Answers everything with 200, as the real ones do."""

    protocol_version = "HTTP/1.1"
    # An answer in one packet and at once: a sink that waits would be measured as its sender.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Tell what was counted, and to a tracer that it speaks with an agent."""
        said = _AGENT if self.path == "/info" else _counts
        self._answer(json.dumps(said).encode())

    def do_PUT(self) -> None:
        """Take traces, by whichever method a version of ddtrace sends them."""
        self.do_POST()

    def do_POST(self) -> None:
        """Take traces, envelopes and telemetry items."""
        body = self._body()
        # Counted by their header: one span of each is certain.
        if (traces := self.headers.get("x-datadog-trace-count")) is not None:
            _counts["ddtrace"]["spans"] += int(traces)
            self._answer(b'{"rate_by_service": {}}')
            return
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        elif self.headers.get("content-encoding") == "deflate":
            body = zlib.decompress(body)
        if "/envelope/" in self.path:
            _count_envelope(body)
            self._answer(b"{}")
        else:
            lines = json.loads(body) if body.startswith(b"[") else body.splitlines()
            _count_azure([json.loads(one) if isinstance(one, bytes) else one for one in lines])
            said = {"itemsReceived": len(lines), "itemsAccepted": len(lines), "errors": []}
            self._answer(json.dumps(said).encode())

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def _count_envelope(body: bytes) -> None:
    """Count by https://develop.sentry.dev/sdk/data-model/envelopes/."""
    _, _, rest = body.partition(b"\n")
    while rest.strip():
        line, _, rest = rest.partition(b"\n")
        header = json.loads(line)
        # Without a length, it is the rest of the line.
        length = header.get("length", len(rest.partition(b"\n")[0]))
        payload, rest = rest[:length], rest[length:].lstrip(b"\n")
        if header["type"] == "transaction":
            _counts["sentry"]["spans"] += 1 + len(json.loads(payload)["spans"])
        elif header["type"] == "log":
            _counts["sentry"]["log_records"] += header.get("item_count", 1)
        elif header["type"] == "trace_metric":
            _counts["sentry"]["metric_points"] += header.get("item_count", 1)


_AZURE = {
    "RequestData": "spans",
    "RemoteDependencyData": "spans",
    "MessageData": "log_records",
    "MetricData": "metric_points",
}


def _count_azure(items: list[dict[str, dict[str, str]]]) -> None:
    for item in items:
        if kind := _AZURE.get(item["data"]["baseType"]):
            _counts["azure"][kind] += 1


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
