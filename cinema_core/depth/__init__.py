"""Depth of a photo: read from a map, or estimated by a network.

Imported by other rooms:

* find: `depth_key`, `find_depth`
* model_location: `model_key`
* network: `infer`
* sky: `find_horizon`
"""
