"""The table of servers as a picture, for docs/explanation/benchmarks.md. Drawn by matplotlib.

Narrow, so that a phone shows it without scaling. It has its own background, and other colours on a dark screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Colours in the light, and in the dark. The first ones stand for both until the picture is written.
COLOURS = {
    "text": ("#1a1c1e", "#e8eaed"),
    "background": ("#fdfdfd", "#131416"),
    "line": ("#c8ccd0", "#44484c"),
    "other": ("#8a9096", "#7d848b"),
    "ours": ("#0b6bcb", "#5aa9f5"),
}


class Panel(NamedTuple):
    title: str
    #: By the name of a server.
    values: Mapping[str, float]

    @property
    def words(self) -> str:
        """For those who do not see the picture."""
        return f"{self.title}: " + ", ".join(
            f"{name} {value:,.0f}" for name, value in self.values.items()
        )


def draw(path: Path, panels: Sequence[Panel]) -> None:
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and the same figures give the same file.
    matplotlib.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "resizer", "font.family": "sans-serif"}
    )
    from matplotlib import pyplot

    light = {name: both[0] for name, both in COLOURS.items()}
    rows = [len(panel.values) + 1.6 for panel in panels]
    figure, all_axes = pyplot.subplots(
        len(panels), 1, figsize=(4.4, 0.27 * sum(rows)), height_ratios=rows, layout="constrained"
    )
    figure.set_facecolor(light["background"])
    for axes, panel in zip(all_axes, panels, strict=True):
        names = list(reversed(panel.values))
        values = [panel.values[name] for name in names]
        colours = [light["ours" if name.startswith("ours") else "other"] for name in names]
        bars = axes.barh(names, values, color=colours, height=0.72)
        labels = [f"{value:,.0f}" for value in values]
        axes.bar_label(bars, labels, padding=3, fontsize=10, color=light["text"])
        axes.set_title(panel.title, loc="left", fontsize=11, color=light["text"], x=0)
        axes.set_xlim(0, max(values) * 1.2)
        axes.tick_params(axis="y", length=0, labelsize=10, labelcolor=light["text"])
        axes.xaxis.set_visible(False)
        axes.set_facecolor(light["background"])
        for side, spine in axes.spines.items():
            spine.set_visible(side == "left")
            spine.set_color(light["line"])
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    path.write_text(with_both_colours(path.read_text()))


def with_both_colours(svg: str) -> str:
    for name, (light, _) in COLOURS.items():
        svg = svg.replace(light, f"var(--{name})")
    both = ["".join(f"--{name}:{one[index]};" for name, one in COLOURS.items()) for index in (0, 1)]
    style = f"svg{{{both[0]}}}@media(prefers-color-scheme:dark){{svg{{{both[1]}}}}}"
    return svg.replace("<defs>", f"<style>{style}</style>\n <defs>", 1)
