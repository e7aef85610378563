"""How long the garbage collector holds a server with many subscribers. Not a test: run it on an idle machine.

    python tests/server/gc_pauses.py [SUBSCRIBERS]

Per generation: collections, the longest in ms of wall time and of CPU time, and the median wall time.
"""

import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live import HOST, Node, descriptors_for_test, wait_for

# What the server runs at its start: note each collection, write all of them to a file at SIGUSR1.
HOOK = """
import gc, json, os, signal, time
pauses, begun = [], [0.0, 0.0]
def note(phase, info):
    if phase == "start":
        begun[:] = time.perf_counter(), time.thread_time()
    else:
        pauses.append((info["generation"], time.perf_counter() - begun[0], time.thread_time() - begun[1]))
def tell(*_):
    with open(os.environ["GC_PAUSES"] + ".new", "w") as file:
        json.dump([pauses, gc.get_freeze_count(), len(gc.get_objects())], file)
    os.rename(os.environ["GC_PAUSES"] + ".new", os.environ["GC_PAUSES"])
    pauses.clear()
gc.callbacks.append(note)
signal.signal(signal.SIGUSR1, tell)
"""
SUBSCRIBE = b"SUBSCRIBE crowd\r\n"
PUBLISH = b"PUBLISH nobody hello\r\n"


def report(node: Node, path: Path, what: str) -> None:
    path.unlink(missing_ok=True)
    node.signal(signal.SIGUSR1)
    with node.connect() as peer:  # so that its loop turns and Python sees the signal
        peer.do("PING")
    wait_for(path.exists, "the figures")
    pauses, frozen, young = json.loads(path.read_text())
    print(f"{what}: {frozen} objects frozen, {young} looked at")
    for generation in range(3):
        of_this = [(wall, cpu) for number, wall, cpu in pauses if number == generation]
        if of_this:
            walls, cpus = [sorted(each) for each in zip(*of_this, strict=True)]
            longest = f"longest {walls[-1] * 1e3:.2f} ms (CPU {cpus[-1] * 1e3:.2f})"
            print(f"    generation {generation}: {len(walls)}, {longest}, median {walls[len(walls) // 2] * 1e3:.2f} ms")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, descriptors_for_test(count + 100):
        Path(folder, "sitecustomize.py").write_text(HOOK)
        path = Path(folder, "pauses.json")
        os.environ |= {"GC_PAUSES": str(path), "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
        with Node("--maxclients", str(count + 50)) as node:
            report(node, path, "start")
            peers = []
            for _ in range(count):
                peers.append(socket.create_connection((HOST, node.port)))
                peers[-1].sendall(SUBSCRIBE)
            for peer in peers:
                peer.recv(100)
            report(node, path, f"{count} subscribers came")
            with node.connect() as publisher:
                for _ in range(10):
                    publisher.do("PUBLISH", "crowd", "hello")
                for _ in range(100):
                    publisher.send_raw(PUBLISH * 1000)
                    for _ in range(1000):
                        publisher.read()
                for _ in range(10):
                    publisher.do("CLIENT", "LIST")
            report(node, path, "10 messages to each, 100,000 to nobody, 10 CLIENT LIST")
            for peer in peers:
                peer.close()
            with node.connect() as admin:
                wait_for(lambda: admin.info("clients")["connected_clients"] == "1", "all to have left")
            report(node, path, "all have left")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
