"""Regions of the photo: things that have one surface each, which give every object one rigid depth.

Imported by other rooms:

* coherent_depth: `make_coherent`
* painting: `above_sky`
* straight_lines: `MAX_BEND`, `Lines`, `are_vertical`, `bend_lines`, `find_lines`, `lean_lines`
* superpixels: `CLEAR_STEP`, `MIN_SUPERPIXEL_DISCONTINUITY`, `MIN_SUPERPIXEL_DISCONTINUITY_SHARE`, `SEED_SPACING`,
  `SKY_LOG_DISPARITY`, `Superpixels`, `UNLIKE_COLOR`, `find_superpixels`, `subsample`, `to_lab`
"""
