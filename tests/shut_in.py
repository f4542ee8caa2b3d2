"""Runs a program that cannot reach anybody: `python tests/shut_in.py nobody|listening PROGRAM.py|-m MODULE [ARGUMENTS]`.

The kernel itself watches (seccomp), so that libraries in C are seen as well as Python, and child processes too. With `nobody` a
process that opens any socket but a local pipe is killed by SIGSYS; with `listening` one that connects to somebody. Where the call
came from is printed first.
"""

from __future__ import annotations

import ctypes
import faulthandler
import runpy
import signal
import socket
import sys

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_TRAP, _ALLOW = 0x00030000, 0x7FFF0000
_SOCKET, _CONNECT, _NUMBER_AT, _ARGUMENT_AT = 41, 42, 0, 16  # of x86-64
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


class _Line(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.POINTER(_Line)))


def shut(listening: bool) -> None:
    """From now on this process and its children reach nobody; AssertionError where the kernel cannot watch."""
    if listening:
        lines = [(_LOAD, 0, 0, _NUMBER_AT), (_EQUAL, 0, 1, _CONNECT), (_RETURN, 0, 0, _TRAP), (_RETURN, 0, 0, _ALLOW)]
    else:
        lines = [
            (_LOAD, 0, 0, _NUMBER_AT),
            (_EQUAL, 0, 3, _SOCKET),
            (_LOAD, 0, 0, _ARGUMENT_AT),
            (_EQUAL, 1, 0, socket.AF_UNIX),
            (_RETURN, 0, 0, _TRAP),
            (_RETURN, 0, 0, _ALLOW),
        ]
    made = (_Line * len(lines))(*(_Line(*line) for line in lines))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    assert libc.prctl(_SECCOMP, _FILTER, ctypes.byref(_Program(len(lines), made))) == 0, ctypes.get_errno()


if __name__ == "__main__":
    how, *program = sys.argv[1:]
    faulthandler.register(signal.SIGSYS, all_threads=True, chain=True)
    shut(how == "listening")
    if program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        runpy.run_path(program[0], run_name="__main__")
