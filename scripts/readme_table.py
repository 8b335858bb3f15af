"""Writes the quickstart's table into README.md, less some of its rows.

    cargo run --release -- run examples/quickstart.toml
    python3 scripts/readme_table.py target/release/trimtab runs/quickstart
"""

import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- quickstart-table -->\n```text\n", "```\n<!-- /quickstart-table -->"
ROWS = (
    "weak floor",
    "naive",
    "naive, hard labels",
    "confidence-weighted",
    "confidence, paper",
    "product",
    "ceiling",
)


def is_kept(line):
    """Titles, headings and rules stay; of the rows, those named above."""
    name, *cells = line.split("  ")
    return not cells or line.startswith(" ") or name in ROWS


def main():
    trimtab, run = sys.argv[1:]
    done = subprocess.run([trimtab, "report", run], stdout=subprocess.PIPE, text=True, check=True)
    _, _, table = done.stdout.partition("\n\n")
    table = table.partition("\n† looks at")[0]
    lines = [line for line in table.strip().splitlines() if is_kept(line)]
    # What a long name carried over to the next line.
    lines = [line for line in lines if line not in ("weak labels", "ground truth †", "disagreement")]
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
