"""Depth of a photo: read from a depth map, or estimated by a network.

Imported by other rooms:

* find: `depth_by_model`, `depth_by_network`, `depth_from_map`, `estimate_by_model`
* model_location: `model_key`, `fetch_model`
* network: `Prediction`, `infer`
* sky: `find_horizon`
"""
