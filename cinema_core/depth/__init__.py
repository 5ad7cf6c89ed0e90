"""Depth of a photo: read from a depth map, or estimated by a network.

Imported by other rooms:

* find: `find_depth`
* network: `Prediction`, `infer`
* sky: `find_horizon`
* user_models: `load_inpainter`, `model_key`
"""
