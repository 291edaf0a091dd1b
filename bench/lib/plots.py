# SPDX-License-Identifier: BSD-3-Clause
"""What each kind of result has to show, as gnuplot scripts."""
import json
import math

import results
from gnuplot import COLOURS, block, draw, quote, titles

IMIX_BYTES = (7 * 64 + 4 * 570 + 1514) / 12
STAGES = ["rx", "classify", "fdb", "pack", "seal", "strip", "open", "replay", "unpack", "learn", "outer", "deliver", "tx"]


def inner_bytes(size):
    return IMIX_BYTES if size == "imix" else int(size)


def size_label(size):
    return "IMIX" if size == "imix" else str(size)


def size_order(size):
    """By bytes; IMIX, a mixture, last."""
    return (1, 0) if size == "imix" else (0, int(size))


def base_rows(rows):
    """One flow, peer and MAC, AES, MTU 1500 or the first of each there is: the plain case of a file."""
    for fixed in ({"flows": 1, "peers": 1, "macs": 1, "cipher": "aes-256-gcm", "mtu": 1500, "burst": 64}, None):
        if fixed is None:
            fixed = {k: rows[0].get(k) for k in ("flows", "peers", "macs", "cipher", "mtu", "burst")}
        found = [r for r in rows if all(r.get(k, v) == v for k, v in fixed.items())]
        if found:
            return found
    return []


def about(data, extra=""):
    line = results.machine_line(data["machine"])
    bad = results.suspicious(data["machine"])
    return (extra + "; " if extra else "") + line + (f"   ({bad})" if bad else "")


# ---------------------------------------------------------------- path

def path_table(rows):
    """{op: {size: row}} and the sizes in order."""
    table = {}
    for row in rows:
        table.setdefault(row["op"], {})[row["size"]] = row
    sizes = sorted({r["size"] for r in rows if r["op"] in ("seal", "open", "both")}, key=size_order)
    return table, sizes


def path_throughput(data, stem):
    rows = base_rows(data["rows"])
    table, sizes = path_table(rows)
    ops = [op for op in ("seal", "open", "both") if op in table]
    if not ops:
        return []
    lines = []
    for n, size in enumerate(sizes):
        if size == "imix" and lines:
            lines.append(None)  # a mixture continues no line of sizes
        limit = table[ops[0]][size]["aead_calls_per_s"]
        cells = [n, size_label(size), limit / 1e6, limit * inner_bytes(size) * 8 / 1e9]
        for op in ops:
            low, mid, high = results.interval(table[op][size], "frames_per_s")
            gb = inner_bytes(size) * 8 / 1e9
            cells += [low / 1e6, mid / 1e6, high / 1e6, low * gb, mid * gb, high * gb]
        lines.append(cells)
    script = block("d", lines)
    script += titles("One core, memory to memory: frames against the AEAD alone", about(data))
    script += f"set multiplot layout 1,2 margins 0.07,0.985,0.13,0.86 spacing 0.09,0\nset xrange [-0.4:{len(sizes) - 0.6}]\n"
    script += 'set xlabel "frame size, bytes"\n'
    for panel, (unit, col) in enumerate((("million frames/s", 0), ("Gb/s of frames", 1))):
        script += ("set logscale y\n" if panel == 0 else "unset logscale y\nset yrange [0:*]\n")
        script += f"set key {'top right' if panel == 0 else 'top left'} Left reverse\nset ylabel {quote(unit)}\n"
        script += (f"plot $d using 1:{3 + col}:xtic(2) with linespoints dt 2 lw 2 pt 6 lc rgb '#333333' "
                   f"title 'AEAD alone, one call a frame'")
        for i, op in enumerate(ops):
            at = 5 + 6 * i + 3 * col
            title = {"seal": "seal (LAN to WAN)", "open": "open (WAN to LAN)", "both": "both on the one core"}[op]
            script += (f", $d using 1:{at + 1}:{at}:{at + 2} with yerrorlines lw 2 pt 7 ps 0.6 "
                       f"lc rgb '{COLOURS[i]}' title '{title}'")
        script += "\n"
    script += "unset multiplot\n"
    return draw(script, f"{stem}-throughput", (1200, 560))


def path_stages(data, stem):
    rows = [r for r in base_rows(data["rows"]) if r.get("stages") and r["op"] in ("seal", "open")]
    if not rows:
        return []
    table, sizes = path_table(rows)
    # Beside a jumbo frame's bar the others would be too low to be read.
    sizes = [s for s in sizes if inner_bytes(s) <= 1514] or sizes
    known = [s for s in STAGES if any(s in r["stages"] for r in rows)]
    known += sorted({s for r in rows for s in r["stages"]} - set(known))
    script = titles("Cycles a frame by stage, one core", about(data))
    panels = [op for op in ("seal", "open") if op in table]
    for op in panels:
        script += block(op, [[size_label(s)] + [table[op][s]["stages"].get(k, 0.0) for k in known]
                             for s in sizes if s in table[op]])
    script += (f"set multiplot layout 1,{len(panels)} margins 0.07,0.985,0.13,0.86 spacing 0.08,0\n"
               "set style data histograms\nset style histogram rowstacked\nset style fill solid 0.9 border rgb '#ffffff'\n"
               "set boxwidth 0.75\nset yrange [0:*]\nset xlabel 'frame size, bytes'\n")
    for op in panels:
        script += f"set ylabel 'cycles a frame, {'seal (LAN to WAN)' if op == 'seal' else 'open (WAN to LAN)'}'\nplot "
        used = [(i, k) for i, k in enumerate(known) if any(r["stages"].get(k) for r in table[op].values())]
        script += ", ".join(f"${op} using {i + 2}:xtic(1) title {quote(k)} lc rgb '{COLOURS[i % len(COLOURS)]}'"
                            for i, k in used) + "\n"
    script += "unset multiplot\n"
    return draw(script, f"{stem}-stages", (1200, 560))


