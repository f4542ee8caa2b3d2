"""The command line's larger parts, a file each; `cli` puts them together."""
