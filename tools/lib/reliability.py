#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run the reliability rows (tests/reliability), print what each reached, collect it.

Started by `tools/test --reliability`, with BUILD naming the build tree.
Exit status: 0 every row that can be shown here met its goal, 1 one did not, 2 wrong command line.
"""
import argparse
import datetime
import fnmatch
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROWS = os.path.join(TOP, 'tests/reliability')
sys.path.insert(0, ROWS)
from row import QUIET_PERCENT, idle_percent  # noqa: E402

CI_TIMEOUT_S = 300  # where other work is under way, too; alone each row takes a minute or so
NOT_SHOWN = (77, 125)  # it cannot run here, or the machine was too busy for the figure to say anything


class Row:
    def __init__(self, name):
        self.name = name
        self.path = os.path.join(ROWS, name)
        with open(self.path, errors='replace') as f:
            head = f.read(4096).split('\n')
        m = re.fullmatch(r'# row (-|\d+): (.*)', head[2]) if len(head) > 3 else None
        self.number = m[1] if m else '-'
        self.goal = m[2] if m else ''
        self.in_ci = len(head) > 3 and head[3].startswith('# ci: yes')


def all_rows():
    names = [n for n in os.listdir(ROWS) if os.access(os.path.join(ROWS, n), os.X_OK)
             and os.path.isfile(os.path.join(ROWS, n))]
    return sorted((Row(n) for n in names), key=lambda r: (r.number == '-', r.number.zfill(3), r.name))


def machine():
    cpu = ''
    with open('/proc/cpuinfo') as f:
        cpu = next((line.split(': ')[1].strip() for line in f if line.startswith('model name')), '')
    git = subprocess.run(['git', '-C', TOP, '-c', 'safe.directory=*', 'rev-parse', '--short=12', 'HEAD'],
                         capture_output=True, text=True).stdout.strip()
    return {'cpu': cpu, 'n_cpus': os.cpu_count(), 'kernel': platform.release(), 'commit': git,
            'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M')}


def tail(path, n):
    with open(path, errors='replace') as f:
        return f.read().splitlines()[-n:]


def end(process):
    for sig in signal.SIGTERM, signal.SIGKILL:
        try:
            os.killpg(process.pid, sig)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def run(row, scale, logs):
    """The row's own JSON, with its time; a row that writes none has failed."""
    log, out = os.path.join(logs, row.name + '.log'), os.path.join(logs, row.name + '.json')
    begin = time.monotonic()
    with open(log, 'w') as f:
        # A session of its own, so that what a row started ends with it.
        process = subprocess.Popen([row.path, '--scale', scale, '--json', out], stdout=f, stderr=f,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            status = process.wait(CI_TIMEOUT_S if scale == 'ci' else None)
        except subprocess.TimeoutExpired:
            end(process)
            idle = idle_percent()
            status = 1 if idle >= QUIET_PERCENT else NOT_SHOWN[0]
            print(f'not done after {CI_TIMEOUT_S} s; processors {idle} % idle without it', file=f)
    try:
        with open(out) as f:
            result = json.load(f)
    except (OSError, ValueError):
        last = tail(log, 1)
        result = {'row': int(row.number) if row.number.isdigit() else None, 'name': row.name, 'goal': row.goal,
                  'figure': last[0] if last else '', 'pass': False, 'scale': scale}
    result['verdict'] = 'not shown' if status in NOT_SHOWN else 'pass' if status == 0 and result['pass'] else 'fail'
    result['pass'] = result['verdict'] == 'pass'
    result['seconds'] = round(time.monotonic() - begin, 1)
    return result, log


def main():
    args = argparse.ArgumentParser(prog='tools/test --reliability', description=__doc__.split('\n')[0])
    args.add_argument('--scale', choices=['ci', 'full'], default='ci',
                      help='ci: a hundredth, a minute a row at most; full: the figure of the goal')
    args.add_argument('--json', metavar='FILE', help='write machine, scale and all rows to FILE')
    args.add_argument('--list', action='store_true', help='print the rows and run none')
    args.add_argument('pattern', nargs='*', help='only rows whose name or number matches')
    o = args.parse_args()
    rows = [r for r in all_rows() if not o.pattern or
            any(fnmatch.fnmatch(r.name, p) or r.number == p for p in o.pattern)]
    if not rows:
        sys.exit('no row has such a name or number: tools/test --reliability --list')
    if o.list:
        for r in rows:
            print(f'{r.number:>3}  {r.name:24} {"ci" if r.in_ci else "  "}  {r.goal}')
        return 0

    results = []
    logs = tempfile.mkdtemp(prefix='postern-reliability.')
    print(f'{"row":>3}  {"name":24} {"verdict":10} {"time":>7}  goal → figure')
    for i, r in enumerate(rows):
        if sys.stdout.isatty():
            print(f'{r.number:>3}  {r.name:24} … {i + 1} of {len(rows)}', end='\r', flush=True)
        result, log = run(r, o.scale, logs)
        results.append(result)
        print(f'{r.number:>3}  {r.name:24} {result["verdict"]:10} {result["seconds"]:5.1f} s  {r.goal}\n'
              f'{"":52}→ {result["figure"]}', flush=True)
        if result['verdict'] == 'fail':
            print('\n'.join('       | ' + line for line in tail(log, 30)))
            print(f'       the whole log: {log}')
    count = {v: sum(r['verdict'] == v for r in results) for v in ('pass', 'fail', 'not shown')}
    print(f'{count["pass"]} met, {count["fail"]} missed, {count["not shown"]} not shown here')
    if o.json:
        with open(o.json, 'w') as f:
            json.dump({'machine': machine(), 'scale': o.scale, 'rows': results}, f, indent=1)
            f.write('\n')
    return 1 if count['fail'] else 0


sys.exit(main())
