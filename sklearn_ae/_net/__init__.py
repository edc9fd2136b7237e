"""The skorch net: built, trained, asked."""
