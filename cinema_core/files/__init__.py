"""Files of other programs: photos, depth maps, motion fields, masks and models.

Imported by other rooms:

* modules `photo`
* depth_map: `DepthMap`, `read_map`, `write_depth`
* flow: `read_flow`, `write_flow`
* inpaint_model: `load_inpainter`
* mask: `read_mask`
* other_formats: `RAW_SUFFIXES`
* model: `PlainModel`, `SUFFIXES`, `load_plain_model`, `not_installed`
* photo: `SUFFIXES`, `read_photo`, `write_png`
"""
