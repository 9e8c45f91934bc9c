"""Announces a lookup as a stranger would, with Python zeroconf, until it is killed: NAME ADDRESS PORT [KEY=VALUE...]."""

import signal
import socket
import sys

from zeroconf import ServiceInfo, Zeroconf

SERVICE = "_hedgerow-lookup._tcp.local."


def main() -> None:
    name, address, port, *txt = sys.argv[1:]
    zeroconf = Zeroconf(interfaces=[address])
    info = ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        addresses=[socket.inet_aton(address)],
        port=int(port),
        properties=dict(entry.split("=", 1) for entry in txt),
        server=f"{name}.local.",
    )
    zeroconf.register_service(info)
    print("announced", flush=True)
    signal.pause()


main()
