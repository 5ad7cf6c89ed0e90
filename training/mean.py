"""Writes the mean of several weights of one run: ``python -m training.mean FILE... --out FILE``.

Weights from two decays of the learning rate in the same run are close enough to be averaged (Izmailov et al.,
"Averaging Weights Leads to Wider Optima and Better Generalization", 2018).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


def mean_of(files: list[Path]) -> dict[str, np.ndarray]:
    """Mean of the tensors of the same name in several files, float16."""
    weights = [load_file(file) for file in files]
    return {name: np.mean([own[name] for own in weights], 0, np.float32).astype(np.float16) for name in weights[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="safetensors files that training has written")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    save_file(mean_of(chosen.files), chosen.out)


if __name__ == "__main__":
    main()
