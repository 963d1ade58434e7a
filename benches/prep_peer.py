"""What pgprep is measured against: the stages of the reference dataset program in Pillow, NumPy and SciPy.

Written for this project from the description of the stages in docs/numerics.md; one thread. Prints
`name<TAB>milliseconds` per line, best of ROUNDS, the same names as pgkit's own benchmarks.

    prep_peer.py align FOLDER [FILTER]   FOLDER holds photos and list_landmarks.txt
    prep_peer.py levels FOLDER COUNT     pyramid and TFRecord files of COUNT images of 1024 px, images/s
"""

import os
import struct
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import PIL.Image
import scipy.ndimage

SIZE = 1024
ROUNDS = 2


def landmark_rows(path):
    with open(path) as file:
        for line in file.read().splitlines()[2:]:
            name, *numbers = line.split()
            yield name, np.float32([float(n) for n in numbers]).reshape(5, 2)


def rotated(v):
    return np.array([-v[1], v[0]])


def oriented_square(points):
    eyes = (points[0] + points[1]) * 0.5 + 0.5
    mouth = (points[3] + points[4]) * 0.5 + 0.5
    eye_to_eye, eye_to_mouth = points[1] - points[0], mouth - eyes
    x = eye_to_eye - rotated(eye_to_mouth)
    x = x / np.hypot(*x) * max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    y, centre = rotated(x), eyes + eye_to_mouth * 0.1
    quad = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
    return quad, SIZE / (np.hypot(*x) * 2)


def bounds(quad, size, border):
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    return (*(low - border), *(high + border - size))


def align(image, points, lanczos):
    quad, zoom = oriented_square(points)
    shrink = int(np.floor(0.5 / zoom))
    if shrink > 1:
        size = tuple(int(np.rint(side / shrink)) for side in image.size)
        image = image.resize(size, PIL.Image.LANCZOS)
        quad, zoom = quad / shrink, zoom * shrink

    border = max(int(np.rint(SIZE * 0.1 / zoom)), 3)
    left, top, right, bottom = bounds(quad, np.array(image.size), border)
    box = (max(left, 0), max(top, 0), min(right, 0) + image.size[0], min(bottom, 0) + image.size[1])
    if box[2] - box[0] < image.size[0] or box[3] - box[1] < image.size[1]:
        image = image.crop(box)
        quad = quad - box[:2]

    superres = int(np.exp2(np.ceil(np.log2(zoom))))
    if superres > 1:
        image = image.resize((image.size[0] * superres, image.size[1] * superres), PIL.Image.LANCZOS)
        quad, zoom = quad * superres, zoom / superres

    left, top, right, bottom = bounds(quad, np.array(image.size), border)
    pads = np.maximum([-left, -top, right, bottom], 0)
    if pads.max() > border - 4:
        # Python's integers, so that float32 stays float32.
        left, top, right, bottom = np.maximum(pads, int(np.rint(SIZE * 0.3 / zoom))).tolist()
        pixels = np.pad(np.float32(image), ((top, bottom), (left, right), (0, 0)), "reflect")
        height, width, _ = pixels.shape
        y, x, _ = np.mgrid[:height, :width, :1]
        mask = 1.0 - np.minimum(
            np.minimum(np.float32(x) / left, np.float32(y) / top),
            np.minimum(np.float32(width - 1 - x) / right, np.float32(height - 1 - y) / bottom),
        )
        blur = float(SIZE * 0.02 / zoom)
        blurred = scipy.ndimage.gaussian_filter(pixels, [blur, blur, 0])
        pixels += (blurred - pixels) * np.clip(mask * 3.0 + 1.0, 0.0, 1.0)
        pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(mask, 0.0, 1.0)
        image = PIL.Image.fromarray(np.uint8(np.clip(np.rint(pixels), 0, 255)), "RGB")
        quad = quad + [left, top]

    corners = tuple((quad + 0.5).flatten())
    image = image.transform((4 * SIZE, 4 * SIZE), PIL.Image.QUAD, corners, PIL.Image.BILINEAR)
    if lanczos:
        return np.asarray(image.resize((SIZE, SIZE), PIL.Image.LANCZOS))
    blocks = np.asarray(image).reshape(SIZE, 4, SIZE, 4, 3)
    return np.uint8(np.rint(blocks.mean(axis=(1, 3), dtype=np.float32)))


def bench_align(folder, wanted):
    for name, points in landmark_rows(os.path.join(folder, "list_landmarks.txt")):
        if wanted not in name:
            continue
        image = PIL.Image.open(os.path.join(folder, name)).convert("RGB")
        for lanczos in (False, True):
            best = float("inf")
            for _ in range(ROUNDS):
                started = time.perf_counter()
                align(image, points, lanczos)
                best = min(best, time.perf_counter() - started)
            print(f"align/{name}/{'lanczos' if lanczos else 'box'}\t{best * 1e3:.1f}", flush=True)


def bench_levels(folder, count):
    """Every level of every image as a record of its own file, as the reference's exporter writes them.

    The records have no checksums: computing those in Python would only make this slower."""
    name, _ = next(landmark_rows(os.path.join(folder, "list_landmarks.txt")))
    photo = PIL.Image.open(os.path.join(folder, name)).convert("RGB").resize((SIZE, SIZE))
    image = np.asarray(photo).transpose(2, 0, 1)
    with tempfile.TemporaryDirectory(dir=".") as target:
        files = [open(os.path.join(target, f"r{lod:02}"), "wb") for lod in range(2, 11)]
        started = time.perf_counter()
        for _ in range(count):
            pixels = image
            for lod, file in enumerate(reversed(files)):
                if lod:
                    pixels = np.float32(pixels)
                    pixels = (
                        pixels[:, 0::2, 0::2]
                        + pixels[:, 0::2, 1::2]
                        + pixels[:, 1::2, 0::2]
                        + pixels[:, 1::2, 1::2]
                    ) * np.float32(0.25)
                data = np.rint(pixels).clip(0, 255).astype(np.uint8).tobytes()
                file.write(struct.pack("<QI", len(data), 0) + data + struct.pack("<I", 0))
        for file in files:
            file.flush()
            os.fsync(file.fileno())
        seconds = time.perf_counter() - started
    print(f"levels/write\t{seconds / count * 1e3:.2f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "align":
        bench_align(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
    else:
        bench_levels(sys.argv[2], int(sys.argv[3]))
