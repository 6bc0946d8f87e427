"""`python -m training`: the same as `endotwin-training`, and what torchrun starts."""

from training.cli import main

if __name__ == "__main__":
    main()
