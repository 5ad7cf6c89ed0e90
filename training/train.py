"""Trains the depth network: ``python -m training.train --data FOLDER --out FOLDER --steps N``.

The state is saved every `SAVE_INTERVAL` steps, and a second run continues from it. Views that are rendered in the
meantime are used too. The learning rate falls to nearly zero over the last half of the steps. The last two fifths use
samples of the full size of the renders and above.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from cinema_core.depth.network import DepthNetwork, load_network

from .batches import Batches
from .encoder import load_imagenet
from .losses import depth_loss
from .sources import encoder_weights

# Width and height of the samples, px; a batch draws one of them.
FIRST_SIZES = [(256, 128)] + [(256, 160)] * 3 + [(224, 160), (192, 192), (160, 224), (320, 192)]
LAST_SIZES = [(384, 192), (384, 224), (384, 224), (320, 224), (256, 256), (224, 320), (448, 256)]
BATCH_SIZE = 6  # samples; half as many at the last sizes
LEARNING_RATE = 1.2e-3  # of all parts but the encoder
ENCODER_RATE_SHARE = 0.25  # of the learning rate; the encoder starts with trained weights
FROZEN_BLOCKS = 3  # first blocks of the encoder, which keep the edge and colour filters learned from ImageNet
WARM_UP_STEPS = 60  # over which the learning rate rises to its full value
SAVE_INTERVAL, REPORT_INTERVAL = 50, 50  # steps
MEAN_DECAY = 0.99  # a step; of the running mean of the weights, which are the weights that are shipped
FLOAT32_START = 0.85  # share of the steps after which float32 is always used


class Training:
    """The state of a training run; `advance` makes one step.

    Args:
        out: Folder of the run; a state saved there is continued.
        steps: Total number of steps.
        start: Initial weights of a new run, such as the shipped ones; None starts with the ImageNet weights.
        only: Prefixes of the names of the parameters that are trained, such as "steps"; empty trains all of them.
        bfloat16: Run the network's convolutions in bfloat16 except in the last steps; faster on processors with
            bfloat16 instructions.
    """

    def __init__(
        self, out: Path, steps: int, start: Path | None = None, only: tuple[str, ...] = (), bfloat16: bool = False
    ) -> None:
        torch.manual_seed(0)
        self.file, self.steps, self.step, self.bfloat16 = out / "training.pt", steps, 0, bfloat16
        self.network = DepthNetwork().to(memory_format=torch.channels_last)
        if start is None:
            load_imagenet(self.network.encoder, encoder_weights())
            for branch in (self.network.depth, self.network.steps):
                _equalize_subpixels(branch.head[-1])
        else:
            self.network.load_state_dict(load_network(start).state_dict())
        for part in (self.network.encoder.stem, *self.network.encoder.blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name.startswith(only or ""))
        encoder = [p for p in self.network.encoder.parameters() if p.requires_grad]
        rest = [p for name, p in self.network.named_parameters() if not name.startswith("encoder")]
        groups = [{"params": encoder, "share": ENCODER_RATE_SHARE}, {"params": rest, "share": 1.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, weight_decay=0.01)
        self.mean = {name: value.clone() for name, value in self.network.state_dict().items()}
        if self.file.exists():
            self._resume()

    def _resume(self) -> None:
        saved = torch.load(self.file, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.mean, self.step = saved["mean"], saved["step"]

    @property
    def at_last_sizes(self) -> bool:
        """True in the last two fifths of the steps, which use the larger samples."""
        return self.step >= self.steps * 0.6

    def advance(self, images: Tensor, target: Tensor, label: Tensor) -> dict[str, float]:
        """Make one step with a batch; returns the parts of its loss by name."""
        rate = LEARNING_RATE * min(1, (self.step + 1) / WARM_UP_STEPS, 2 * (1 - self.step / self.steps) + 0.01)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        images = images.float().div_(255).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16 and self.step < FLOAT32_START * self.steps):
            answer = self.network(images)
        loss, parts = depth_loss(answer.float(), target, label)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self._average()
        return parts

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(MEAN_DECAY, self.step / (self.step + 20))
        for name, value in self.network.state_dict().items():
            self.mean[name].mul_(keep).add_(value, alpha=1 - keep)

    def save(self) -> None:
        """Write the state, and the mean weights in the shipped format. An interruption leaves no partial file."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean,
            "step": self.step,
        }
        torch.save(state, self.file.with_suffix(".new"))
        os.replace(self.file.with_suffix(".new"), self.file)
        # safetensors writes the memory as it lies, so the arrays must be contiguous.
        weights = {name: np.ascontiguousarray(value.numpy(), np.float16) for name, value in self.mean.items()}
        save_file(weights, self.file.with_name("new.safetensors"))
        os.replace(self.file.with_name("new.safetensors"), self.file.with_name("depth_network.safetensors"))


def _equalize_subpixels(convolution: torch.nn.Conv2d) -> None:
    """Give the four outputs of each pixel at stride 2 the same weights, so that no checkerboard has to be unlearned."""
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.copy_(parameter[::4].repeat_interleave(4, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--start", type=Path, help="initial weights of a new run; the default is the ImageNet weights")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="PART", help="parts to train, such as steps; the default is all"
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="train in bfloat16; faster on processors that support it"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(chosen.threads)
    training = Training(chosen.out, chosen.steps, chosen.start, tuple(chosen.only), chosen.bfloat16)
    while training.step < training.steps:
        _run_phase(training, chosen)
    training.save()


def _run_phase(training: Training, chosen: argparse.Namespace) -> None:
    """Train until the sample sizes change or all steps are done."""
    at_last_sizes = training.at_last_sizes
    batches = Batches(
        chosen.data,
        LAST_SIZES if at_last_sizes else FIRST_SIZES,
        BATCH_SIZE // 2 if at_last_sizes else BATCH_SIZE,
        training.step,
    )
    loader = DataLoader(batches, batch_size=None, num_workers=chosen.workers, prefetch_factor=4)
    start, recent = time.monotonic(), []
    for batch in loader:
        recent.append(training.advance(*batch))
        if training.step % REPORT_INTERVAL == 0:
            means = {name: np.mean([parts[name] for parts in recent]) for name in recent[0]}
            pace = len(recent) / (time.monotonic() - start)
            print(
                f"step {training.step}/{training.steps}, {pace:.2f} a second: "
                + ", ".join(f"{name} {value:.3f}" for name, value in means.items()),
                flush=True,
            )
            start, recent = time.monotonic(), []
        if training.step % SAVE_INTERVAL == 0:
            training.save()
        if training.step >= training.steps or training.at_last_sizes != at_last_sizes:
            return


if __name__ == "__main__":
    main()
