# SPDX-License-Identifier: BSD-3-Clause
"""What the rows written in Python share; lib.sh says what a row is."""
import argparse
import datetime
import json
import os
import platform
import re
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIET_PERCENT = 75  # of the processors idle: what is slow then is slow by itself
BUILD = os.environ.get('BUILD', os.path.join(TOP, 'build'))


def machine():
    with open('/proc/cpuinfo') as f:
        cpu = next((line.split(': ')[1].strip() for line in f if line.startswith('model name')), 'CPU')
    return f'{os.cpu_count()} × {cpu}, Linux {platform.release()}'


def idle_percent():
    """What of this machine's processors nobody used in the last second."""
    def cpu():
        with open('/proc/stat') as f:
            n = [int(x) for x in f.readline().split()[1:9]]
        return n[3] + n[4], sum(n)
    a = cpu()
    time.sleep(1)
    b = cpu()
    return round(100 * (b[0] - a[0]) / max(1, b[1] - a[1]))


class Row:
    """Reads the row's header and its command line; `scale` is 'ci' or 'full'."""

    def __init__(self):
        path = sys.argv[0]
        self.name = os.path.basename(path)
        with open(path) as f:
            line = f.read().split('\n')[2]
        number, self.goal = re.fullmatch(r'# row (-|\d+): (.*)', line).groups()
        self.number = None if number == '-' else int(number)
        args = argparse.ArgumentParser(prog=self.name, description=self.goal,
                                       epilog='Exit status: 0 the goal is met, 1 it is not, 77 it cannot be shown here.')
        args.add_argument('--scale', choices=['ci', 'full'], default='ci')
        args.add_argument('--json', metavar='FILE')
        options = args.parse_args()
        self.scale, self.json = options.scale, options.json

    def skip(self, why):
        print(why)
        sys.exit(77)

    def need(self, *programs):
        """The build tree's programs that the row runs, as paths."""
        paths = [os.path.join(BUILD, p) for p in programs]
        for p in paths:
            if not os.access(p, os.X_OK):
                self.skip(f'{p} is not built: ninja -C {BUILD}')
        return paths

    def result(self, passed, figure):
        """passed: True, False, or None where what was seen says nothing about the goal."""
        print(f'{self.name}: {figure} ({"NOT SHOWN HERE" if passed is None else "goal met" if passed else "GOAL MISSED"})')
        if self.json:
            with open(self.json, 'w') as f:
                json.dump({'row': self.number, 'name': self.name, 'goal': self.goal, 'figure': figure,
                           'pass': bool(passed), 'scale': self.scale,
                           'command': f'tests/reliability/{self.name} --scale {self.scale}',
                           'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d'),
                           'machine': machine(), **({'shown': False} if passed is None else {})},
                          f, indent=1, ensure_ascii=False)
                f.write('\n')
        sys.exit(77 if passed is None else 0 if passed else 1)

    def timed_begin(self):
        self.idle_before = idle_percent()

    def timed(self, passed, figure):
        """As result, for a goal in time: where the machine had other work before or after, a missed one says nothing."""
        after = idle_percent()
        self.result(None if not passed and min(self.idle_before, after) < QUIET_PERCENT else passed,
                    f'{figure}; processors {self.idle_before} % idle before, {after} % after')
