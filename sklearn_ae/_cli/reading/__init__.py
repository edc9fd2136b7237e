"""Reading of files: from the bytes of a file to columns whose kinds are known.

`files` opens a file and finds its format, `delimited` and `formats` read cells,
`patterns` holds what a cell may look like, and `columns` decides what each column is.
Wherever a file is not read as it stands, a note says what was taken, and how to
overrule it; where two readings are possible, an error asks for the one that is meant.
"""
