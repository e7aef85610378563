"""fork, interpreter exit, and the death of the parent; in programs of their own."""

from pathlib import Path

import pytest
from live import HOST, Peer, wait_for

from .conftest import Run, running

FORK = """
import os, signal, socket, sys
from airwave.serving import Server, ServerError

process = sys.argv[1] == "True"
unused = Server()
server = Server(process=process)
server.start()
client = socket.create_connection((server.host, server.port))
client.sendall(b"PING\\r\\n")
assert client.recv(100) == b"+PONG\\r\\n"
told, tells = os.pipe()
goes_on, go_on = os.pipe()
pid = os.fork()
if not pid:
    try:
        url = server.url                        # it can be connected to from here
        with socket.create_connection((server.host, server.port)) as other:
            other.sendall(b"PING\\r\\n")
            assert other.recv(100) == b"+PONG\\r\\n"
        for function in (server.start, server.stop):
            try:
                function()
            except ServerError as error:
                assert str(error).startswith(f"the server belongs to process {os.getppid()}, "), error
            else:
                raise AssertionError("no error")
        server.__exit__(None, None, None)       # a child that leaves the block
        with Server(process=process) as own:
            assert own.url != url
        unused.start()                          # was never started there
        unused.stop()
    except BaseException as error:
        os.write(tells, repr(error).encode())
        os._exit(1)
    client.close()
    os.write(tells, b"well")
    os.close(go_on)
    os.read(goes_on, 1)                         # alive until the parent has seen all that follows
    del server, function                        # no word about a server that is the parent's to stop
    sys.exit()                                  # with all exit handlers

said = os.read(told, 1000)
assert said == b"well", said
client.sendall(b"PING\\r\\n")
assert client.recv(100) == b"+PONG\\r\\n"       # the child harmed nobody
server.stop()
assert client.recv(100) == b""                  # and holds no connection
with socket.socket() as sock:
    assert sock.connect_ex((server.host, server.port)) != 0
client.close()
os.close(go_on)
assert os.waitpid(pid, 0)[1] == 0
print("done")
"""


def test_a_forked_child_has_no_part_in_the_server(run: Run, process: bool) -> None:
    done = run(FORK, str(process))
    assert (done.stdout, done.stderr) == ("done\n", "")


KILLED = """
import os, signal, sys
from airwave.serving import Server

directory = sys.argv[1]
told, tells = os.pipe()
if not (parent := os.fork()):
    server = Server(dir=directory, appendonly="yes")
    server.start()
    if not os.fork():
        while os.read(told, 1) != b"!":         # alive until the end of the program
            pass
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(parent, 0)
with Server(dir=directory, appendonly="yes"):
    print("done")
os.write(tells, b"!")
"""


def test_a_forked_child_does_not_keep_the_directory_of_a_server_that_is_gone(run: Run, tmp_path: Path) -> None:
    done = run(KILLED, str(tmp_path))
    assert (done.stdout, done.stderr) == ("done\n", "")


EXIT = """
import socket, sys
from airwave.serving import Server

server = Server(process=sys.argv[1] == "True", shutdown_timeout=1000, client_output_buffer_limit="pubsub 0 0 0")
server.start()
stuck, publisher = [socket.create_connection((server.host, server.port)) for _ in range(2)]
stuck.sendall(b"SUBSCRIBE x\\r\\n")
stuck.recv(100)
publisher.sendall(b"*3\\r\\n$7\\r\\nPUBLISH\\r\\n$1\\r\\nx\\r\\n$10000000\\r\\n" + bytes(10_000_000) + b"\\r\\n")
assert publisher.recv(100) == b":1\\r\\n"
publisher.close()
stuck.detach()                                  # stays open
print(server.port)
if sys.argv[2] == "raise":
    raise SystemExit(3)
"""


@pytest.mark.parametrize("how", ["end", "raise"])
def test_interpreter_exit_stops_it_and_waits_for_no_client(run: Run, process: bool, how: str) -> None:
    done = run(EXIT, str(process), how)
    assert done.returncode == (3 if how == "raise" else 0)
    assert done.stderr.startswith("clients did not take all that was sent to them  clients=1 bytes=")
    assert done.stderr.count("\n") == 1
    with pytest.raises(OSError, match="refused"):
        Peer((HOST, int(done.stdout)))


ORPHAN = """
import os, sys, time
from airwave.serving import Server

server = Server(process=True)
server.start()
if not os.fork():                               # has the pipes of its parent, too, unless it lets go of them
    sys.stdout.close()
    sys.stdin.read()
    os._exit(0)
print(server.port, flush=True)
sys.stdin.read()
"""


def test_the_child_process_ends_when_its_parent_is_killed() -> None:
    with running(ORPHAN) as (parent, port):
        with Peer((HOST, port)) as peer:
            assert peer.do("PING") == b"PONG"
            parent.kill()
            assert peer.is_closed()
        wait_for(lambda: _refused(port), "the end of the child")


def _refused(port: int) -> bool:
    try:
        Peer((HOST, port)).close()
    except ConnectionRefusedError:
        return True
    return False
