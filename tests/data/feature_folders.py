"""Folders of features in the layout of `read_feature_manifest`."""

import numpy as np

HEADER = "utt\tsplit\tspeaker\tframe_offset\tn_frames\tduration_s\ttext"
ROWS = [
    "u0\ttrain\tann\t0\t30\t0.30\tgo",
    "u1\ttrain\tann\t30\t60\t0.60\tStop it",
    "u2\tdev\tbob\t90\t20\t0.20\tyes",
    "u3\ttrain\tbob\t110\t4\t0.04\ttoo much text",
]


def write_folder(folder, rows=ROWS, frames=None, header=HEADER):
    """Writes the table and the frames; returns the folder."""
    folder.mkdir(exist_ok=True)
    table = "\n".join([header, *rows]) + "\n"
    (folder / "manifest.tsv").write_text(table, "utf-8")
    if frames is None:
        frames = np.random.default_rng(0).normal(size=(114, 5))
        frames = frames.astype("float16")
    np.save(folder / "frames.npy", frames)
    return folder
