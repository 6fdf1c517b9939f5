"""baresip as a phone, told through its ctrl_tcp module. See line.py for what it is told and tells.

It talks of one call at a time, the current one, and has no attended transfer.
"""

import argparse
import json
import os
import pathlib
import select
import socket
import subprocess
import time

from line import Commands, dies_with_us, fail, tell

CONFIG = """
sip_listen {at}
{trusted}
call_local_timeout 120
call_max_calls 4
audio_source aubridge,loop
audio_player aubridge,loop
audio_alert aubridge,alert
rtp_ports {rtp}-{rtp_end}
ctrl_tcp_listen {control}
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""


class Control:
    """Netstrings of JSON on a socket."""

    def __init__(self, at, baresip):
        self.rest = b""
        # It listens a moment after it was started; there is nothing else to wait for.
        while True:
            try:
                self.socket = socket.create_connection(at)
                break
            except ConnectionRefusedError:
                if baresip.poll() is not None:
                    fail(f"baresip ended: {baresip.returncode}")
                time.sleep(0.02)

    def send(self, command, params=""):
        text = json.dumps({"command": command, "params": params})
        self.socket.sendall(f"{len(text)}:{text},".encode())

    def receive(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            fail("baresip is gone")
        self.rest += chunk
        while b":" in self.rest:
            length, rest = self.rest.split(b":", 1)
            if len(rest) <= int(length):
                return
            yield json.loads(rest[: int(length)])
            self.rest = rest[int(length) + 1 :]


class Phone:
    def __init__(self, control):
        self.control = control
        # What the answer to its own re-INVITE means.
        self.waits = None
        self.is_registered = False
        # It may have registered before anybody listened to it.
        control.send("reginfo")

    def happened(self, event):
        if not event.get("event"):
            if event.get("ok") is False:
                fail(event)
            if "OK" in (event.get("data") or "") and "User Agents" in event["data"]:
                self.registered()
            return
        kind, call = event["type"], event.get("id")
        print(event, flush=True)
        more = {"call": call, "remote": event.get("peeruri"), "code": event.get("param")}
        names = {
            "REGISTER_FAIL": "refused",
            "CALL_RINGING": "ringing",
            "CALL_PROGRESS": "ringing",
            "CALL_ESTABLISHED": "talking",
            "CALL_CLOSED": "ended",
        }
        if kind == "CALL_INCOMING":
            name = event.get("peerdisplayname") or ""
            tell("incoming", call=call, remote=event["peeruri"], name=name)
        elif kind == "CALL_REMOTE_SDP" and event["param"] == "answer" and self.waits:
            tell(self.waits, call=call)
            self.waits = None
        elif kind == "REGISTER_OK":
            self.registered()
        elif kind in names:
            tell(names[kind], **more)

    def registered(self):
        if not self.is_registered:
            self.is_registered = True
            tell("registered")

    def obey(self, command):
        what = command["do"]
        if what == "call":
            self.control.send("dial", command["to"])
            tell("calling", call=None)
        elif what == "answer":
            self.control.send("accept")
        elif what == "hold":
            self.control.send("hold")
            self.waits = "held"
        elif what == "resume":
            self.control.send("resume")
            self.waits = "resumed"
        elif what == "refer":
            self.control.send("transfer", command["to"])
        elif what == "hangup":
            self.control.send("hangup")
        else:
            raise ValueError(what)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password")
    parser.add_argument("--transport", choices=["udp", "tcp", "tls"], default="udp")
    parser.add_argument("--ca")
    parser.add_argument("--log", required=True)
    return parser.parse_args()


def folder_of(asked):
    """Its configuration, in a folder of its own beside the log."""
    folder = pathlib.Path(asked.log).with_suffix(".d")
    folder.mkdir()
    address, port = asked.at.rsplit(":", 1)
    rtp, control = int(port) + 5000, (address, int(port) + 1000)
    trusted = f"sip_cafile {asked.ca}" if asked.ca else ""
    text = CONFIG.format(
        at=asked.at, trusted=trusted, rtp=rtp, rtp_end=rtp + 20, control=f"{control[0]}:{control[1]}"
    )
    (folder / "config").write_text(text)
    account = f"<sip:{asked.user}@{asked.server};transport={asked.transport}>;audio_codecs=PCMA;ptime=20"
    if asked.password:
        account += f";auth_user={asked.user};auth_pass={asked.password}"
    else:
        account += ";regint=0"
    (folder / "accounts").write_text(account + "\n")
    (folder / "contacts").write_text("")
    return folder, control


def main():
    asked = options()
    folder, at = folder_of(asked)
    with open(asked.log, "wb") as log:
        baresip = subprocess.Popen(
            ["baresip", "-f", folder, "-s"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=dies_with_us,
            env={**os.environ, "HOME": str(folder)},
        )
    control = Control(at, baresip)
    tell("ready")
    phone, commands = Phone(control), Commands()
    while True:
        ready, _, _ = select.select([0, phone.control.socket], [], [])
        if phone.control.socket in ready:
            for event in phone.control.receive():
                phone.happened(event)
        try:
            for command in commands:
                phone.obey(command)
        except EOFError:
            return


main()
