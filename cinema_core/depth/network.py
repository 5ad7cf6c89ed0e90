"""The depth network: estimates depth, up to one unknown factor, and the sky of a photo.

An EfficientNet-Lite0 (Tan & Le 2019; batch norms folded into the convolutions) encodes the photo. A feature pyramid
(Lin et al. 2017) joins its five scales. One head predicts log2 of inverse depth, up to an unknown constant, and the
sky's logit, both at full resolution. A second head predicts two surfaces per pixel and the choice between them (after
Tosi et al. 2021), which turns ramps into steps. Trained on renders and on judged points of landscapes:
training/MODEL_CARD.md lists the training data and the known failures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

from ..shared.data import Photo
from .sky import segment_sky

WEIGHTS = Path(__file__).with_name("network.safetensors")
STRIDE = 32  # px; the sides of the network's input are multiples of it
LAYOUT_AREA = 384 * 224  # px, the input's area in training; the layout of a photo is estimated best at it
DETAIL_AREA = 640 * 352  # px, the input's area for edges and small objects
MAX_INPUT_SIDE = 1280  # px, longer side of the input; limits panoramas
LAYOUT_SIGMA = 1 / 8  # of the input's longer side; structure larger than this is taken from the input of LAYOUT_AREA
CHANNELS = (24, 40, 64, 80, 96)  # of the pyramid, finest level first
SURFACE_RADIUS = 4  # px of the input; a pixel's two surfaces are the nearest and the farthest within this radius
SURFACE_GAP = (0.3, 0.6)  # octaves between a pixel's surfaces; up to the first they are one, from the second on two
CHOICE_GAIN = 4.0  # factor on the logit of the choice between two surfaces, which sharpens their ramp
RAMP_SIGMA = 1.3  # px of the input; Gaussian that turns steps back into short ramps
# EfficientNet-Lite0's stages: kernel, stride, expansion, channels, repeats
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


class InvertedResidual(nn.Module):
    """Inverted residual block: expand the channels, filter each of them, project to fewer."""

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
        if self.stride == 2:  # TensorFlow's padding, as in the pretrained weights' training
            side = self.filter.kernel_size[0] // 2
            y = F.pad(y, (side - 1, side, side - 1, side))
        y = self.project(F.relu6(self.filter(y)))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """EfficientNet-Lite0 without its classifier: five feature maps, at strides 2 to 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2)
        blocks, inputs, self.taps = [], 32, []
        for stage, (kernel, stride, expansion, outputs, repeats) in enumerate(STAGES):
            for repeat in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
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


class ResidualUnit(nn.Module):
    """Residual unit of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class Head(nn.Module):
    """Head of the network: the finest two levels of the pyramid and the output convolutions.

    Args:
        inputs: Channels of the encoder's finest feature map.
        outputs: Channels of the head's result, (N, outputs, H, W).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.refine = nn.ModuleList(ResidualUnit(width) for width in CHANNELS[:2])
        self.narrow, self.lateral = nn.Conv2d(CHANNELS[1], CHANNELS[0], 1), nn.Conv2d(inputs, CHANNELS[0], 1)
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(CHANNELS[0], 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, outputs * 4, 3, padding=1)
        )  # four pixels of the photo for each one at stride 2

    def forward(self, y: Tensor, finest: Tensor) -> Tensor:
        y = self.refine[0](_enlarge(self.narrow(self.refine[1](y)), finest) + self.lateral(finest))
        return F.pixel_shuffle(self.head(y), 2)


