"""Views of the points: splatting, previews, the quality report and camera coverage.

Imported by other rooms:

* distortion: `measure_distortion`
* modules `camera_file`, `coverage_io`, `preview`
* quality: `measure_hints`, `measure_quality`, `sample_step`
* splatting: `Splatter`
"""
