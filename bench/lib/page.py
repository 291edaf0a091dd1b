# SPDX-License-Identifier: BSD-3-Clause
"""docs/performance.md: fixed sentences, and numbers from the saved results."""
import os

import results
from plots import base_rows, inner_bytes, path_table, size_label

LAYER2 = {"tinc", "n2n", "fastd", "openvpn"}
OP = {"seal": "seal (LAN→WAN)", "open": "open (WAN→LAN)", "both": "both on the one core"}


def load_all(directory):
    data = {}
    for kind in results.KINDS:
        path = os.path.join(directory, f"{kind}.json")
        if os.path.exists(path):
            data[kind] = results.load(path)
            if data[kind]["bench"] != kind:
                raise results.Error(f"{path} holds results of `{data[kind]['bench']}`")
    if not data:
        raise results.Error(f"{directory} holds no results: run `sudo tools/bench all -o {directory}`")
    return data


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value, digits=3):
    """Three significant digits without an exponent."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


# ---------------------------------------------------------------- goals

def goal(what, reached, wanted, least=True, unit="", row=None):
    """row: the result whose stages say what a missed goal's cycles are spent on."""
    by = reached / wanted - 1 if least else 1 - reached / wanted
    met = by >= 0
    return {"what": what, "reached": f"{number(reached)}{unit}", "goal": f"{'≥' if least else '≤'} {number(wanted)}{unit}", "met": met,
            "by": f"{abs(by) * 100:.0f} % {'better' if met else 'short'}", "row": row}


def find(rows, **fixed):
    found = [r for r in rows if all(r.get(k) == v for k, v in fixed.items())]
    return found[0] if found else None


def path_goals(rows):
    out = []
    one = {"flows": 1, "peers": 1, "macs": 1, "mtu": 1500, "cipher": "aes-256-gcm", "burst": 64}
    for op in ("seal", "open", "both"):
        for size in (64, 512, 1514, "imix", 9000):
            # A jumbo frame over a path that carries it, and over one that does not.
            for mtu in ((1500, 9000) if size == 9000 else (1500,)):
                row = find(rows, op=op, size=size, **{**one, "mtu": mtu})
                if row and row.get("goal"):
                    where = f", path MTU {mtu}" if size == 9000 else ""
                    out.append(goal(f"{OP[op]}, {size_label(size)}{'' if size == 'imix' else ' B'}{where}, ÷ AEAD calls/s",
                                    row["ratio"], row["goal"], row=row))
    for op in ("seal", "open"):
        for size in (64, 1514):
            alone = find(rows, op=op, size=size, **one)
            crowd = find(rows, op=op, size=size, **{**one, "flows": 100000, "peers": 1024, "macs": 1000000})
            if alone and crowd:
                out.append(goal(f"{OP[op]}, {size} B, 1,024 peers, 100,000 flows and 1,000,000 MACs ÷ one of each",
                                crowd["frames_per_s"] / alone["frames_per_s"], 0.5, row=crowd))
    for op in ("seal", "open"):
        row = find(rows, op=op, size=1514, **{**one, "cipher": "chacha20-poly1305"})
        if row:
            out.append(goal(f"{OP[op]}, 1514 B, ChaCha20-Poly1305 ÷ its own AEAD limit", row["ratio"], 0.9, row=row))
    row = find(rows, op="seal", size=64, **{**one, "burst": 1})
    if row:
        out.append(goal("seal, 64 B, alone in its burst, ÷ AEAD calls/s", row["ratio"], 0.6, row=row))
    return out


