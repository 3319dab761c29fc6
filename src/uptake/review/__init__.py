"""The readers' workbench: a server on this machine, its page, and the record of what every reader did."""
