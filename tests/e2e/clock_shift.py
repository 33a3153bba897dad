# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A gateway whose clocks a test sets ahead while it runs. Its processes start
with an empty environment: the library (tests/lib/clock_shift.c) is preloaded by
an /etc of their own, which needs root."""
import os
import pathlib
import struct

from harness import TOP, run

IN_AN_ETC = """\
set -eu
mount -t overlay overlay -o "lowerdir=$1:/etc" /etc
shift
exec "$@"
"""


class Clock:
    def __init__(self, gateway):
        """Of a gateway that is not started yet."""
        self.file = gateway.root / "clock"
        self.seconds = 0
        self.file.write_bytes(struct.pack("=q", 0))
        self.file.chmod(0o644)
        etc = pathlib.Path(gateway.root) / "etc"
        etc.mkdir()
        etc.chmod(0o755)
        library = gateway.root / "clock_shift.so"
        run("gcc", "-shared", "-fPIC", "-O1", '-DCLOCK_SHIFT_FILE="%s"' % self.file,
            "-o", library, TOP / "tests/lib/clock_shift.c")
        library.chmod(0o755)
        (etc / "ld.so.preload").write_text("%s\n" % library)
        (etc / "ld.so.preload").chmod(0o644)
        gateway.wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_AN_ETC,
                        "sh", str(etc)]

    def ahead(self, seconds):
        self.seconds += int(seconds)
        with open(self.file, "r+b", buffering=0) as f:
            f.write(struct.pack("=q", self.seconds))
            os.fsync(f.fileno())
