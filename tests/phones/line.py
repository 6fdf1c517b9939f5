"""What the drivers of real phones share: commands come in as JSON lines, events go out as JSON lines.

Commands: {"do": "call", "to": URI}, {"do": "answer"}, "ring", "hold", "resume", "refer" (with "to"), "attend" (joins "call" and
"with"), "hangup"; "call" names the phone's own number of the call. Events: "ready", "registered", "refused",
"incoming", "ringing", "talking", "ended", "held", "resumed" (by us), "parked", "unparked" (by the other side),
"notified" (of a transfer).
"""

import ctypes
import json
import os
import signal
import sys


def take_stdout():
    """Keeps the real standard output for events; whatever else is printed goes to standard error."""
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return events


EVENTS = take_stdout()


def tell(event, **more):
    EVENTS.write(json.dumps({"event": event, **more}) + "\n")
    EVENTS.flush()


class Commands:
    """Whole lines of standard input, as they come; its end is the end of the phone."""

    def __init__(self):
        self.rest = b""
        os.set_blocking(0, False)

    def __iter__(self):
        try:
            chunk = os.read(0, 65536)
        except BlockingIOError:
            return
        if not chunk:
            raise EOFError
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


def dies_with_us():
    """For `preexec_fn`: the kernel kills the phone when its driver ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def fail(why):
    tell("failed", why=str(why))
    sys.exit(1)
