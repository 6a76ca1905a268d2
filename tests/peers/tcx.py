"""Attaches a TC program before all others to an interface, both ways: it lets everything pass and asks
nobody behind it (TC_ACT_OK). Says so, and keeps it until it is killed."""

import ctypes
import os
import platform
import struct
import sys
import time

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
SCHED_CLS = 3
BPF_F_BEFORE = 1 << 3
TCX_INGRESS, TCX_EGRESS = 46, 47

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    room = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(BPF, command, room, len(room))
    if result < 0:
        sys.exit(f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


def instruction(code, value):
    return struct.pack("<BBhi", code, 0, 0, value)


# r0 = TC_ACT_OK; exit
code = ctypes.create_string_buffer(instruction(0xB7, 0) + instruction(0x95, 0), 16)
license = ctypes.create_string_buffer(b"GPL")
program = bpf(
    BPF_PROG_LOAD,
    struct.pack("<IIQQ", SCHED_CLS, 2, ctypes.addressof(code), ctypes.addressof(license)),
)
with open(f"/sys/class/net/{sys.argv[1]}/ifindex") as index:
    interface = int(index.read())
links = [
    bpf(BPF_LINK_CREATE, struct.pack("<IIIIIIQ", program, interface, way, BPF_F_BEFORE, 0, 0, 0))
    for way in (TCX_INGRESS, TCX_EGRESS)
]
print("attached", flush=True)
time.sleep(3600)
