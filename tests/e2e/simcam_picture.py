#!/usr/bin/env python3
"""The simulated camera's pictures, judged by ffmpeg.

What casement-helper encodes and simcam puts its strip above must decode without a word of complaint
over the loop's seam, show the scene to the bit as it was encoded, and carry a code that is read from
every picture, from small JPEGs and after another encoder.
"""
import os
import struct
import subprocess
import sys
import tempfile

HELPER = next(p for p in ("build/release/casement-helper", "build/debug/casement-helper") if os.path.exists(p))
FILM = "build/debug/tests/tools/film"
CODES = "build/debug/tests/tools/codes"
FRAMES = 80
failed = 0


def verdict(name, good, detail=""):
    global failed
    print(f"{'ok' if good else 'not ok'} - {name}{' # ' + str(detail) if detail and not good else ''}")
    failed += not good


def run(*command, data=None):
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def encode(size, kbps, variant=0, frames=FRAMES, gop=40, codec="h264"):
    status, out, errors = run(HELPER, "scene", "--variant", str(variant), "--size", size, "--kbps", str(kbps),
                              "--frames", str(frames), "--gop", str(gop), "--codec", codec)
    assert status == 0, errors
    return out


def bare(scene):
    """The scene as it was encoded, without a strip: an independent reading of simcam/scene_file.h."""
    sets = {b"cmscene1": 2, b"cmscene5": 3}[scene[:8]]
    at = 20
    units = []
    for _ in range(sets):
        (size,) = struct.unpack_from(">H", scene, at)
        units.append(scene[at + 2:at + 2 + size])
        at += 2 + size
    while at < len(scene):
        size, _flags, nal = struct.unpack_from(">IBI", scene, at)
        assert nal == size - 4
        units.append(scene[at + 9:at + 5 + size])
        at += 5 + size
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def format_of(stream):
    """ffmpeg's name of a stream that begins with an SPS of H.264 or a VPS of H.265."""
    return "hevc" if stream[4:5] == b"\x40" else "h264"


def decode(stream, *options):
    status, out, errors = run("ffmpeg", "-loglevel", "warning", "-f", format_of(stream), "-framerate", "20", "-i", "-",
                              *options, data=stream)
    return out if status == 0 and not errors else None, errors


def film(scene, camera, pictures, counter, name):
    with tempfile.NamedTemporaryFile() as file:
        file.write(scene)
        file.flush()
        status, out, errors = run(FILM, file.name, str(camera), str(pictures), str(counter), name)
    assert status == 0, errors
    return out


def codes_of(luma, size):
    return run(CODES, "gray", size, data=luma)[1].decode().split("\n")[:-1]


