# SPDX-License-Identifier: BSD-3-Clause
"""Saved results: what kinds there are, what names a row, which figures it has and which way is better.

A file is {"bench": kind, "machine": {...}, "rows": [{...}, ...]}. A figure is the median over repetitions.
How far it strayed stands beside it: "samples": {figure: [one a repetition]}, or "spread", the distance
from the lowest to the highest repetition as a share of the median.
"""
import json
import os
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Error(Exception):
    """What went wrong, then what to do; a command prints it and exits with 2."""


class Kind:
    def __init__(self, key, figures, aid=()):
        self.key = key          # what names a row
        self.figures = figures  # [(name, unit, higher is better)]: what is compared
        self.aid = aid          # fields whose presence tells the kind where "bench" is missing


KINDS = {
    "path": Kind(["op", "size", "flows", "peers", "macs", "cipher", "mtu", "burst"],
                 [("frames_per_s", "frames/s", True)], ("op", "frames_per_s")),
    "peers": Kind(["name"],
                  [("tcp1_gbps", "Gb/s", True), ("tcp4_gbps", "Gb/s", True), ("udp64_pps", "frames/s", True),
                   ("udp1300_pps", "frames/s", True), ("rtt_p50_us", "us", False), ("rtt_p99_us", "us", False),
                   ("cpu_s_per_gb", "s/GB", False)], ("name", "tcp1_gbps")),
    "handshake": Kind(["what"], [("per_s", "/s", True)], ("what", "per_s")),
    "many": Kind(["op", "size", "workers"], [("frames_per_s", "frames/s", True)], ("workers", "frames_per_s")),
    "setup": Kind(["what"], [("value", "", False)], ("what", "value")),
}


def fail(message, hint=None):
    print(f"{os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))}: {message}", file=sys.stderr)
    if hint:
        print(f"  → {hint}", file=sys.stderr)
    sys.exit(2)


def kind_of(rows):
    for kind in ("many", "handshake", "setup", "peers", "path"):
        if all(all(f in row for f in KINDS[kind].aid) for row in rows):
            return kind
    return None


def load(path):
    """A results file as a dict with "bench", "machine" and "rows"; Error says what is wrong with it."""
    try:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
    except OSError as e:
        raise Error(f"{path}: {e.strerror}") from e
    except ValueError as e:
        raise Error(f"{path} is no JSON: {e}") from e
    if not isinstance(data, dict) or not isinstance(data.get("rows"), list) or not data["rows"] or \
            not all(isinstance(row, dict) for row in data["rows"]):
        raise Error(f"{path} holds no rows: it is not what `tools/bench NAME --json FILE` writes")
    data.setdefault("machine", {})
    if data.get("bench") not in KINDS:
        data["bench"] = kind_of(data["rows"])
        if data["bench"] is None:
            raise Error(f"{path}: rows of no benchmark known here ({', '.join(KINDS)})")
    return data


def save(path, data):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
        f.write("\n")


def row_key(kind, row):
    return tuple(str(row[k]) for k in KINDS[kind].key if k in row)


def row_name(kind, row):
    if kind == "path":
        return f"{row['op']} {row['size']} " + " ".join(
            f"{row[k]} {k}" for k in ("flows", "peers", "macs") if row.get(k, 1) != 1) + \
            ("" if row.get("cipher", "aes-256-gcm") == "aes-256-gcm" else f" {row['cipher']}") + \
            ("" if row.get("mtu", 1500) == 1500 else f" mtu {row['mtu']}") + \
            ("" if row.get("burst", 64) == 64 else f" burst {row['burst']}")
    return " ".join(row_key(kind, row))


def interval(row, figure):
    """(lowest, median, highest) of a figure over its repetitions, or None where it was not measured."""
    value = row.get(figure)
    if value is None:
        return None
    samples = (row.get("samples") or {}).get(figure)
    if samples:
        return min(samples), statistics.median(samples), max(samples)
    half = float(row.get("spread") or 0) / 2
    return value * (1 - half), value, value * (1 + half)


def machine_line(machine):
    """The machine in one line, for a plot's title and a table's foot."""
    parts = [machine.get("cpu") or "unknown CPU"]
    if machine.get("cpus"):
        parts.append(f"{machine['cpus']} cores")
    if machine.get("tsc_hz"):
        parts.append(f"TSC {machine['tsc_hz'] / 1e9:.2f} GHz")
    if machine.get("aead_arch"):
        parts.append(f"ipsec-mb {machine['aead_arch']}")
    if "hugepages" in machine:
        parts.append("hugepages" if machine["hugepages"] else "no hugepages")
    if machine.get("kernel"):
        parts.append(f"Linux {machine['kernel']}")
    if machine.get("commit"):
        parts.append(f"commit {machine['commit']}")
    return ", ".join(parts)


def suspicious(machine):
    """Why figures of this machine's build mean nothing, or None."""
    if machine.get("optimized") is False:
        return "measured from a build without optimization: these figures mean nothing"
    if machine.get("sanitizer"):
        return "measured from a sanitizer build: these figures mean nothing"
    return None


def si(value, digits=3):
    """1234567 → 1.23 M."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale:
            return f"{value / scale:.{digits}g} {unit}"
    return f"{value:.{digits}g}"
