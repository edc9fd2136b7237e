"""The classifier and the regressor, and their parts."""
