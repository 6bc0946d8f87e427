"""What is fast, against what, measured in one run; see README.md in this folder."""
