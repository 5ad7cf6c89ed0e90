"""Depth models that the extension suggests by name."""

DEFAULT_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"
# Name on the hub -> licence of its weights, as its page states.
KNOWN_MODELS = {
    DEFAULT_MODEL: "Apache-2.0",
    "depth-anything/Depth-Anything-V2-Base-hf": "CC-BY-NC-4.0, not for commercial use",
    "depth-anything/Depth-Anything-V2-Large-hf": "CC-BY-NC-4.0, not for commercial use",
    "Intel/dpt-large": "Apache-2.0",
}
