"""Lines on standard output and standard error."""

import os
import select
import sys

import typer


def emit(line: str) -> None:
    """Print a line on standard output at once; end the command quietly when nobody reads it any more (`| head -1`)."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        raise typer.Exit(0) from None


def say(line: str) -> None:
    """Print a remark on standard error, where it is not taken for output."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def discard_output() -> None:
    """Send what is still buffered for standard output nowhere; Python complains at exit if flushing it fails."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def output_closed() -> bool:
    """True when the reader of standard output is gone, which a write would find out only with the next message."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # errors are reported without being asked for
    return any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
