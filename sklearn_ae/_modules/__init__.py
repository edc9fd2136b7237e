"""The torch modules; they know neither tables nor skorch."""
