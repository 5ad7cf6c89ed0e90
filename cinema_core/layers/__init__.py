"""Layered depth: discontinuities, occluded surfaces behind them, the border continued, mixed pixels separated.

Imported by other rooms:

* bands: `OccludedBand`
* discontinuities: `CUT`
* matting: `MixedPixels`
* split: `Layers`, `split_layers`
"""
