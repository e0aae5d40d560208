"""The peer of the bench's receipts: python-escpos, with type set by Pillow, in a process that stays.

receipt.py LINE FONT: each line on stdin is a request of the bridge's; the receipt goes to LINE, a
serial line, and "done" to stdout.
"""

import base64
import contextlib
import io
import json
import sys

from escpos.printer import Dummy
from PIL import Image, ImageDraw, ImageFont

WIDTH = 384
line = open(sys.argv[1], "wb", buffering=0)
fonts = {}


def font(size):
    if size not in fonts:
        # The face whose Latin letters are half a square wide, as in the bridge.
        fonts[size] = ImageFont.truetype(sys.argv[2], size, index=1)
    return fonts[size]


for request in sys.stdin:
    pieces = []
    for entry in json.loads(request)["params"]["printList"]:
        if "text" in entry:
            size = entry["textSize"]
            piece = Image.new("L", (WIDTH, round(size * 1.25)), 255)
            ImageDraw.Draw(piece).text((0, 0), entry["text"], font=font(size), fill=0)
        else:
            piece = Image.open(io.BytesIO(base64.b64decode(entry["imageBase64"])))
        pieces.append(piece.convert("RGB"))
    receipt = Image.new("RGB", (WIDTH, sum(piece.height for piece in pieces)), "white")
    top = 0
    for piece in pieces:
        receipt.paste(piece, (0, top))
        top += piece.height
    printer = Dummy()
    # It tells of profiles on stdout.
    with contextlib.redirect_stdout(io.StringIO()):
        printer.image(receipt, impl="bitImageRaster")
    printer.cut()
    left = memoryview(printer.output)
    while left:
        left = left[line.write(left):]
    print("done", flush=True)
