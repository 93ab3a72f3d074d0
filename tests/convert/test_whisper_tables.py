from keras_selfattn.convert.whisper_checkpoint import whisper_rows
from keras_selfattn.convert.whisper_tables import CT2_TABLES, HF_TABLES
from tests.whisper_examples import whisper


def test_each_weight_has_one_name_in_each_table():
    model = whisper(tie_embeddings=False)
    paths = sorted(variable.path for variable in model.weights)
    for tables, without in ((HF_TABLES, "/key/bias"), (CT2_TABLES, None)):
        rows = whisper_rows(tables, model)
        named = sorted(part for row in rows for part in row.parts)
        expected = [p for p in paths if not without or not p.endswith(without)]
        assert named == expected
        theirs = [row.theirs for row in rows]
        assert len(set(theirs)) == len(theirs)
