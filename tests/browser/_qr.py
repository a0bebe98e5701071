"""Reads QR codes by libzbar, for qr.test.mjs: squares as lines of 0 and 1 come in, one JSON list; their texts go out."""

import ctypes
import json
import sys

SCALE, QUIET = 4, 4
zbar = ctypes.CDLL("libzbar.so.0")
for name in ("zbar_image_scanner_create", "zbar_image_create", "zbar_image_first_symbol", "zbar_symbol_get_data"):
    getattr(zbar, name).restype = ctypes.c_void_p
zbar.zbar_symbol_get_data_length.restype = ctypes.c_uint


def read(square):
    side = (len(square) + 2 * QUIET) * SCALE
    pixels = bytearray(b"\xff" * side * side)
    for r, row in enumerate(square):
        for c, module in enumerate(row):
            for y in range(SCALE):
                at = ((r + QUIET) * SCALE + y) * side + (c + QUIET) * SCALE
                if module == "1":
                    pixels[at:at + SCALE] = bytes(SCALE)
    scanner, image = zbar.zbar_image_scanner_create(), zbar.zbar_image_create()
    zbar.zbar_image_scanner_set_config(ctypes.c_void_p(scanner), 0, 0, 1)
    kept = ctypes.create_string_buffer(bytes(pixels), len(pixels))
    zbar.zbar_image_set_format(ctypes.c_void_p(image), ctypes.c_ulong(int.from_bytes(b"Y800", "little")))
    zbar.zbar_image_set_size(ctypes.c_void_p(image), side, side)
    zbar.zbar_image_set_data(ctypes.c_void_p(image), kept, ctypes.c_ulong(len(pixels)), None)
    if zbar.zbar_scan_image(ctypes.c_void_p(scanner), ctypes.c_void_p(image)) != 1:
        return None
    symbol = zbar.zbar_image_first_symbol(ctypes.c_void_p(image))
    size = zbar.zbar_symbol_get_data_length(ctypes.c_void_p(symbol))
    return ctypes.string_at(zbar.zbar_symbol_get_data(ctypes.c_void_p(symbol)), size).decode()


json.dump([read(square) for square in json.load(sys.stdin)], sys.stdout)
