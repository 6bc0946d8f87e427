"""The paper's expert evaluation: a shuffled set of generated and real crops, its page, and its score."""
