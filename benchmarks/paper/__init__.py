"""Tables and figures of docs/paper.md, each made by a command."""
