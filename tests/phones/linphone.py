"""linphone (linphonec) as a phone, told by its standard input. See line.py for what it is told and tells."""

import argparse
import os
import pathlib
import pty
import re
import select
import subprocess
import termios

from line import Commands, dies_with_us, fail, tell

# The name is not compared: its TLS library finds no IP address in a certificate. Who signed it is.
CONFIG = """
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
bind_address={address}
guess_hostname=0
use_ipv6=0
ipv6_migration_done=1
contact=sip:{user}@{at}
verify_server_certs=1
verify_server_cn=0
root_ca={ca}
default_proxy={proxy}
register_only_when_network_is_up=0
[rtp]
prefer_ipv6=0
audio_rtp_port=-1
video_rtp_port=-1
text_rtp_port=-1
[sound]
local_ring=
remote_ring=
[net]
dns_srv_enabled=0
"""
ACCOUNT = """
[proxy_0]
reg_proxy=<sip:{server};transport={transport}>
reg_route=<sip:{server};transport={transport};lr>
reg_identity=sip:{user}@{host}
reg_expires=600
reg_sendregister={registers}
publish=0
"""
SECRET = """
[auth_info_0]
username={user}
passwd={password}
"""
# What it prints, and what that means.
LINES = [
    (r"Receiving new incoming call from (?P<remote>.*), assigned id (?P<call>\d+)", "incoming"),
    (r"Establishing call id to (?P<remote>.*), assigned id (?P<call>\d+)", "calling"),
    (r"Call (?P<call>\d+) to (?P<remote>.*) ringing", "ringing"),
    (r"Call (?P<call>\d+) with (?P<remote>.*) connected", "talking"),
    (r"Call (?P<call>\d+) with (?P<remote>.*) is now paused", "held"),
    (r"Media streams established with (?P<remote>.*) for call (?P<call>\d+)", "media"),
    (r"Call (?P<call>\d+) with (?P<remote>.*) ended", "ended"),
    (r"Call (?P<call>\d+) with (?P<remote>.*) error", "ended"),
    (r"Call (?P<call>\d+) has been paused by (?P<remote>.*)", "parked"),
    (r"registered, identity=(?P<remote>\S+)", "registered"),
]


class Phone:
    def __init__(self, folder, log, registers):
        # A terminal: it prints line by line, and looks after its calls while nobody types.
        self.output, theirs = pty.openpty()
        settings = termios.tcgetattr(theirs)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        self.process = subprocess.Popen(
            ["linphonec", "-S", "-c", folder / "linphonerc", "-d", "6", "-l", log],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.STDOUT,
            preexec_fn=dies_with_us,
            env={**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "TERM": "dumb"},
        )
        os.close(theirs)
        self.rest = ""
        self.state = "starts"
        self.resumes = False
        # It says nothing of its registration by itself: it is asked until it has one.
        self.registers = registers

    def say(self, line):
        os.write(self.output, line.encode() + b"\n")

    def read(self):
        try:
            chunk = os.read(self.output, 65536)
        except OSError:
            fail("linphonec is gone")
        *lines, self.rest = (self.rest + chunk.decode(errors="replace")).split("\n")
        for line in lines:
            self.printed(line)
        if self.state == "starts" and self.rest.startswith("linphonec> "):
            self.state = "chooses"
            self.say("soundcard use files")
        elif self.state == "chooses" and self.rest.startswith("linphonec> "):
            self.state = "ready"
            tell("ready")

    def printed(self, line):
        print(line, flush=True)
        for pattern, event in LINES:
            if found := re.search(pattern, line):
                more = found.groupdict()
                if more.get("call"):
                    more["call"] = int(more["call"])
                if event == "registered":
                    self.registers = False
                if event == "media" and self.resumes:
                    event, self.resumes = "resumed", False
                tell(event, **more)
                return

    def obey(self, command):
        what, call = command["do"], command.get("call")
        if what == "call":
            self.say(f"call {command['to']}")
        elif what == "answer":
            self.say(f"answer {call}")
        elif what == "hold":
            self.say("pause")
        elif what == "resume":
            self.resumes = True
            self.say(f"resume {call}")
        elif what == "refer":
            self.say(f"transfer {call} {command['to']}")
        elif what == "attend":
            self.say(f"transfer {call} --to-call {command['with']}")
        elif what == "hangup":
            self.say(f"terminate {call}")
        else:
            raise ValueError(what)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password")
    parser.add_argument("--transport", choices=["udp", "tcp", "tls"], default="udp")
    parser.add_argument("--ca", default="")
    parser.add_argument("--log", required=True)
    return parser.parse_args()


def folder_of(asked):
    folder = pathlib.Path(asked.log).with_suffix(".d")
    (folder / ".local/share/linphone").mkdir(parents=True)
    address, port = asked.at.rsplit(":", 1)
    ports = {kind: port if kind == asked.transport else -1 for kind in ("udp", "tcp", "tls")}
    text = CONFIG.format(
        address=address,
        at=asked.at,
        user=asked.user,
        ca=asked.ca,
        proxy=0 if asked.password else -1,
        **ports,
    )
    if asked.password:
        host = asked.server.rsplit(":", 1)[0]
        text += ACCOUNT.format(server=asked.server, host=host, user=asked.user, transport=asked.transport, registers=1)
        text += SECRET.format(user=asked.user, password=asked.password)
    (folder / "linphonerc").write_text(text)
    return folder


def main():
    asked = options()
    phone, commands = Phone(folder_of(asked), asked.log, bool(asked.password)), Commands()
    while True:
        asks = phone.registers and phone.state == "ready"
        ready, _, _ = select.select([0, phone.output], [], [], 0.1 if asks else None)
        if not ready:
            phone.say("status register")
        if phone.output in ready:
            phone.read()
        try:
            for command in commands:
                phone.obey(command)
        except EOFError:
            return


main()
