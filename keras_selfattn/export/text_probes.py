"""Whether a tokenizer in TensorFlow's graph gives the ids of Python's."""

from keras_selfattn.export.ids_in_graph import reader_of

# Texts that tell tokenizers apart; those of a task are compared on them.
PROBES = (
    "",
    " ",
    "A warm film, well-done; it's not dull.",
    "don't CAN'T isn't n't it's we'll o'clock 'tis rock'n'roll d'you",
    "well-don't  a--b  -c-  x_y  3.14  50%  $5  (sic)  “quoted”",
    "Café naïve Ångström İstanbul ΣίσυφοΣ",
    "Ｆｕｌｌ\u3000ｗｉｄｔｈ！ ﬁne ① ｶﾞ",
    "soft\u00adhyphen zero\u200bwidth \ufeffmark\u2028line\ttab\r\nend\x07",
    "这部电影很好看，我喜欢3D版！",
    "一只狗在草地上跑。 繁體中文的測試",
    "にほんご 한국어 हिन्दी العربية 😀",
    "word " * 600,
    "电影" * 400,
    "a" * 150 + " b",
)


def differing_ids(task):
    """The probes whose ids in the graph are not those of Python.

    Args:
        task: Task, on the TensorFlow backend.

    Returns:
        list of str.
    """
    import numpy as np
    import tensorflow as tf

    differing = []
    for part in task.text_parts():
        if part["kind"] in ("classify", "embed"):
            tokenizer = part["tokenizer"]
            found = reader_of(part)(tf.constant(PROBES))
            for name, rows in tokenizer.batch(PROBES).items():
                if rows.shape != found[name].shape:
                    return list(PROBES)
                unlike = np.any(rows != found[name].numpy(), axis=1)
                differing += [
                    probe for probe, bad in zip(PROBES, unlike) if bad
                ]
        elif part["kind"] == "write":
            ids, longer = reader_of(part)(tf.constant(PROBES))
            for probe, row, cut in zip(
                PROBES, ids.numpy(), longer.numpy(), strict=True
            ):
                wanted = task.source_ids(probe)
                found = [int(i) for i in row[: len(wanted)]]
                if not cut and found != wanted:
                    differing.append(probe)
    return differing
