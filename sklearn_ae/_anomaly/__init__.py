"""AutoencoderAnomalyDetector and its parts."""
