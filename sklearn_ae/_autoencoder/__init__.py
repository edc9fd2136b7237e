"""AutoencoderTransformer, and what estimators share that hold one."""