def peers_goals(rows):
    by = {r["system"]: r for r in rows}
    bare, out = by.get("afxdp"), []

    def add(system, figure, base, text, wanted, least=True):
        if system in by and by[system].get(figure) and base:
            out.append(goal(text, by[system][figure] / base, wanted, least, " ×"))

    if bare:
        add("postern", "tcp1_gbps", bare["tcp1_gbps"], "AF_XDP, TCP ÷ bare AF_XDP forwarding", 0.8)
        add("postern", "udp64_pps", bare["udp64_pps"], "AF_XDP, 64-byte frames ÷ bare AF_XDP forwarding", 1.2)
        add("postern-busy", "rtt_p50_us", bare["rtt_p50_us"], "AF_XDP busy, round trip ÷ bare AF_XDP forwarding", 2, False)
    layer2 = [r["tcp1_gbps"] for r in rows if r["system"] in LAYER2 and r.get("tcp1_gbps")]
    if layer2:
        add("postern-super", "tcp1_gbps", max(layer2), "super-frames, TCP, one stream ÷ best layer-2 peer", 10)
        add("postern-super-nic", "tcp1_gbps", max(layer2), "the same between NICs that cut and merge UDP", 10)
    return out


def goals(data):
    out = []
    if "path" in data:
        out += path_goals(data["path"]["rows"])
    if "peers" in data:
        out += peers_goals(data["peers"]["rows"])
    for row in data.get("many", {"rows": []})["rows"]:
        if row.get("ratio"):
            out.append(goal(f"two workers on two cores ÷ one, {row['size']} B", row["ratio"], row["goal"]))
    for row in data.get("setup", {"rows": []})["rows"]:
        if row.get("goal"):
            out.append(goal(row["what"], row["value"], row["goal"], False, " " + row["unit"]))
    row = find(data.get("handshake", {"rows": []})["rows"], what="library")
    if row:
        out.append(goal("handshakes a second on one core, both sides, library without the signer process", row["per_s"], 4000))
    return out


def goals_section(data):
    rows = [[g["what"], g["goal"], g["reached"], "met" if g["met"] else "**missed**", g["by"]] for g in goals(data)]
    met = sum(g["met"] for g in goals(data))
    return f"""## The goals, and what was reached

{met} of {len(rows)} are met. A ratio to the AEAD limit is one of the same run, by turns, over the same frames.

{table(["goal", "wanted", "reached", "", "by"], rows)}
"""


# ---------------------------------------------------------------- sections

def machine_section(data):
    rows, seen = [], {}
    for kind in ("path", "many", "setup", "handshake", "peers"):
        for key, value in data.get(kind, {}).get("machine", {}).items():
            seen.setdefault(key, value)
    names = {"cpu": "processor", "cpus": "cores", "virtual": "virtual machine", "memory_mib": "memory, MiB", "kernel": "Linux",
             "tsc_hz": "time stamp counter, Hz", "aes": "AES instructions", "hugepages": "hugepages", "dpdk": "DPDK",
             "ipsec_mb": "intel-ipsec-mb", "libsodium": "libsodium", "openssl": "OpenSSL"}
    for key, name in names.items():
        if key in seen:
            value = seen[key]
            rows.append([name, "yes" if value is True else "no" if value is False else
                         f"{value:,.0f}" if isinstance(value, float) else str(value)])
    loads = [d["machine"]["load"] for d in data.values() if "load" in d["machine"]]
    commits = sorted({d["machine"]["commit"] for d in data.values() if d["machine"].get("commit")})
    if commits:
        rows.append(["commit" if len(commits) == 1 else "commits", ", ".join(commits)])
    if loads:
        rows.append(["load average before each benchmark", f"{min(loads):.1f} to {max(loads):.1f}"])
    bad = sorted({results.suspicious(d["machine"]) for d in data.values()} - {None})
    return "## The machine\n\n" + "".join(f"**Warning: {b}.**\n\n" for b in bad) + table(["", ""], rows) + "\n"


def most_of(row, n=3):
    """The stages that take most, in words."""
    stages = sorted((row.get("stages") or {}).items(), key=lambda s: -s[1])[:n]
    return ", ".join(f"{name} {cycles:.0f}" for name, cycles in stages)


