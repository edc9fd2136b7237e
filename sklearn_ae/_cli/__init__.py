"""The command line: ``python -m sklearn_ae``.

`main` chooses the command. Without the name of one it is `default_compare`, which
compares all columns, PCA and an autoencoder; `anomalies` prints outliers.
"""
