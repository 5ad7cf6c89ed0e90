"""Depth of a photo: read from a depth map, or estimated by a network.

Imported by other rooms:

* find: `find_depth`
* model_location: `model_key`
* network: `Prediction`, `infer`
* sky: `find_horizon`
"""
