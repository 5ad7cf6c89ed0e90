"""Regions of the photo: things that have one surface each. The stage `coherent_depth` gives each of them one depth.

Other rooms use `coherent_depth.make_coherent` and the superpixels.
"""
