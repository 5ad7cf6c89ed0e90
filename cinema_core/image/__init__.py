"""Operations on pixel grids, polylines and masks, independent of depth and motion.

Imported by other rooms:

* downscale: `scale_down`
* grid: `cell_representatives`, `extend`, `masked_blur`, `nearest_index`, `nearest_labels`, `pool`, `resize`, `sample`,
  `with_margin`
* masks: `grab_cut`, `refine_mask`
* polyline: `fill_polygon`, `pixel_corners`, `resample`, `tangents`
"""
