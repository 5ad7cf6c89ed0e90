"""The pixel filter of renders: a Gaussian, for which the points' footprints are made.

A pixel shows a mean of its surroundings, weighted by the filter. A wide filter mixes every pixel with its neighbours:
at a width of 1 px, a pixel of the photo keeps 91 % of its weight, and the picture a tenth less of its detail. A narrow
one leaves steps along edges.
"""

FILTER_WIDTH = 0.7  # px, Cycles' width of the Gaussian; 98 % of a pixel's weight falls on its own point
FILTER_SIGMA = FILTER_WIDTH / 4  # px, the Gaussian's standard deviation, by Cycles' definition of the width