def path_section(data, where):
    rows = data["path"]["rows"]
    base, sizes = path_table(base_rows(rows))
    lines = []
    for size in sizes:
        seal, open_, both = (base[op][size] for op in ("seal", "open", "both"))
        lines.append([size_label(size), number(seal["aead_calls_per_s"] / 1e6)] +
                     [f"{number(r['frames_per_s'] / 1e6)} ({r['ratio']:.2f})" for r in (seal, open_, both)] +
                     [number(r["frames_per_s"] * inner_bytes(size) * 8 / 1e9) for r in (seal, open_, both)] +
                     [number(seal["frames_per_packet"]), f"{seal['wire_bytes_per_inner_byte']:.3f}", f"{both['spread'] * 100:.0f} %"])
    text = f"""## One core, memory to memory

The real pipeline from port to port, no NIC, AES-256-GCM, path MTU 1500, one flow, peer and MAC, bursts of 64; UDP over IPv4, checked
at the far end. Million frames a second, in brackets the ratio to the AEAD alone at one call a frame.

{table(["bytes", "AEAD alone", "seal", "open", "both", "seal Gb/s", "open Gb/s", "both Gb/s", "frames/packet", "wire/inner", "spread"], lines)}

![throughput by size]({where}/path-throughput.svg)
"""
    staged = [r for r in base_rows(rows) if r.get("stages") and r["op"] in ("seal", "open")]
    if staged:
        lines = [[f"{r['op']} {size_label(r['size'])}", f"{r['cycles_per_frame']:.0f}", f"{r['aead_cycles']:.0f}", f"{r['copy_cycles']:.0f}",
                  most_of(r, 5)] for r in staged if r["size"] in (64, 512, 1514, "imix", 9000)]
        text += f"""
Where the cycles go, by a build that reads the clock between stages (which itself takes some of them):

{table(["", "cycles/frame", "AEAD alone", "copy alone", "most of it, in cycles"], lines)}

![cycles by stage]({where}/path-stages.svg)
"""
    return text


def growth_section(data, where):
    text = "## How it grows\n"
    if "path" in data:
        base, _ = path_table(base_rows(data["path"]["rows"]))
        lines, names = [], []
        for row in data["path"]["rows"]:
            name = (row["flows"], row["peers"], row["macs"])
            if name != (1, 1, 1) and name not in names and row["burst"] == 64:
                names.append(name)
        for flows, peers, macs in names:
            cells = [f"{flows:,}", f"{peers:,}", f"{macs:,}"]
            for op in ("seal", "open"):
                for size in (64, 512, 1514):
                    row = find(data["path"]["rows"], op=op, size=size, flows=flows, peers=peers, macs=macs, cipher="aes-256-gcm", mtu=1500)
                    cells.append(f"{row['frames_per_s'] / base[op][size]['frames_per_s']:.2f}" if row else "–")
            lines.append(cells)
        text += f"""
**Flows, peers, MACs** (measured): share of the rate with one of each. Flows and MACs cost what their table entries cost to fetch;
peers cost packing, since only frames for the same peer share a packet and an AEAD call.

{table(["flows", "peers", "MACs", "seal 64", "seal 512", "seal 1514", "open 64", "open 512", "open 1514"], lines)}

![growth]({where}/path-growth.svg)
"""
    rows = [r for r in data.get("many", {"rows": []})["rows"] if r.get("ratio")]
    if rows:
        lines = []
        for row in rows:
            kept = row["ratio"] / 2
            one = row["frames_per_s"] / row["ratio"]
            lines.append([str(row["size"]), number(one / 1e6), number(row["frames_per_s"] / 1e6), f"{row['ratio']:.2f}",
                          f"{row['ratio_of_own_time']:.2f}"] + [number(one * n * kept ** k / 1e6) for n, k in ((4, 2), (8, 3), (16, 4))])
        text += f"""
**Cores**: both directions, ring to ring, million frames a second; one and two workers are measured, "of own time" leaves out what the
kernel gave to others. Beyond two it is a model: workers write no line in common (`test_dataplane_writers` proves it), so that only
the memory system is shared, and each doubling is taken to keep the share that the first one kept.

{table(["bytes", "1 worker", "2 workers", "ratio", "of own time", "4 (model)", "8 (model)", "16 (model)"], lines)}

![workers]({where}/many.svg)
"""
    return text


