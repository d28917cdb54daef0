"""A strategy host: a process that holds foreign strategies and answers the daemon, one by one.

Run as `python -m adapters.strategies.host <fd of its socket>`. It owns nothing but its seats; it
ends with its daemon, however that ends. What strategies print goes to the daemon's log.
"""

import os
import select
import socket
import sys
import threading
from typing import assert_never

from adapters.strategies.inline import InlineRunner
from adapters.strategies.wire import (
    Answer,
    Close,
    Decide,
    Open,
    Request,
    decode_requests,
    encode_answer,
)

HELLO = b"ready\n"


def main(channel: socket.socket) -> None:
    """Serve until the daemon hangs up. Each answer leaves at once: the next one is being served."""
    threading.Thread(target=_end_with_daemon, args=(channel.fileno(),), daemon=True).start()
    runner = InlineRunner()
    channel.sendall(HELLO)
    for line in channel.makefile("rb"):
        for number, request in decode_requests(line):
            channel.sendall(encode_answer(number, _serve(runner, request)))


def _serve(runner: InlineRunner, request: Request) -> Answer | None:
    match request:
        case Decide(session_id, candle, view, rebuild):
            return runner.decide_now(session_id, candle, view, rebuild)
        case Open(session_id, spec, candles, rebuild):
            return runner.open_now(session_id, spec, candles, rebuild)
        case Close(session_id):
            runner.close_now(session_id)
            return None
        case _:
            assert_never(request)


def _end_with_daemon(channel_fd: int) -> None:
    hang_up = select.poll()
    hang_up.register(channel_fd, 0)  # a hang-up is always told
    hang_up.poll()
    os._exit(0)  # also out of the middle of a strategy that never ends


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
