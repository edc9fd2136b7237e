"""The command line: ``python -m sklearn_ae``.

`main` chooses the command. Without the name of one it is `default_compare`, which
compares an autoencoder with PCA of the same size; `anomalies` prints outliers.
"""