def path_growth(data, stem):
    """Relative to one flow, peer and MAC."""
    base, _ = path_table(base_rows(data["rows"]))
    names, lines = [], []

    def case_of(row):
        return "\n".join(f"{row[k]:,} {'MACs' if k == 'macs' else k}" for k in ("flows", "peers", "macs") if row.get(k, 1) != 1)

    for row in data["rows"]:
        case = case_of(row)
        if not case or row["op"] not in ("seal", "open") or row.get("burst", 64) != 64:
            continue
        if row["size"] in base.get(row["op"], {}) and case not in names:
            names.append(case)
    if not names:
        return []
    sizes = sorted({r["size"] for r in data["rows"] if r.get("peers", 1) * r.get("macs", 1) * r.get("flows", 1) > 1},
                   key=size_order)
    shown = [(op, size) for op in ("seal", "open") for size in sizes if size in base.get(op, {})]
    for n, case in enumerate(names):
        cells = [n, case]
        for op, size in shown:
            found = [r for r in data["rows"] if r["op"] == op and r["size"] == size and r.get("burst", 64) == 64 and
                     r.get("cipher") == base[op][size].get("cipher") and r.get("mtu") == base[op][size].get("mtu") and
                     case == case_of(r)]
            cells.append(found[0]["frames_per_s"] / base[op][size]["frames_per_s"] if found else None)
        lines.append(cells)
    script = block("d", lines) + titles("What flows, peers and MACs cost: share of the rate with one of each", about(data))
    script += ("set margins screen 0.08, screen 0.84, screen 0.22, screen 0.86\nset key outside right top\n"
               "set style data histograms\nset style histogram clustered gap 1\nset style fill solid 0.9\n"
               "set yrange [0:1.15]\nset ylabel 'frames/s ÷ those with one flow, peer and MAC'\n"
               "set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead dt 2 lc rgb '#999999'\nplot ")
    script += ", ".join(f"$d using {3 + i}:xtic(2) title '{op} {size_label(size)}{'' if size == 'imix' else ' B'}' lc rgb '{COLOURS[i % len(COLOURS)]}'"
                        for i, (op, size) in enumerate(shown))
    return draw(script, f"{stem}-growth", (1200, 560))


# ---------------------------------------------------------------- peers

def peers(data, stem):
    rows = data["rows"]
    lines = []
    for n, row in enumerate(rows):
        get = lambda k, scale=1.0: None if row.get(k) is None else row[k] / scale  # noqa: E731
        lines.append([n, row["name"], get("tcp1_gbps"), get("tcp4_gbps"), get("udp64_pps", 1e6), get("udp1300_pps", 1e6),
                      get("rtt_p50_us"), get("rtt_p99_us"), get("cpu_s_per_gb")])
    panels = [("TCP, Gb/s", [(3, "1 stream"), (4, "4 streams")]),
              ("UDP, million frames/s that arrive", [(5, "64 B"), (6, "1300 B")]),
              ("round trip, µs", [(7, "p50"), (8, "p99")]),
              ("CPU seconds a gigabyte", [(9, "all processes")])]
    script = block("d", lines) + "figure(v) = sprintf(v >= 1000 ? '%.0f' : '%.3g', v)\n"
    script += titles("Two hosts, two gateways, one machine: the systems side by side (logarithmic)", about(data))
    top = 0.80 if len(rows) > 3 else 0.70
    script += (f"set multiplot layout 1,4 margins 0.14,0.975,0.13,{top} spacing 0.03,0\nset style fill solid 0.9\n"
               f"set yrange [{len(rows) - 0.4}:-0.6]\nset grid xtics noytics lc rgb '#dddddd' lt 1\n"
               "set key at graph 0.5, graph 1.0 center bottom horizontal\nset ytics scale 0 noenhanced ("
               + ", ".join(f"{quote(row['name'])} {n}" for n, row in enumerate(rows)) + ")\n")
    for n, (label, cols) in enumerate(panels):
        values = [v for line in lines for c, _ in cols if (v := line[c - 1]) not in (None, 0)]
        if not values:
            script += (f"unset logscale x\nset xlabel '{label}'\nset label 9 'not measured' at graph 0.5, 0.5 center\n"
                       "plot [0:1] -9 notitle\nunset label 9\n")
            continue
        low, high = 10 ** math.floor(math.log10(min(values)) - 0.15), max(values) * 4
        script += f"set xlabel '{label}'\nset logscale x\nset xrange [{low}:{high}]\nset format x '{'%.0s%c' if n == 2 else '%g'}'\n"
        if n == 1:  # the names stand at the first panel alone
            script += "set ytics (" + ", ".join(f"'' {i}" for i in range(len(rows))) + ")\n"
        half = 0.4 / len(cols)
        parts = []
        for i, (col, title) in enumerate(cols):
            at = f"($1+{(2 * i + 1 - len(cols)) * half})"
            parts.append(f"$d using ({low}):{at}:({low}):{col}:({at}-{half * 0.92}):({at}+{half * 0.92}) "
                         f"with boxxyerror lc rgb '{COLOURS[i]}' title '{title}'")
            parts.append(f"$d using {col}:{at}:(figure(${col})) with labels left offset 0.3,0 font ',9' "
                         "tc rgb '#333333' notitle")
        script += "plot " + ", ".join(parts) + "\n"
    script += "unset multiplot\n"
    return draw(script, stem, (1400, 120 + 46 * max(len(rows), 5)))


