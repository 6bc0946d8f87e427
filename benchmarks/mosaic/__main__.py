"""`python -m benchmarks.mosaic`: mosaics as requested and as measured, over all parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from benchmarks.mosaic.report import comparison_table, draw_sheet, full_table, plot_comparisons
from benchmarks.mosaic.requested import combinations, measure_combination
from endotwin.files import whole_file


def main(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the table and the pictures.")
    ] = Path("out/mosaic"),
    images: Annotated[int, typer.Option(min=1, help="Mosaics to pool for each combination.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the mosaics.")] = 0,
) -> None:
    """Measure mosaics over the whole range of parameters, and draw some with their labels to look at."""
    comparisons = [
        measure_combination(requested, images, seed + k)
        for k, requested in enumerate(tqdm(list(combinations()), unit="combination"))
    ]
    plot_comparisons(comparisons, images, output / "mosaic.png")
    with whole_file(output / "mosaic.md") as file:
        file.write(f"{comparison_table(comparisons)}\n{full_table(comparisons)}".encode())
    with whole_file(output / "sheet.png") as file:
        draw_sheet(seed).save(file, format="PNG")
    typer.echo(comparison_table(comparisons))
    typer.echo(f"Written to {output}: mosaic.png, mosaic.md, sheet.png")


if __name__ == "__main__":
    typer.run(main)
