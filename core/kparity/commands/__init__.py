"""The commands of the command line, a module for each group; `kparity.cli` puts them together."""
