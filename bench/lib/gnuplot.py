# SPDX-License-Identifier: BSD-3-Clause
"""Draw with gnuplot: one script, an SVG and a PNG of it."""
import shutil
import subprocess

from results import Error

# Told apart by lightness as well as by hue.
COLOURS = ["#0b6e99", "#e07b00", "#5b8c2a", "#a23b72", "#7a7a7a", "#c9a800", "#4b3f72", "#2a9d8f", "#9b2226",
           "#8fb8de", "#d9a5b3"]

STYLE = """
set encoding utf8
set border 3 lc rgb "#555555"
set tics nomirror
set grid ytics lc rgb "#dddddd" lt 1 lw 1
set key top left Left reverse samplen 2 spacing 1.1
"""


def quote(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def block(name, rows):
    """Inline data: rows of cells; a missing cell is NaN, a missing row an empty line."""
    lines = ["" if row is None else
             " ".join("NaN" if c is None else quote(c) if isinstance(c, str) else f"{c:.10g}" for c in row)
             for row in rows]
    return f"${name} << EOD\n" + "\n".join(lines) + "\nEOD\n"


def titles(title, under):
    """The figure's title and, smaller, where its numbers come from."""
    return (f"set label 1 {quote(title)} at screen 0.5, screen 0.965 center font ',15' noenhanced\n"
            f"set label 2 {quote(under)} at screen 0.5, screen 0.925 center font ',10' tc rgb '#555555' noenhanced\n")


def draw(script, stem, size=(1000, 600)):
    """Run the script once for stem.svg and once for stem.png; returns both names."""
    if shutil.which("gnuplot") is None:
        raise Error("gnuplot is not installed: sudo tools/setup --bench")
    made = []
    for terminal, end in ((f"svg size {size[0]},{size[1]} font 'sans,12' background 'white' dynamic", "svg"),
                          (f"pngcairo size {size[0]},{size[1]} font 'sans,11'", "png")):
        out = f"{stem}.{end}"
        head = f"set terminal {terminal}\nset output {quote(out)}\n{STYLE}"
        run = subprocess.run(["gnuplot"], input=head + script + "\nunset output\n", text=True,
                             capture_output=True, check=False)
        if run.returncode != 0:
            raise Error(f"gnuplot could not draw {out}: {run.stderr.strip()}")
        made.append(out)
    return made