class DepthNetwork(nn.Module):
    """Maps a photo (N, 3, H, W), sRGB in 0..1, to (N, 5, H, W); H and W are multiples of STRIDE.

    The channels: log2 of inverse depth; the sky's logit; the nearest and the farthest surface within SURFACE_RADIUS,
    both as log2 of inverse depth; and the logit of the choice of the nearer one, see `sharpen_steps`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        inputs = [STAGES[stage][3] for stage in TAPS]
        inputs[3], inputs[4] = inputs[3] + 2, inputs[4] + 2  # two channels of position, see `_with_position`
        self.lateral = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in zip(inputs[1:], CHANNELS[1:], strict=True))
        self.refine = nn.ModuleList(ResidualUnit(width) for width in CHANNELS[2:])
        self.narrow = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in zip(CHANNELS[2:], CHANNELS[1:], strict=False))
        self.whole = nn.Linear(inputs[4] - 2, CHANNELS[4])
        self.depth, self.steps = Head(inputs[0], 2), Head(inputs[0], 3)

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder((x * 255 - 127) / 128)
        whole = self.whole(features[4].mean((2, 3)))[:, :, None, None]
        features[3:] = [_with_position(feature) for feature in features[3:]]
        y = self.lateral[3](features[4]) + whole
        for level in (2, 1, 0):  # the coarser levels; the finest belongs to the heads
            side = self.lateral[level](features[level + 1])
            y = _enlarge(self.narrow[level](self.refine[level](y)), side) + side
        return torch.cat([self.depth(y, features[0]), self.steps(y, features[0])], 1)


def _enlarge(y: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(y, size=like.shape[-2:], mode="bilinear", align_corners=False)


def sharpen_steps(answer: np.ndarray) -> np.ndarray:
    """Turn the ramps of the network's depth into steep ones where it predicts a depth discontinuity.

    Where a pixel's two surfaces are apart, ramps of any width become ramps of a few pixels. They do not become steps,
    because `clean_depth` needs ramps to find the photo's edge on them. A slope, whose two surfaces are close, stays a
    slope. Each pixel is clamped to the range of depth within SURFACE_RADIUS, because rocks were torn where the depth
    and the surfaces disagreed.

    Args:
        answer: (5, H, W) float32, the network's output.

    Returns:
        (H, W) float32, log2 of inverse depth.
    """
    inverse, _, near, far, choice = answer
    apart = np.clip((near - far - SURFACE_GAP[0]) / (SURFACE_GAP[1] - SURFACE_GAP[0]), 0, 1)
    steep = cv2.GaussianBlur(_sigmoid(choice * (1 + (CHOICE_GAIN - 1) * apart)), (0, 0), RAMP_SIGMA)
    window = np.ones((2 * SURFACE_RADIUS + 1,) * 2, np.uint8)
    sharpened = inverse + (near - far) * apart * (steep - _sigmoid(choice))
    return np.clip(sharpened, cv2.erode(inverse, window), cv2.dilate(inverse, window))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def _with_position(x: Tensor) -> Tensor:
    """Features with two more channels: the row (-1 top, 1 bottom) and the distance from the middle column (0..1)."""
    height, width = x.shape[-2:]
    down = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype).view(1, 1, -1, 1)
    aside = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype).abs().view(1, 1, 1, -1)
    return torch.cat([x, down.expand(len(x), 1, height, width), aside.expand(len(x), 1, height, width)], 1)


@dataclass(frozen=True, eq=False)
class Prediction:
    """The network's estimate for a photo.

    Attributes:
        inverse: (H, W) float32, log2 of inverse depth, up to one constant; meaningless in the sky.
        sky: (H, W) bool, its boundary on the photo's edge.
    """

    inverse: np.ndarray
    sky: np.ndarray


def infer(photo: Photo) -> Prediction:
    """Depth and sky of the working photo by the shipped network."""
    inverse, chance = predict(photo.color, load_network(WEIGHTS))
    return Prediction(inverse, segment_sky(chance, photo.color))


@cache
def load_network(path: Path) -> DepthNetwork:
    """The network with the weights of a safetensors file, ready for inference; each file is loaded once."""
    network = DepthNetwork()
    weights = {name: torch.from_numpy(values.astype(np.float32)) for name, values in load_file(path).items()}
    network.load_state_dict(weights)
    network.eval()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it


def predict(color: np.ndarray, network: DepthNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Estimate depth and sky of a photo of any size and shape.

    The network runs twice. The smaller input gives the layout, the larger one the details.

    Args:
        color: (H, W, 3) float32, sRGB in 0..1.
        network: With its weights loaded.

    Returns:
        (H, W) float32 log2 of inverse depth, up to one constant and meaningless in the sky; and (H, W) float32
        probability of sky.
    """
    assert color.ndim == 3 and color.shape[2] == 3, color.shape
    height, width = color.shape[:2]
    coarse, coarse_sky = _run_network(color, network, LAYOUT_AREA)
    fine, fine_sky = _run_network(color, network, DETAIL_AREA)
    small = coarse.shape[::-1]
    solid = 1.001 - (coarse_sky + cv2.resize(fine_sky, small, interpolation=cv2.INTER_AREA)) / 2
    sigma = LAYOUT_SIGMA * max(small)
    offset: np.ndarray = cv2.GaussianBlur(
        (coarse - cv2.resize(fine, small, interpolation=cv2.INTER_AREA)) * solid, (0, 0), sigma
    )
    offset /= cv2.GaussianBlur(solid, (0, 0), sigma)

    def full(values: np.ndarray) -> np.ndarray:
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)

    return full(fine) + full(offset), (full(coarse_sky) + full(fine_sky)) / 2


def _run_network(color: np.ndarray, network: DepthNetwork, area: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth and sky at an input of about this area.

    Args:
        color: (H, W, 3) float32, sRGB in 0..1.
        network: With its weights loaded.
        area: px.

    Returns:
        (h, w) float32 log2 of inverse depth and (h, w) float32 probability of sky, of the input's size.
    """
    size = _input_size(color.shape[1], color.shape[0], area)
    small = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
    x = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))[None].to(memory_format=torch.channels_last)
    with torch.inference_mode():
        answer = (network(x) + network(x.flip(3)).flip(3)) / 2  # the mirrored photo has the mirrored depth
    answer = answer[0].numpy()
    return sharpen_steps(answer), _sigmoid(answer[1])


def _input_size(width: int, height: int, area: int) -> tuple[int, int]:
    """(width, height) of the network's input: multiples of STRIDE, of about `area` px and nearly the photo's aspect."""
    scale = min(np.sqrt(area / (width * height)), MAX_INPUT_SIDE / max(width, height))
    return tuple(max(STRIDE, STRIDE * round(side * scale / STRIDE)) for side in (width, height))
