"""Figures of the loop's frames: arrays of pictures in, numbers out. Nothing here knows how a loop is made."""

from __future__ import annotations

import cv2
import numpy as np

# Of a frame's change to the next; frames that differ by less are the same. So neither the texture of the water matters,
# nor its speed, nor whether repeats are a whole number of frames apart.
SAME = 0.5
APART = 4  # frames; nearer ones are the same only if nothing changes: slow water changes unevenly, and repeats later
DETAIL = 1 / 160  # of the longer side; standard deviation of the blur that fine detail is taken against
OCTAVES = ((1 / 4, 1 / 2), (1 / 8, 1 / 4), (1 / 16, 1 / 8), (1 / 32, 1 / 16))  # cycles/px, the finest first
LEAST_SKEWNESS = 0.5  # a difference is taken relative to no less, since a skewness may be near 0
EXTREME = 1.0  # % of the photo's pixels that are called darkest and brightest


def luma(picture: np.ndarray) -> np.ndarray:
    """(H, W) float32 luma of a (H, W, 3) sRGB picture, as encoded."""
    return cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2GRAY)


def different_frames(frames: np.ndarray) -> int:
    """Number of frames that no earlier frame is the same as.

    A frame is the same as an earlier one if the root mean square of their difference is below `SAME` of the usual
    change from frame to frame, at this frame or, if that is less, in the whole loop: if they are less than half a
    frame apart. Fast water changes as much in half a frame, so its repeats count where they are not a whole number of
    frames apart; `beat` finds them.

    Args:
        frames: (N, M, 3) sRGB of M moving pixels.
    """
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    change = [rms(after - before) for before, after in zip(flat, flat[1:])]
    usual = np.maximum([change[0], *change], [*change, change[-1]]).clip(max=np.median(change))
    found: list[int] = []
    for n, frame in enumerate(flat):
        least = [max(1e-6, SAME * usual[n] * (n - other >= APART)) for other in found]
        if all(rms(frame - flat[other]) >= limit for other, limit in zip(found, least)):
            found.append(n)
    return len(found)


def beat(lumas: np.ndarray) -> tuple[float, int]:
    """Strongest repetition within the loop: the highest temporal autocorrelation after its first valley.

    Args:
        lumas: (N, M) of a whole loop at M moving pixels.

    Returns:
        The autocorrelation, about 0 without a beat and 1 if all frames repeat, and its lag in frames.
    """
    spectrum = np.abs(np.fft.rfft(lumas - lumas.mean(0), axis=0)) ** 2
    around = np.fft.irfft(spectrum.sum(1), len(lumas))[: len(lumas) // 2 + 1]
    around = around / max(around[0], 1e-12)
    rises = np.flatnonzero(np.diff(around) > 0)
    if not len(rises):
        return 0.0, 0
    rest = around[rises[0] :]
    lag = int(rises[0]) + int(np.argmax(rest > rest.max() - 0.01))  # the first of equal ones
    return float(around[lag]), lag


def look(picture: np.ndarray, photo: np.ndarray, where: np.ndarray) -> dict[str, float]:
    """Look of a surface: each figure relative to the photo's, 1 = the same.

    Args:
        picture: (H, W, 3) sRGB.
        photo: (H, W, 3) sRGB.
        where: (H, W) bool, the surface.

    Returns:
        contrast and skewness of the fine detail; dark and bright, the share of pixels that are as dark or bright as
        the photo's extreme `EXTREME` percent; octave 1 to 4, power of the detail in `OCTAVES`.
    """
    own, other = luma(photo), luma(picture)
    found = {}
    fine, base = (_detail(values)[where] for values in (other, own))
    found["contrast"] = float(fine.std() / max(base.std(), 1e-9))
    found["skewness"] = 1 + (skewness(fine) - skewness(base)) / max(abs(skewness(base)), LEAST_SKEWNESS)
    levels, photo_levels = (np.rint(255 * values[where]) for values in (other, own))
    low, high = np.percentile(photo_levels, (EXTREME, 100 - EXTREME))
    found["dark"] = float((levels <= low).mean() / (photo_levels <= low).mean())
    found["bright"] = float((levels >= high).mean() / (photo_levels >= high).mean())
    powers = octave_powers(other, where) / np.maximum(octave_powers(own, where), 1e-12)
    return found | {f"octave {n + 1}": float(power) for n, power in enumerate(powers)}


def skewness(values: np.ndarray) -> float:
    """Third standardised moment."""
    away = values - values.mean()
    return float((away**3).mean() / max(float((away**2).mean()) ** 1.5, 1e-12))


def octave_powers(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(4,) mean power per pixel of (H, W) values in `OCTAVES`, in a (H, W) bool area that is cut softly."""
    soft = cv2.GaussianBlur(cv2.erode(where.astype(np.float32), np.ones((9, 9))), (0, 0), 2.0)
    soft = soft if soft.sum() > 100 else cv2.GaussianBlur(where.astype(np.float32), (0, 0), 2.0)
    # without the coarse tones, which would leak into all octaves at the cut
    flat = values - cv2.GaussianBlur(values, (0, 0), 16)
    flat = flat - (flat * soft).sum() / max(soft.sum(), 1e-9)
    power = np.abs(np.fft.rfft2(flat * soft)) ** 2
    power[:, 1:] *= 2  # the half of the spectrum that rfft2 leaves out
    height, width = values.shape
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    total = [power[(radius >= low) & (radius < high)].sum() for low, high in OCTAVES]
    return np.array(total) / (values.size * max(float((soft**2).sum()), 1e-9))


def difference_spectrum(lumas: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(4,) dB: power of the differences of successive frames, (N, H, W) luma, in `OCTAVES`."""
    powers = [octave_powers(after - before, where) for before, after in zip(lumas, lumas[1:])]
    return 10 * np.log10(np.maximum(np.mean(powers, 0), 1e-12))


def autocorrelation(windows: list[np.ndarray], lags: int) -> np.ndarray:
    """(lags,) temporal autocorrelation at a pixel for lags of 1, 2 .. frames, over all pixels and windows.

    The mean over a window is subtracted from each pixel, so only windows of one length compare.

    Args:
        windows: Each (T, M) luma of T successive frames at M pixels.
        lags: Number of lags, below T.
    """
    product, square = np.zeros(lags), 0.0
    for lumas in windows:
        away = lumas - lumas.mean(0)
        square += float((away**2).mean())
        product += [float((away[lag:] * away[:-lag]).mean()) for lag in range(1, lags + 1)]
    return product / max(square, 1e-12)


def psnr(picture: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures in (H, W) bool pixels, dB; identical ones have 99."""
    error = np.square(np.rint(picture * 255) - np.rint(truth * 255))[where].mean()
    return min(99.0, float(10 * np.log10(255**2 / max(error, 1e-9))))


def rms(values: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def _detail(values: np.ndarray) -> np.ndarray:
    return values - cv2.GaussianBlur(values, (0, 0), DETAIL * max(values.shape))
