"""The depth network: a photo in, depth up to one factor and the sky out.

An EfficientNet-Lite0 (Tan & Le 2019; batch norms folded into the convolutions) looks, a feature pyramid (Lin et al.
2017) puts its five scales together, and a head answers at full resolution: log2 of inverse depth, relative to nothing in
particular, and whether there is sky. A second finish answers with two surfaces and the choice between them (after Tosi
et al. 2021), which makes steps of ramps. Trained on renders and judged points of landscapes: see training/MODEL_CARD.md
for what it was shown and where it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

from ..shared.data import Photo
from .sky import segment_sky

WEIGHTS = Path(__file__).with_name("network.safetensors")
STRIDE = 32  # px; sides that the network is given are multiples
AREA = 384 * 224  # px; the size it was trained at: there the layout of a photo is understood best
FINE_AREA = 640 * 352  # px; there edges and small things are seen better
LONGEST = 1280  # px; of a panorama
LAYOUT = 1 / 8  # of the longer side: what is larger than this is taken from the smaller look
WIDTHS = (24, 40, 64, 80, 96)  # channels of the pyramid, finest first
BESIDE = 4  # px of its input; the two surfaces of a pixel are the nearest and the farthest that lie within
APART = (
    0.3,
    0.6,
)  # octaves between the two surfaces of a pixel: from the first on they are two, from the second surely
DECIDED = 4.0  # how much more firmly than it answers the network has to choose between them
RAMP = 1.3  # px of its input; sigma of the Gaussian that makes steps ramps again
# EfficientNet-Lite0: kernel, stride, expansion, channels, repeats
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
TAPS = (0, 1, 2, 4, 6)  # stages whose last block feeds the pyramid, at strides 2, 4, 8, 16, 32


class Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = nn.Conv2d(inputs, inner, 1) if expansion > 1 else nn.Identity()
        self.filter = nn.Conv2d(inner, inner, kernel, stride, kernel // 2 if stride == 1 else 0, groups=inner)
        self.project = nn.Conv2d(inner, outputs, 1)
        self.residual, self.stride = stride == 1 and inputs == outputs, stride
        self.expands = expansion > 1

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.expand(x)) if self.expands else x
        if self.stride == 2:  # TensorFlow's padding, which the weights were trained with
            side = self.filter.kernel_size[0] // 2
            y = F.pad(y, (side - 1, side, side - 1, side))
        y = self.project(F.relu6(self.filter(y)))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """Five feature maps, at strides 2 to 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2)
        blocks, inputs, self.taps = [], 32, []
        for stage, (kernel, stride, expansion, outputs, repeats) in enumerate(STAGES):
            for repeat in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
            if stage in TAPS:
                self.taps.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self.stem(F.pad(x, (0, 1, 0, 1))))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                features.append(x)
        return features


class Refine(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class Finish(nn.Module):
    """The finest two levels of the pyramid and a head: (N, answers, H, W) of what is above them and two features."""

    def __init__(self, inputs: int, answers: int) -> None:
        super().__init__()
        self.refine = nn.ModuleList(Refine(width) for width in WIDTHS[:2])
        self.narrow, self.lateral = nn.Conv2d(WIDTHS[1], WIDTHS[0], 1), nn.Conv2d(inputs, WIDTHS[0], 1)
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(WIDTHS[0], 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, answers * 4, 3, padding=1)
        )  # four values for each pixel at stride 2

    def forward(self, y: Tensor, finest: Tensor) -> Tensor:
        y = self.refine[0](_enlarge(self.narrow(self.refine[1](y)), finest) + self.lateral(finest))
        return F.pixel_shuffle(self.head(y), 2)


