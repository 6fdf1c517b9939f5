#!/usr/bin/env python3
"""What a call costs: sipp calls through a real server to a second sipp, with lookups and CRM writes included.

Half of the callers are known to the embedded CRM, which holds 100,000 contacts; the other half become leads. Every
call is INVITE, 180, 200, ACK, BYE on both legs. Measured are failed calls, retransmissions, the server's own CPU time
(user and system, all its threads, until the last write is done) and its memory with many calls held (PSS).
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
# All of 127/8 is this machine: each party has an address of its own.
SERVER, CARRIER, OFFICE = "127.8.0.1", "127.8.0.2", "127.8.0.3"
EMPLOYEES = 20
LINE = "+551140028922"
RUNS = ("warm-up", "held", "load")

CONFIG = """
[sip]
listen = ["udp:{server}:5060"]
[media]
mode = "bypass"
[store]
url = "sqlite:{folder}/ramal.db"
[trace]
path = "{folder}/trace"
[log]
level = "warn"
[http]
listen = "{server}:8080"
control = "{folder}/ramal.sock"
[limits]
calls = 100000
calls_per_second = 10000
[[trunk]]
name = "carrier"
peers = ["sip:{carrier}:5080"]
options = "0s"
[[pbx]]
name = "office"
peers = ["sip:{office}:5060"]
extensions = "2xxx"
[[queue]]
name = "sales"
members = [{members}]
distribution = "evenly"
[[line]]
number = "{line}"
trunk = "carrier"
queue = "sales"
"""


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", required=True, help="the server, built for release")
    options.add_argument("--rate", type=int, default=200, help="calls a second")
    options.add_argument("--seconds", type=int, default=30, help="how long calls arrive")
    options.add_argument("--talk", type=int, default=1000, help="milliseconds a call is up")
    options.add_argument("--held", type=int, default=2000, help="calls held at once for the memory's sake")
    options.add_argument("--contacts", type=int, default=100_000, help="in the CRM before the first call")
    args = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ramal-load-") as folder:
        run(args, Path(folder))


def run(args, folder):
    prepare(args, folder)
    binary = str(Path(args.binary).resolve())
    config = ["--config", str(folder / "ramal.toml")]
    took = time.monotonic()
    subprocess.run([binary, "crm", "import", str(folder / "contacts.csv"), *config], check=True,
                   stdout=subprocess.DEVNULL)
    print(f"{args.contacts:,} contacts imported in {time.monotonic() - took:.1f} s", flush=True)
    with open(folder / "serve.log", "wb") as log:
        server = subprocess.Popen([binary, *config, "serve"], stdout=log, stderr=log)
    try:
        wait_until("the server is ready", lambda: fetch("/readyz") is not None)
        play(args, folder, "warm-up", rate=args.rate, calls=args.rate * 2, talk=500)
        settle()
        print(f"holding {args.held:,} calls …", flush=True)
        per_call = held_bytes(args, folder, server.pid)
        settle()
        print(f"{args.rate} calls a second for {args.seconds} s …", flush=True)
        calls, resent, asked = args.rate * args.seconds, metric("ramal_sip_retransmissions_total"), lookups()
        before = cpu_seconds(server.pid)
        caller, phone = play(args, folder, "load", args.rate, calls, args.talk)
        settle()
        cpu = cpu_seconds(server.pid) - before
        came_out = ", ".join(f"{n - asked.get(result, 0):,} {result}" for result, n in lookups().items())
        report(args, calls, caller, phone, {
            "lookups": came_out,
            "retransmissions by the server": f"{metric('ramal_sip_retransmissions_total') - resent:,.0f}",
            "CPU seconds per 1,000 calls": f"{cpu * 1000 / calls:.2f}",
            "bytes a held call (PSS)": f"{per_call:,.0f}",
        })
        sys.exit(0 if caller["FailedCall(C)"] == 0 and caller["SuccessfulCall(C)"] == calls else 1)
    except SystemExit:
        raise
    except BaseException:
        print((folder / "serve.log").read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(70)
        except subprocess.TimeoutExpired:
            server.kill()


def prepare(args, folder):
    members = ", ".join(f'"e{i}"' for i in range(EMPLOYEES))
    text = CONFIG.format(server=SERVER, carrier=CARRIER, office=OFFICE, folder=folder, members=members, line=LINE)
    text += "".join(f'[[employee]]\nid = "e{i}"\nextension = "{2000 + i}"\n' for i in range(EMPLOYEES))
    (folder / "ramal.toml").write_text(text)
    with open(folder / "contacts.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "phone", "responsible"])
        rows.writerows((f"Contact {i}", known(i), f"e{i % EMPLOYEES}") for i in range(args.contacts))
    # Known and new callers in turn. A new one who calls again is known by her lead: each run has numbers of its own.
    share = args.contacts // len(RUNS)
    for at, name in enumerate(RUNS):
        with open(folder / f"{name}-numbers.csv", "w") as file:
            file.write("SEQUENTIAL\n")
            for i in range(at * share, (at + 1) * share):
                file.write(f"{known(i)};\n{new(i)};\n")


def known(i):
    return f"+551198{i:07}"


def new(i):
    return f"+552197{i:07}"


def play(args, folder, name, rate, calls, talk):
    """Lets so many calls happen; the last statistics of both sides."""
    caller, phone = start(folder, name, rate, calls, talk)
    # Failed calls make exit codes other than 0; the table says how many.
    caller.wait()
    try:
        phone.wait(10)
    except subprocess.TimeoutExpired:
        phone.terminate()
        phone.wait()
    return statistics(folder / f"{name}-caller.csv"), statistics(folder / f"{name}-phone.csv")


def start(folder, name, rate, calls, talk):
    phone = sipp(folder, f"{name}-phone", "phone.xml", OFFICE, 5060, calls, [])
    more = ["-inf", str(folder / f"{name}-numbers.csv"), "-key", "dialled", LINE, "-d", str(talk)]
    more += ["-r", str(rate), "-l", str(calls), f"{SERVER}:5060"]
    return sipp(folder, f"{name}-caller", "caller.xml", CARRIER, 5080, calls, more), phone


def sipp(folder, name, scenario, address, port, calls, more):
    command = ["sipp", "-sf", str(HERE / scenario), "-i", address, "-p", str(port), "-m", str(calls), "-nostdin",
               "-key", "media", "40000", "-timeout", "600", "-buff_size", "8388608",
               "-trace_stat", "-stf", str(folder / f"{name}.csv"), "-fd", "1", *more]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, "TERM": "xterm"}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def statistics(path):
    lines = path.read_text().splitlines()
    head, last = lines[0].split(";"), lines[-1].split(";")
    wanted = ("SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
    return {key: int(value) for key, value in zip(head, last) if key in wanted}


def held_bytes(args, folder, pid):
    before = pss(pid)
    # Long enough that the first is still up when the last one has come.
    talk = 1000 * (args.held // args.rate) + 8000
    caller, phone = start(folder, "held", args.rate, args.held, talk)
    wait_until("all held calls are up", lambda: metric("ramal_calls_active") >= args.held)
    # What the CRM is owed for them has been written, and no transaction is left: then a held call is all that remains.
    wait_until("what they owe is written", lambda: metric("ramal_crm_outbox_pending") == 0)
    time.sleep(2)
    during = pss(pid)
    caller.wait()
    phone.wait()
    return (during - before) / args.held


def settle():
    """All calls are over, and all that they owed is written."""
    wait_until("all calls are over", lambda: metric("ramal_calls_active") == 0)
    wait_until("the outbox is empty", lambda: metric("ramal_crm_outbox_pending") == 0)


def wait_until(what, true, seconds=90):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(f"not in time: {what}")
        time.sleep(0.1)


def fetch(path):
    try:
        with urllib.request.urlopen(f"http://{SERVER}:8080{path}", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return None


def metric(name):
    text = fetch("/metrics") or ""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith(name) and line[len(name)] in " {")


def lookups():
    """How the lookups came out, by result: that the contacts are really found."""
    found = {}
    for line in (fetch("/metrics") or "").splitlines():
        if line.startswith("ramal_crm_lookup_total{") and 'result="' in line:
            result = line.split('result="', 1)[1].split('"', 1)[0]
            found[result] = found.get(result, 0) + int(float(line.rsplit(" ", 1)[1]))
    return found


def cpu_seconds(pid):
    """What the scheduler counted for each thread: the ticks of /proc/PID/stat miss or double what runs in short bursts."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def pss(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel tells no Pss")


def report(args, calls, caller, phone, measured):
    rows = {
        "calls": f"{calls:,} at {args.rate}/s, {args.rate * args.talk // 1000:,} up at once",
        "failed": f"{calls - caller['SuccessfulCall(C)']:,}",
        "retransmissions by the caller": f"{caller['Retransmissions(C)']:,}",
        "retransmissions by the phone": f"{phone['Retransmissions(C)']:,}",
        **measured,
    }
    width = max(map(len, rows))
    print()
    for key, value in rows.items():
        print(f"{key:<{width}}  {value}")


if __name__ == "__main__":
    main()
