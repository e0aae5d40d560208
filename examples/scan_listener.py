#!/usr/bin/env python3
"""Prints every code that is scanned, for as long as the bridge runs. Standard library only.

    examples/scan_listener.py [ADDRESS]

ADDRESS is HOST:PORT of the bridge's TCP (127.0.0.1:17801 unless given) or the path of its Unix
socket. Where a token is configured for TCP, give it in the environment as HHAROME_TOKEN.
"""

import json
import os
import socket
import sys


def connect(address):
    if "/" in address:
        bridge = socket.socket(socket.AF_UNIX)
        bridge.connect(address)
        return bridge
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)))


def send(bridge, frame):
    bridge.sendall(json.dumps(frame).encode() + b"\n")


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:17801"
    with connect(address) as bridge:
        if token := os.environ.get("HHAROME_TOKEN"):
            send(bridge, {"token": token})
        send(bridge, {"on": "initQRListener"})
        for line in bridge.makefile("rb"):
            frame = json.loads(line)
            if frame.get("channel") == "initQRListener":
                print(frame["data"]["qrCode"], flush=True)
            elif not frame.get("success", True):
                sys.exit(f"{frame['message']} {frame.get('data', '')}")
    sys.exit("the bridge has gone")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"no bridge: {error}")
