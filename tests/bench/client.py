"""A light HTTP client in a process of its own: so many connections that send one request again and again.

    python client.py '{"port": 8787, "path": "/", "body": "{}", "connections": 32, "requests": 1000}'

Prints JSON: the seconds it took, how many answers had which status, and the latencies in milliseconds. It
imports nothing of what it measures, and knows just enough of HTTP for answers with a Content-Length.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections import Counter
from typing import Any

LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
CHUNK = 1 << 18
IN_VAIN_S = 60.0


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Send all requests, each connection one at a time, and tell how it went."""
    raw = request(asked)
    left = int(asked["requests"])
    poll = select.epoll()
    connections: dict[int, socket.socket] = {}
    received: dict[int, bytes] = {}
    sent_at: dict[int, float] = {}
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    for _ in range(min(int(asked["connections"]), left)):
        sock = socket.create_connection(("127.0.0.1", int(asked["port"])))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[sock.fileno()] = sock
        received[sock.fileno()] = b""
        poll.register(sock.fileno(), select.EPOLLIN)
    began = time.perf_counter()
    for number, sock in connections.items():
        left -= 1
        sent_at[number] = time.perf_counter()
        sock.sendall(raw)
    while sent_at:
        ready = poll.poll(IN_VAIN_S)
        assert ready, "no answer came"
        for number, _ in ready:
            sock = connections[number]
            data = sock.recv(CHUNK)
            whole = received[number] + data
            if data and not complete(whole):
                received[number] = whole
                continue
            received[number] = b""
            statuses[whole[9:12].decode() if data else "cut"] += 1
            now = time.perf_counter()
            latencies.append(now - sent_at.pop(number))
            if left > 0 and data:
                left -= 1
                sent_at[number] = now
                sock.sendall(raw)
    return {"seconds": time.perf_counter() - began, "statuses": statuses, **spread(latencies)}


def request(asked: dict[str, Any]) -> bytes:
    """Write the request down."""
    body = str(asked.get("body", "")).encode()
    head = f"{asked.get('method', 'POST')} {asked['path']} HTTP/1.1\r\nHost: 127.0.0.1:{asked['port']}\r\n"
    if asked.get("token"):
        head += f"Authorization: Bearer {asked['token']}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def complete(data: bytes) -> bool:
    """Tell whether an answer is there to its end."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    found = LENGTH.search(data, 0, head)
    return found is not None and len(data) >= head + 4 + int(found[1])


def spread(latencies: list[float]) -> dict[str, float]:
    """Tell median and 99th percentile."""
    ordered = sorted(latencies)
    return {"p50_ms": ordered[len(ordered) // 2] * 1e3, "p99_ms": ordered[len(ordered) * 99 // 100] * 1e3}


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
