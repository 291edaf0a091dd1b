# SPDX-License-Identifier: BSD-3-Clause
"""The machine a figure was measured on, and the build it was measured from."""
import json
import os
import platform
import re
import subprocess
import sys

import results


LOAD = os.getloadavg()[0]  # before we add to it


def directory():
    """Of the build that is measured; $BUILD: another than build/."""
    return os.path.abspath(os.environ.get("BUILD", os.path.join(results.TOP, "build")))


def build(target):
    """Bring the release build up to date; the path of one of its programs. One in $BUILD is taken as it is."""
    if "BUILD" not in os.environ:
        run = subprocess.run([os.path.join(results.TOP, "tools", "build")], check=False)
        if run.returncode != 0:
            sys.exit(1)
    path = os.path.join(directory(), target)
    if not os.access(path, os.X_OK):
        raise results.Error(f"{path} is not there: build it with tools/build {directory()}")
    return path


def build_options(program):
    """(optimized, sanitizer) of the build a program lies in."""
    above = os.path.dirname(os.path.abspath(program))
    while above != "/" and not os.path.exists(os.path.join(above, "meson-info")):
        above = os.path.dirname(above)
    try:
        with open(os.path.join(above, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as f:
            options = {o["name"]: o["value"] for o in json.load(f)}
    except (OSError, ValueError):
        return None, None
    sanitizer = options.get("b_sanitize", "none")
    return options.get("optimization") not in ("0", "g"), None if sanitizer == "none" else sanitizer


def command(*words):
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else ""


def commit():
    git = ("git", "-c", "safe.directory=*", "-C", results.TOP)
    short = command(*git, "rev-parse", "--short=10", "HEAD")
    return short + ("+" if short and command(*git, "status", "--porcelain", "--untracked-files=no") else "")


def facts(program=None):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        cpuinfo = f.read()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    flags = set(re.search(r"flags\s*: (.*)", cpuinfo).group(1).split()) if "flags" in cpuinfo else set()
    found = {"cpu": model.group(1) if model else platform.machine(), "cpus": os.cpu_count(),
             "kernel": platform.release(), "commit": commit(), "aes": "vaes" if "vaes" in flags else
             "aesni" if "aes" in flags else "none", "virtual": "hypervisor" in flags, "load": LOAD}
    with open("/proc/meminfo", encoding="utf-8") as f:
        found["memory_mib"] = int(re.search(r"MemTotal:\s*(\d+)", f.read()).group(1)) // 1024
    for name, package in (("dpdk", "libdpdk-dev"), ("ipsec_mb", "libipsec-mb-dev"), ("openssl", "libssl-dev"),
                          ("libsodium", "libsodium-dev")):
        found[name] = command("dpkg-query", "-W", "-f", "${Version}", package)
    if program:
        optimized, sanitizer = build_options(program)
        if optimized is not None:
            found["optimized"] = optimized
        if sanitizer:
            found["sanitizer"] = sanitizer
    return found


def warn(program):
    bad = results.suspicious(facts(program))
    if bad:
        print(f"warning: {bad}")


def add_facts(path, program):
    """Put the machine's facts beside those that a program of ours wrote itself."""
    data = results.load(path)
    data["machine"] = {**facts(program), **data["machine"]}
    results.save(path, data)


def program_bench(target, arguments, cpus):
    """All of a benchmark that is one program of ours: bring it up to date, run it, add the machine's facts."""
    try:
        program = build(target)
        warn(program)
        if os.geteuid() == 0:
            os.setpriority(os.PRIO_PROCESS, 0, -10)
        os.sched_setaffinity(0, cpus)
        run = subprocess.run([program, *arguments], check=False)
        if run.returncode != 0:
            sys.exit(run.returncode)
        if "--json" in arguments[:-1]:
            add_facts(arguments[arguments.index("--json") + 1], program)
    except results.Error as e:
        results.fail(str(e))