# ---------------------------------------------------------------- bars

def bars(data, stem, title, cells, unit):
    """Plain bars with their ranges: cells are (label, low, middle, high)."""
    script = block("d", [[n, label, low, mid, high] for n, (label, low, mid, high) in enumerate(cells)])
    script += titles(title, about(data))
    script += ("set margins screen 0.1, screen 0.97, screen 0.14, screen 0.86\nset style fill solid 0.9\nset boxwidth 0.6\n"
               f"set yrange [0:*]\nset xrange [-0.6:{len(cells) - 0.4}]\nset ylabel {quote(unit)}\nunset key\n"
               f"plot $d using 1:4:xtic(2) with boxes lc rgb '{COLOURS[0]}', "
               "$d using 1:4:3:5 with yerrorbars lc rgb '#333333' lw 1.5 ps 0, "
               "$d using 1:5:(sprintf('%.3g', $4)) with labels offset 0,0.8 tc rgb '#333333'")
    return draw(script, stem, (1000, 520))


def many(data, stem):
    cells = []
    for row in data["rows"]:
        low, mid, high = results.interval(row, "frames_per_s")
        cells.append((f"{size_label(row['size'])} B, {row['workers']} worker{'s' if row['workers'] > 1 else ''}",
                      low / 1e6, mid / 1e6, high / 1e6))
    return bars(data, stem, "Workers on cores of their own: both directions, ring to ring", cells, "million frames/s")


def handshake(data, stem):
    cells = [(row["what"], *results.interval(row, "per_s")) for row in data["rows"]]
    return bars(data, stem, "Handshakes a second on one core, client and server together", cells, "handshakes/s")


# ---------------------------------------------------------------- pktgen

def latency(data, stem):
    """Latency by percentile: the slower a frame is among how many, the further right."""
    lines = [[1 / (1 - share), us] for share, us in data["latency_curve_us"] if share < 1]
    loss = f", {data['loss_percent']:.3g} % lost" if "loss_percent" in data else ""
    script = block("d", lines)
    script += titles("Latency by percentile", f"postern-pktgen {data.get('version', '')}, "
                     f"{data.get('rx_frames', 0):,} frames received at {results.si(data.get('rx_pps', 0))}pps{loss}")
    script += ("set margins screen 0.1, screen 0.97, screen 0.14, screen 0.86\nunset key\nset logscale x\nset yrange [0:*]\n"
               "set xtics ('0 %%' 1, '50 %%' 2, '90 %%' 10, '99 %%' 100, '99.9 %%' 1000, '99.99 %%' 10000, '99.999 %%' 100000, "
               "'99.9999 %%' 1000000)\nset xlabel 'share of frames that are at least as fast'\nset ylabel 'microseconds'\n"
               f"plot $d using 1:2 with linespoints lw 2 pt 7 ps 0.5 lc rgb '{COLOURS[0]}'")
    return draw(script, f"{stem}-latency", (1000, 520))


def pktgen_file(name):
    """What `postern-pktgen --json` wrote, or None where the file is something else."""
    try:
        with open(name, encoding="utf-8") as f:
            data = json.load(f)
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and data.get("latency_curve_us") else None


def draw_file(name, stem):
    """Everything a results file has to show; the names of what was drawn."""
    generated = pktgen_file(name)
    if generated:
        return latency(generated, stem)
    data = results.load(name)
    kind = data["bench"]
    if kind == "path":
        made = path_throughput(data, stem) + path_stages(data, stem) + path_growth(data, stem)
    elif kind == "peers":
        made = peers(data, stem)
    elif kind == "many":
        made = many(data, stem)
    elif kind == "handshake":
        made = handshake(data, stem)
    else:
        raise results.Error(f"{name}: `{kind}` has nothing to draw")
    if not made:
        raise results.Error(f"{name}: no row that can be drawn")
    return made