class DepthNetwork(nn.Module):
    """(N, 3, H, W) sRGB in 0..1 to (N, 5, H, W); H, W multiples of STRIDE.

    The channels: log2 of inverse depth, the sky's logit; and, again as log2 of inverse depth, the nearest and the
    farthest surface within a few pixels, and the logit of the choice between them, see `settle_steps`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        inputs = [STAGES[stage][3] for stage in TAPS]
        inputs[3], inputs[4] = inputs[3] + 2, inputs[4] + 2  # and where in the photo: see `_with_place`
        self.lateral = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in zip(inputs[1:], WIDTHS[1:], strict=True))
        self.refine = nn.ModuleList(Refine(width) for width in WIDTHS[2:])
        self.narrow = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in zip(WIDTHS[2:], WIDTHS[1:], strict=False))
        self.whole = nn.Linear(inputs[4] - 2, WIDTHS[4])
        self.depth, self.steps = Finish(inputs[0], 2), Finish(inputs[0], 3)

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder((x * 255 - 127) / 128)
        whole = self.whole(features[4].mean((2, 3)))[:, :, None, None]
        features[3:] = [_with_place(feature) for feature in features[3:]]
        y = self.lateral[3](features[4]) + whole
        for level in (2, 1, 0):  # of the coarser four; the finest is the finish's
            side = self.lateral[level](features[level + 1])
            y = _enlarge(self.narrow[level](self.refine[level](y)), side) + side
        return torch.cat([self.depth(y, features[0]), self.steps(y, features[0])], 1)


def _enlarge(y: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(y, size=like.shape[-2:], mode="bilinear", align_corners=False)


def sharpen_steps(answer: np.ndarray) -> np.ndarray:
    """(H, W) float32 log2 of inverse depth of what the network answers, (5, H, W), with steps where it has seen steps.

    Where its two surfaces are apart, ramps of any width become ramps of a few pixels: the cleaning of edges needs some,
    to find the photo's own edge on them. A slope, whose two surfaces are close, stays a slope; and nothing comes to lie
    nearer or farther than all that is around it, which tore rocks where the depth and the surfaces disagreed.
    """
    inverse, _, near, far, choice = answer
    apart = np.clip((near - far - APART[0]) / (APART[1] - APART[0]), 0, 1)
    firm = cv2.GaussianBlur(_sigmoid(choice * (1 + (DECIDED - 1) * apart)), (0, 0), RAMP)
    around = np.ones((2 * BESIDE + 1,) * 2, np.uint8)
    settled = inverse + (near - far) * apart * (firm - _sigmoid(choice))
    return np.clip(settled, cv2.erode(inverse, around), cv2.dilate(inverse, around))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def _with_place(x: Tensor) -> Tensor:
    """Two channels more: height in the photo (-1 top, 1 bottom) and distance from its middle column (0..1)."""
    height, width = x.shape[-2:]
    down = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype).view(1, 1, -1, 1)
    aside = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype).abs().view(1, 1, 1, -1)
    return torch.cat([x, down.expand(len(x), 1, height, width), aside.expand(len(x), 1, height, width)], 1)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network sees in a photo.

    Attributes:
        inverse: (H, W) float32, log2 of inverse depth, up to one constant; means nothing in the sky.
        sky: (H, W) bool, its edge on the photo's.
    """

    inverse: np.ndarray
    sky: np.ndarray


def infer(photo: Photo) -> Prediction:
    """What the shipped network sees in the working photo; it looks once at each photo."""
    if photo not in _seen:
        inverse, chance = predict(photo.color, load_network(WEIGHTS))
        _seen[photo] = Prediction(inverse, segment_sky(chance, photo.color))
    return _seen[photo]


_seen: WeakKeyDictionary[Photo, Prediction] = WeakKeyDictionary()


@cache
def load_network(path: Path) -> DepthNetwork:
    """The network with the weights of a file; loaded once."""
    network = DepthNetwork()
    weights = {name: torch.from_numpy(values.astype(np.float32)) for name, values in load_file(path).items()}
    network.load_state_dict(weights)
    return network.eval().to(memory_format=torch.channels_last)


def predict(color: np.ndarray, network: DepthNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Depth and sky of a photo of any size and shape.

    The network looks twice: the layout is the smaller look's, what is small in the picture the larger look's.

    Args:
        color: (H, W, 3) float32, sRGB in 0..1.
        network: With its weights loaded.

    Returns:
        (H, W) float32 log2 of inverse depth, up to one constant (where there is sky it means nothing), and (H, W)
        float32 probability of sky.
    """
    assert color.ndim == 3 and color.shape[2] == 3, color.shape
    height, width = color.shape[:2]
    coarse, coarse_sky = _look(color, network, AREA)
    fine, fine_sky = _look(color, network, FINE_AREA)
    small = coarse.shape[::-1]
    solid = 1.001 - (coarse_sky + cv2.resize(fine_sky, small, interpolation=cv2.INTER_AREA)) / 2
    sigma = LAYOUT * max(small)
    offset = cv2.GaussianBlur((coarse - cv2.resize(fine, small, interpolation=cv2.INTER_AREA)) * solid, (0, 0), sigma)
    offset /= cv2.GaussianBlur(solid, (0, 0), sigma)

    def full(values: np.ndarray) -> np.ndarray:
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)

    return full(fine) + full(offset), (full(coarse_sky) + full(fine_sky)) / 2


def _look(color: np.ndarray, network: DepthNetwork, area: int) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) log2 of inverse depth and (h, w) probability of sky, at the size of the network's input of this area."""
    size = _input_size(color.shape[1], color.shape[0], area)
    small = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
    x = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))[None].to(memory_format=torch.channels_last)
    with torch.inference_mode():
        answer = (network(x) + network(x.flip(3)).flip(3)) / 2  # left and right know of no difference
    answer = answer[0].numpy()
    return sharpen_steps(answer), _sigmoid(answer[1])


def _input_size(width: int, height: int, area: int) -> tuple[int, int]:
    """Width and height that the network is given: multiples of STRIDE, about `area`, nearly the photo's shape."""
    scale = min(np.sqrt(area / (width * height)), LONGEST / max(width, height))
    return tuple(max(STRIDE, STRIDE * round(side * scale / STRIDE)) for side in (width, height))
