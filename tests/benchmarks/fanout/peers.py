"""Other servers in the same harness, where they are installed: each sends the same to the same."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from benchmarks.fanout.processes import LIMIT_S, reading
from benchmarks.fanout.wire import cpu_s_of

HERE = Path(__file__).resolve().parent
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


class Publisher(Protocol):
    """What lets a peer send."""

    def send(self, burst: int) -> None:
        """Send so many messages together, and return when the peer has taken them."""
        ...


class Peer:
    """A peer with clients.

    Args:
        pids: Its processes.
        publisher: Lets it send.
        clients: How many there are.
    """

    def __init__(self, pids: list[int], publisher: Publisher, clients: int) -> None:
        self._pids = pids
        self._publisher = publisher
        self._clients = clients

    def cost_us(self, messages: int, burst: int) -> float:
        """Return the microseconds of CPU for each message delivered."""
        before = sum(map(cpu_s_of, self._pids))
        for turn in range(messages // burst):
            self._publisher.send(burst)
            if turn % 10 == 0:
                time.sleep(0.001 * burst)
        # What it still holds goes out.
        time.sleep(0.2)
        cpu_s = sum(map(cpu_s_of, self._pids)) - before
        return cpu_s / messages / self._clients * 1e6


class Nats:
    """Publishes over NATS' own protocol."""

    def __init__(self, port: int, payload: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self._file = self._socket.makefile("rb")
        self._file.readline()
        self._socket.sendall(b'CONNECT {"verbose":false}\r\n')
        self._message = b"PUB bench %d\r\n%b\r\n" % (payload, b"x" * payload)

    def send(self, burst: int) -> None:
        self._socket.sendall(self._message * burst + b"PING\r\n")
        while self._file.readline() != b"PONG\r\n":
            pass

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Nchan:
    """Publishes over HTTP, a request for each message."""

    def __init__(self, port: int, payload: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        self._body = b"x" * payload

    def send(self, burst: int) -> None:
        for _ in range(burst):
            self._http.request("POST", "/pub", self._body)
            self._http.getresponse().read()

    def close(self) -> None:
        self._http.close()


class NodeWs:
    """Tells the process to send."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, burst: int) -> None:
        self.run(burst, burst)

    def run(self, messages: int, burst: int) -> None:
        """Let it send by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"messages": messages, "burst": burst}) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()


class NodePeer(Peer):
    """Node's ws, which paces itself."""

    def __init__(self, process: subprocess.Popen[str], clients: int) -> None:
        super().__init__([process.pid], NodeWs(process), clients)
        self._ws = NodeWs(process)

    def cost_us(self, messages: int, burst: int) -> float:
        before = sum(map(cpu_s_of, self._pids))
        self._ws.run(messages, burst)
        time.sleep(0.2)
        return (cpu_s_of(self._pids[0]) - before) / messages / self._clients * 1e6


def installed(name: str) -> bool:
    """Return whether a peer can be run here."""
    if name == "NATS":
        return shutil.which("nats-server") is not None
    if name == "nginx + nchan":
        return shutil.which("nginx") is not None and NCHAN.exists()
    node = shutil.which("node")
    if node is None:
        return False
    found = subprocess.run(
        [node, "-e", 'require.resolve("ws")'], cwd=HERE, capture_output=True, check=False
    )
    return found.returncode == 0


@contextmanager
def peer(name: str, folder: Path, clients: int, frame_bytes: int) -> Iterator[Peer]:
    """Run a peer with clients; its frames have the size of ours."""
    open_peer = {"NATS": open_nats, "nginx + nchan": open_nchan, "ws": open_ws}[name]
    with ExitStack() as stack:
        # Four bytes are the frame's head.
        found, port = open_peer(stack, folder, frame_bytes - 4, clients)
        stack.enter_context(reading(name, port, clients))
        yield found


def open_nats(stack: ExitStack, folder: Path, payload: int, clients: int) -> tuple[Peer, int]:
    """Run NATS; clients come over WebSocket, and each message has a line of its own before it."""
    port, web_port = free_ports(2)
    config = folder / "nats.conf"
    config.write_text(NATS_CONFIG.format(port=port, web_port=web_port), encoding="utf-8")
    process = started(stack, "nats-server", "-c", str(config))
    wait_for(port)
    publisher = Nats(port, payload - len("MSG bench 1 270\r\n\r\n"))
    stack.callback(publisher.close)
    return Peer([process.pid], publisher, clients), web_port


def open_nchan(stack: ExitStack, folder: Path, payload: int, clients: int) -> tuple[Peer, int]:
    """Run nginx as one process."""
    [port] = free_ports(1)
    config = folder / "nginx.conf"
    text = NGINX_CONFIG.format(nchan=NCHAN, folder=folder, port=port)
    config.write_text(text, encoding="utf-8")
    process = started(stack, "nginx", "-c", str(config), "-p", str(folder))
    wait_for(port)
    publisher = Nchan(port, payload)
    stack.callback(publisher.close)
    return Peer([process.pid], publisher, clients), port


def open_ws(stack: ExitStack, _: Path, payload: int, clients: int) -> tuple[Peer, int]:
    """Run a server of Node's ws."""
    process = started(stack, "node", str(HERE / "ws_server.cjs"), str(payload))
    assert process.stdout is not None
    port: int = json.loads(process.stdout.readline())["port"]
    return NodePeer(process, clients), port


NATS_CONFIG = """
host: "127.0.0.1"
port: {port}
websocket {{ host: "127.0.0.1", port: {web_port}, no_tls: true }}
"""
NGINX_CONFIG = """
load_module {nchan};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000;
    location = /pub {{ nchan_publisher http; nchan_channel_id bench; nchan_store_messages off; }}
    location = /sub {{ nchan_subscriber websocket; nchan_channel_id bench; }}
  }}
}}
"""


def started(stack: ExitStack, *command: str) -> subprocess.Popen[str]:
    """Run a program until the stack closes."""
    process = subprocess.Popen(
        [*on_one_core(), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=HERE,
    )

    def end() -> None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    stack.callback(end)
    return process


def on_one_core() -> list[str]:
    """Return what holds a program on the core where ours runs, nothing where that is not there."""
    found = shutil.which("taskset")
    return [found, "-c", str(min(os.sched_getaffinity(0)))] if found else []


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_for(port: int) -> None:
    """Wait until somebody listens.

    Raises:
        TimeoutError: Nobody does.
    """
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nobody listens on {port}")