def peers_section(data, where):
    d = data["peers"]
    lines = []
    for r in d["rows"]:
        def loss(key):
            return "" if r.get(key) is None else f" ({r[key] * 100:.1f} % lost)"
        lines.append([r["name"], number(r["tcp1_gbps"]), number(r["tcp4_gbps"]),
                      number(r["udp64_pps"] / 1e6 if r.get("udp64_pps") else None) + loss("udp64_loss"),
                      number(r["udp1300_pps"] / 1e6 if r.get("udp1300_pps") else None) + loss("udp1300_loss"),
                      number(r["rtt_p50_us"]), number(r["rtt_p99_us"]), number(r["cpu_s_per_gb"])])
    about = "\n".join(f"- {r['name']}: {r['about']}" for r in d["rows"])
    return f"""## End to end, beside others

Two hosts, two gateways and a cable between these, in network namespaces: {d["machine"].get("cpus")} cores carry sender, both gateways and
receiver. Median of {d["rounds"]} interleaved rounds of {d["seconds"]} s. {d.get("setup", "UDP is the most that arrives, and what was lost of that which was sent then.")}

{table(["", "TCP 1 stream, Gb/s", "TCP 4, Gb/s", "UDP 64 B, Mpps", "UDP 1300 B, Mpps", "RTT p50, µs", "p99, µs", "CPU s/GB"], lines)}

![side by side]({where}/peers.svg)

{about}
"""


def setup_section(data, where):
    text = "## Set-up\n"
    if "handshake" in data:
        lines = [[r["what"], number(r["per_s"]), number(1e6 / r["per_s"]), r["about"]] for r in data["handshake"]["rows"]]
        text += f"""
Handshakes on one core, client and server together:

{table(["", "a second", "µs each", ""], lines)}

![handshakes]({where}/handshake.svg)
"""
    if "setup" in data:
        lines = [[r["what"], f"{number(r['value'])} {r['unit']}"] for r in data["setup"]["rows"]]
        text += f"""
Memory beyond the packet pool, and a worker's time:

{table(["", ""], lines)}
"""
    return text


def spent(row):
    if row is None:
        return "not a matter of the frame path"
    if row["op"] == "both":
        return "those of sealing and of opening"
    return most_of(row, 4)


def missed_section(data, where):
    missed = [g for g in goals(data) if not g["met"]]
    if not missed:
        return ""
    lines = [[g["what"], g["reached"], spent(g["row"])] for g in missed]
    return f"""## Goals missed

{table(["goal", "reached", "the most expensive stages, cycles a frame"], lines)}

What was tried for them, and what it gave, is in [tried.md]({where}/tried.md).
"""


def make(data, where):
    parts = ["""# Performance

Made by `tools/bench page` from the results in this directory's `performance/`; nothing here is typed by hand. To measure all of it
on another machine: `sudo tools/setup --bench && sudo tools/bench all` (twenty minutes, on a machine that does nothing else).
`tools/bench compare` tells two such runs apart.
""", machine_section(data), goals_section(data)]
    if "path" in data:
        parts.append(path_section(data, where))
    if "path" in data or "many" in data:
        parts.append(growth_section(data, where))
    if "peers" in data:
        parts.append(peers_section(data, where))
    if "handshake" in data or "setup" in data:
        parts.append(setup_section(data, where))
    parts.append(missed_section(data, where))
    return "\n".join(p for p in parts if p)
