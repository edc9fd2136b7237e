"""Files of models: written, read, audited and described."""