def is_exact(stream, scene, width, height, strip):
    """Every picture of the scene below the strip, over the seam of the loop, to the bit."""
    whole, errors = decode(stream, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    part, _ = decode(bare(scene), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    if whole is None or part is None:
        return False, errors
    frame, low = width * height * 3 // 2, width * (height - strip) * 3 // 2
    count = len(part) // low
    for i in range(len(whole) // frame):
        a, b = whole[i * frame:(i + 1) * frame], part[i % count * low:(i % count + 1) * low]
        luma, chroma = width * height, width * height // 4
        rows = [a[width * strip:luma], a[luma + width * strip // 4:luma + chroma],
                a[luma + chroma + width * strip // 4:]]
        if b"".join(rows) != b:
            return False, f"picture {i} differs"
    return len(whole) // frame == 3 * FRAMES - 10, f"{len(whole) // frame} pictures"


def stream_tests(size, kbps, variant, codec="h264"):
    width, height = map(int, size.split("x"))
    name = f"{codec} {size} variant {variant}"
    scene = encode(size, kbps, variant, codec=codec)
    rate = len(scene) * 8 * 20 / FRAMES / 1000
    verdict(f"{name}: the rate that was asked for", 0.85 * kbps < rate < 1.15 * kbps, rate)
    pictures, first = 3 * FRAMES - 10, 2**32 - 100
    stream = film(scene, 40000 + variant, pictures, first, "Front door")
    verdict(f"{name}: the scene is exact below the strip, no warning",
            *is_exact(stream, scene, width, height, width * 3 // 40))
    wanted = [f"{40000 + variant} {(first + i) % 2**32}" for i in range(pictures)]
    luma, errors = decode(stream, "-f", "rawvideo", "-pix_fmt", "gray", "-")
    verdict(f"{name}: the code of every picture", luma and codes_of(luma, size) == wanted, errors)
    luma, errors = decode(stream, "-vf", "scale=320:-2", "-f", "rawvideo", "-pix_fmt", "gray", "-")
    verdict(f"{name}: the code at 320 wide", luma and codes_of(luma, f"320x{320 * height // width}") == wanted, errors)
    again, errors = decode(stream, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "34", "-f", "h264", "-")
    luma, more = decode(again or b"", "-f", "rawvideo", "-pix_fmt", "gray", "-")
    verdict(f"{name}: the code after another encoder", luma and codes_of(luma, size) == wanted, errors + more)
    seis = run(CODES, "sei", data=stream)[1].decode().split("\n")[:-1]
    verdict(f"{name}: a stamp in every access unit",
            [" ".join(line.split()[:3]) for line in seis] == [f"{w} {1000000 * i}" for i, w in enumerate(wanted)])
    _, mp4, errors = run("ffmpeg", "-loglevel", "error", "-f", format_of(stream), "-framerate", "20", "-i", "-",
                         "-c", "copy", "-movflags", "frag_every_frame+empty_moov", "-f", "mp4", "-", data=stream)
    seis = run(CODES, "sei", data=mp4)[1].decode().split("\n")[:-1]
    verdict(f"{name}: and in fragmented MP4", [" ".join(line.split()[:2]) for line in seis] == wanted, errors)
    return stream, wanted


def jpeg_tests(stream, wanted):
    with tempfile.TemporaryDirectory() as folder:
        decode(stream, "-vf", "scale=320:-2", "-q:v", "9", f"{folder}/%04d.jpg")
        files = [f"{folder}/{f}" for f in sorted(os.listdir(folder))]
        out = run(CODES, "jpeg", *files)[1].decode().split("\n")[:-1]
        verdict("the code of small JPEGs", out == wanted, out[:3])
        run("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=640x360", "-frames:v", "1",
            f"{folder}/none.jpg")
        verdict("another picture has none", run(CODES, "jpeg", f"{folder}/none.jpg")[1] == b"none\n")


def profile_test(stream):
    with tempfile.NamedTemporaryFile(suffix=".h264") as file:
        file.write(stream)
        file.flush()
        out = run("ffprobe", "-v", "warning", "-show_entries", "stream=profile,width,height,has_b_frames,refs,level",
                  "-of", "default=nw=1", file.name)[1].decode()
    wanted = {"profile=Constrained Baseline", "width=1280", "height=720", "has_b_frames=0", "refs=1", "level=31"}
    verdict("Constrained Baseline 3.1, no delay, one reference", wanted <= set(out.split("\n")), out)
    verdict("avc1.42C01F", stream[4:8].hex() == "6742c01f", stream[4:8].hex())


def refusal_tests():
    for options in (["--size", "800x600"], ["--frames", "41"], ["--variant", "4"], ["--kbps"], ["--fps", "0"],
                    ["--size", "1280x721"], ["--size", "0x0"], ["--wrong", "1"],
                    ["--codec", "vp8"]):
        status, out, errors = run(HELPER, "scene", *options)
        verdict(f"refused: {' '.join(options)}", status == 2 and not out and errors)


def main():
    for variant in range(4):
        stream_tests("640x360", 400, variant)
    stream, wanted = stream_tests("1280x720", 2000, 2)
    jpeg_tests(stream, wanted)
    profile_test(stream)
    for size, kbps, variant in (("640x360", 400, 0), ("640x360", 400, 3), ("1280x720", 2000, 1), ("1920x1080", 3000, 2)):
        stream_tests(size, kbps, variant, "h265")
    refusal_tests()
    sys.exit(1 if failed else 0)


main()
