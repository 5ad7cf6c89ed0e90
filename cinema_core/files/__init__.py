"""Files of other programs: photos, depth maps, motion fields, masks and models.

Imported by other rooms:

* modules `photo`
* depth_map: `DepthMap`, `read_map`, `write_depth`
* flow: `read_flow`, `write_flow`
* mask: `read_mask`
* model: `NOT_STATED`, `PlainModel`, `SUFFIXES`, `find_licence`, `load_plain_model`
* photo: `LINEAR`, `SUFFIXES`, `read_photo`, `write_png`
* tensors: `read_tensors`
"""
