"""The network and local sockets; each victim listens, and must hear nothing."""

from umi_lite.sandbox.attacks.attack import denied

_SOCKET = "import socket\n"

ATTACKS = denied(
    {
        "connect by TCP": _SOCKET + 'socket.create_connection(("127.0.0.1", TCP), 1)',
        "send by UDP": (
            _SOCKET
            + "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            + 's.sendto(b"x", ("127.0.0.1", UDP))'
        ),
        "connect to a local socket": _SOCKET + "socket.socket(socket.AF_UNIX).connect(UNIX)",
        "connect to an abstract socket": (
            _SOCKET + 'socket.socket(socket.AF_UNIX).connect("\\0" + ABSTRACT)'
        ),
        "listen": _SOCKET + 'socket.create_server(("127.0.0.1", 0))',
        "listen by IPv6": _SOCKET + 'socket.create_server(("::1", 0), family=socket.AF_INET6)',
        "make a pair of sockets": _SOCKET + "socket.socketpair()",
        "talk to the kernel by netlink": _SOCKET + "socket.socket(16, socket.SOCK_RAW, 0)",
        "talk to a hypervisor by vsock": _SOCKET + "socket.socket(40, socket.SOCK_STREAM)",
        "use the kernel's ciphers": _SOCKET + "socket.socket(38, socket.SOCK_SEQPACKET)",
        "ping": _SOCKET + "socket.socket(2, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)",
        "fetch a page": (
            'import urllib.request\nurllib.request.urlopen(f"http://127.0.0.1:{TCP}/", timeout=1)'
        ),
        "make a socket past the library": 'call("socket", 2, 1, 0)',
        "connect an inherited descriptor": 'call("connect", 4, 0, 0)',
        "send by io_uring": 'call("io_uring_setup", 1, 0)',
    }
)
