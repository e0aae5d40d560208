"""A bridge of the kind that is quickly written: sends what a microphone hears to all who have asked for
it over WebSocket, 40 ms an event, in the form that hharome has for it.

It reads the device through alsa-lib as hharome does, on a thread that blocks, encodes once for all
listeners and lets the library's broadcast do the rest. It knows no other action, no limits, no slow
clients and no device that goes.

    peer.py PORT
"""

import asyncio
import base64
import ctypes
import json
import sys
import threading

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

FRAMES = 640  # of an event

# From alsa/pcm.h.
STREAM_CAPTURE = 1
FORMAT_S16_LE = 2
ACCESS_RW_INTERLEAVED = 3


def capture(hear):
    """Calls `hear` with every piece of sound."""
    alsa = ctypes.CDLL("libasound.so.2")
    pcm = ctypes.c_void_p()
    if alsa.snd_pcm_open(ctypes.byref(pcm), b"default", STREAM_CAPTURE, 0) < 0:
        sys.exit("no microphone")
    # Four periods of 40 ms, in microseconds.
    latency = 4 * 40_000
    layout = (FORMAT_S16_LE, ACCESS_RW_INTERLEAVED, 1, 16_000, 1, latency)
    if alsa.snd_pcm_set_params(pcm, *layout) < 0 or alsa.snd_pcm_start(pcm) < 0:
        sys.exit("not this microphone")
    piece = ctypes.create_string_buffer(2 * FRAMES)
    while alsa.snd_pcm_readi(pcm, piece, ctypes.c_ulong(FRAMES)) == FRAMES:
        hear(piece.raw)
    sys.exit("no more sound")


async def main():
    listeners = set()
    loop = asyncio.get_running_loop()

    def event(sound):
        data = {
            # In lines of 76 characters, as Android has it.
            "voiceContent": base64.encodebytes(sound).decode()
        }
        line = {"channel": "initMicrophoneListener", "data": data}
        broadcast(listeners, json.dumps(line, separators=(",", ":")))

    def hear(sound):
        loop.call_soon_threadsafe(event, sound)

    microphone = threading.Thread(target=capture, args=(hear,), daemon=True)

    async def client(connection):
        try:
            async for message in connection:
                request = json.loads(message)
                reply = {
                    "action": request["action"],
                    "event": request["event"],
                    "success": True,
                    "taskId": request["taskId"],
                    "message": "成功",
                    "data": {},
                }
                await connection.send(json.dumps(reply, ensure_ascii=False))
                listeners.add(connection)
                if not microphone.ident:
                    microphone.start()
        except ConnectionClosed:
            pass
        finally:
            listeners.discard(connection)

    # Compression and pings would only cost more.
    options = {"compression": None, "ping_interval": None}
    async with serve(client, "127.0.0.1", int(sys.argv[1]), **options):
        await asyncio.Future()


asyncio.run(main())
