"""AutoencoderImputer and its parts."""
