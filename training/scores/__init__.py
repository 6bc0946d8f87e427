"""What a checkpoint is worth: its scores beside their controls, as one report and one JSON."""
