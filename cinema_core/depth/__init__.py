"""Depth of a photo: read from a map, or estimated by a network.

Imported by other rooms:

* find: `depth_key`, `find_depth`
* network: `infer`
* sky: `find_horizon`
* user_models: `model_key`
"""
