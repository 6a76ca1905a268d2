"""Opens TCP sockets of every kind and prints, a line of JSON each, what getsockopt says of them here,
in the process that holds them. Then it keeps them until it is killed."""

import json
import os
import signal
import socket
import struct

TCP = socket.IPPROTO_TCP
SO_COOKIE = 57
TCP_USER_TIMEOUT = 18
# In this namespace; the test sets the sysctl.
DEFAULT_IDLE = 600


def options(sock):
    """In the form of a report."""
    number = sock.getsockopt
    on, seconds = struct.unpack("ii", number(socket.SOL_SOCKET, socket.SO_LINGER, 8))
    return {
        "so_keepalive": number(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0,
        "tcp_keepidle_s": number(TCP, socket.TCP_KEEPIDLE),
        "tcp_keepintvl_s": number(TCP, socket.TCP_KEEPINTVL),
        "tcp_keepcnt": number(TCP, socket.TCP_KEEPCNT),
        "tcp_user_timeout_s": number(TCP, TCP_USER_TIMEOUT) / 1000,
        "so_linger_s": seconds if on else None,
        "tcp_nodelay": number(TCP, socket.TCP_NODELAY) != 0,
        "tcp_defer_accept_s": number(TCP, socket.TCP_DEFER_ACCEPT),
        "tcp_congestion": number(TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode(),
    }


def other_congestion():
    """A congestion control that is not the namespace's default, where this kernel has one."""
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as known:
        others = set(known.read().split()) - {"reno"}
    return max(others, default="reno").encode()


def name_of(address):
    host, port = address[:2]
    host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


held = []


def tell(name, sock, state, keep=True):
    """Prints a socket. Those that are not kept are told as they were before they were let go."""
    peer = None if state == "LISTEN" else name_of(sock.getpeername())
    told = {
        "name": name,
        "local": name_of(sock.getsockname()),
        "peer": peer,
        "state": state,
        "held": keep,
        "cookie": int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little"),
        "inode": os.fstat(sock.fileno()).st_ino,
        "options": options(sock),
    }
    if keep:
        held.append(sock)
    print(json.dumps(told), flush=True)
    return told


def listener(name, address, family=socket.AF_INET, **values):
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    set_all(sock, **values)
    sock.bind(address)
    sock.listen(16)
    tell(name, sock, "LISTEN")
    return sock


def set_all(sock, keepalive=None, idle=None, interval=None, count=None, user_timeout=None,
            linger=None, nodelay=None, defer=None, congestion=None):
    for level, option, value in [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, keepalive),
        (TCP, socket.TCP_KEEPIDLE, idle),
        (TCP, socket.TCP_KEEPINTVL, interval),
        (TCP, socket.TCP_KEEPCNT, count),
        (TCP, TCP_USER_TIMEOUT, user_timeout),
        (socket.SOL_SOCKET, socket.SO_LINGER, linger),
        (TCP, socket.TCP_NODELAY, nodelay),
        (TCP, socket.TCP_DEFER_ACCEPT, defer),
        (TCP, socket.TCP_CONGESTION, congestion),
    ]:
        if value is not None:
            sock.setsockopt(level, option, value)


def connect(to, family=socket.AF_INET, **values):
    sock = socket.socket(family)
    set_all(sock, **values)
    sock.connect(to.getsockname()[:2] if family == to.family else ("127.0.0.1", to.getsockname()[1]))
    return sock


def pair(to, family=socket.AF_INET, **values):
    client = connect(to, family, **values)
    return client, to.accept()[0]


def every_kind():
    plain = listener("plain listener", ("127.0.0.1", 7101))
    client, server = pair(plain)
    tell("plain client", client, "ESTABLISHED")
    tell("plain server", server, "ESTABLISHED")

    odd = {"keepalive": 1, "idle": 11, "interval": 3, "count": 5, "user_timeout": 3500,
           "linger": struct.pack("ii", 1, 4), "nodelay": 1, "congestion": other_congestion()}
    client, server = pair(plain, **odd)
    tell("odd client", client, "ESTABLISHED")
    tell("its server", server, "ESTABLISHED")

    # Set, but to what the namespace gives anyway.
    client, server = pair(plain, keepalive=1, idle=DEFAULT_IDLE, linger=struct.pack("ii", 1, 0))
    tell("as by default", client, "ESTABLISHED")
    tell("its server too", server, "ESTABLISHED")

    proud = listener("odd listener", ("127.0.0.1", 7102), keepalive=1, idle=13, interval=4, count=6,
                     defer=7)
    client = connect(proud)
    client.send(b"x")
    tell("client of odd listener", client, "ESTABLISHED")
    tell("inherits", proud.accept()[0], "ESTABLISHED")

    both = listener("dual-stack listener", ("::", 7103), socket.AF_INET6)
    client, server = pair(both)
    tell("IPv4 client", client, "ESTABLISHED")
    tell("IPv4 server on IPv6 socket", server, "ESTABLISHED")
    client = socket.create_connection(("::1", 7103))
    tell("IPv6 client", client, "ESTABLISHED")
    tell("IPv6 server", both.accept()[0], "ESTABLISHED")

    # Nobody calls accept() for it.
    queue = listener("listener that does not accept", ("127.0.0.1", 7104), keepalive=1, idle=17)
    waiting = connect(queue)
    tell("not accepted by", waiting, "ESTABLISHED")

    client, server = pair(plain)
    client.shutdown(socket.SHUT_WR)
    tell("half-closed", client, "FIN-WAIT-2")
    tell("its server that goes on", server, "CLOSE-WAIT")

    # Closed with more data under way than its peer takes: the kernel goes on trying.
    client, server = pair(plain, keepalive=1, idle=19, user_timeout=90000)
    client.setblocking(False)
    try:
        while True:
            client.send(b"x" * 65536)
    except BlockingIOError:
        pass
    tell("orphan", client, "FIN-WAIT-1", keep=False)
    client.close()
    tell("its server that does not read", server, "ESTABLISHED")

    # Closed, and the peer goes on: only a record is left, as of those in TIME-WAIT.
    client, server = pair(plain)
    tell("record in FIN-WAIT-2", client, "FIN-WAIT-2", keep=False)
    client.close()
    tell("its server that does not close", server, "CLOSE-WAIT")

    client, server = pair(plain)
    tell("record in TIME-WAIT", client, "TIME-WAIT", keep=False)
    client.close()
    server.recv(1)
    server.close()


every_kind()
print("{}", flush=True)
signal.pause()
