"""Layered depth: discontinuities, occluded surfaces behind them, the border continued, mixed pixels separated.

Imported by other rooms:

* bands: `OccludedBand`
* depth_order: `SKY_DISPARITY`
* discontinuities: `MIN_DISCONTINUITY`
* matting: `MixedPixels`
* split: `Layers`, `split_layers`
"""
