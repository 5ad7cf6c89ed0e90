"""Views of the points: splatting, previews, the quality report and camera coverage.

Imported by other rooms:

* modules `coverage_io`, `preview`
* preview: `find_path`
* quality: `measure_hints`, `measure_quality`, `sample_step`
* splatting: `Splatter`
"""
