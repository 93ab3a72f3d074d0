import base64

import numpy as np
import pytest

from keras_selfattn.runtime import Classifier, MaskFiller, Translator
from keras_selfattn.serve import texts
from keras_selfattn.serve.served_models import ServedModel
from tests.command_line import TINY_TEXT, TINY_TRANSLATION
from tests.serve_client import child, running

LINES = ["seven three nine", "", "nine five"]


@pytest.mark.parametrize("path", ["/v1/translate", "/translate"])
def test_libretranslate_s_requests(client, path):
    expected = [Translator(TINY_TRANSLATION).translate(q).text for q in LINES]
    answer = client.post(path, json={"q": LINES[0], "source": "auto"})
    assert answer.json() == {"translatedText": expected[0]}
    answer = client.post(path, json={"q": LINES, "format": "text"})
    assert answer.json() == {"translatedText": expected}
    answer = client.post(path, data={"q": LINES[0], "format": "text"})
    assert answer.json() == {"translatedText": expected[0]}


def test_an_alignment_comes_with_the_translation(client):
    fields = {"q": LINES[0], "alignment": True, "beam": 1}
    answer = client.post("/v1/translate", json=fields).json()
    drawn = answer["alignment"]
    assert "".join(drawn["target"]).replace("\u2581", "") == "739"
    assert all(len(row) == len(drawn["source"]) for row in drawn["weights"])
    fields["q"] = LINES[:1]
    answer = client.post("/v1/translate", json=fields).json()
    assert answer["alignment"] == [drawn]


@pytest.mark.parametrize(
    "changes, param",
    [
        ({"q": None}, "q"),
        ({"q": 3}, "q"),
        ({"q": []}, "q"),
        ({"format": "html"}, "format"),
        ({"source": 3}, "source"),
        ({"target": ["en"]}, "target"),
        ({"beam": 0}, "beam"),
        ({"beam": 1e9}, "beam"),
        ({"alignment": "maybe"}, "alignment"),
        ({"model": 3}, "model"),
    ],
)
def test_wrong_fields_of_a_translation_are_named(client, changes, param):
    fields = {"q": "one", **changes}
    answer = client.post("/v1/translate", json=fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    answer = client.post("/translate", json=fields)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


def pair(name, language):
    return ServedModel(name, name, "translation", "", language)


def test_the_languages_choose_the_translator():
    models = [pair("a", "zh-en"), pair("b", "en-de"), pair("c", "de-en")]
    choose = texts._translator
    assert choose(models, None, "auto", None).name == "a"
    assert choose(models, None, "de", "en").name == "c"
    assert choose(models, None, "auto", "de").name == "b"
    assert choose(models, "c", "auto", "en").name == "c"
    with pytest.raises(Exception, match="from 'fr' to 'en'.*zh-en, en-de"):
        choose(models, None, "fr", "en")
    with pytest.raises(Exception, match="from 'zh'"):
        choose(models, "c", "zh", "en")


def test_a_file_that_tells_no_languages_takes_any(client):
    fields = {"q": "one", "source": "xx", "target": "yy"}
    model = client.get("/v1/models/tiny_translation").json()
    status = client.post("/v1/translate", json=fields).status_code
    assert status == (200 if model["language"] is None else 400)


def test_languages_are_listed_as_libretranslate_does(client):
    for entry in client.get("/languages").json():
        assert set(entry) == {"code", "name", "targets"}


def test_labels_with_and_without_the_weights_of_words(client):
    classifier = Classifier(TINY_TEXT)
    asked = {"input": ["a funny film", ""], "model": "tiny_text"}
    answer = client.post("/v1/classify", json=asked).json()
    assert answer["model"] == "tiny_text"
    for i, entry in enumerate(answer["data"]):
        expected = classifier.classify(asked["input"][i]).to_dict()
        assert entry == {"index": i, **expected}
    asked["attention"] = True
    answer = client.post("/v1/classify", json=asked).json()
    weights = [w["weight"] for w in answer["data"][0]["attention"]]
    assert sum(weights) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "fields, status",
    [
        ({}, 400),
        ({"input": {}}, 400),
        ({"input": "a", "attention": 3}, 400),
        ({"input": "a", "model": "tiny_asr"}, 404),
        ({"input": ["a"] * 101}, 413),
        ({"input": "a" * 20_001}, 413),
    ],
)
def test_what_cannot_be_classified_is_refused(client, fields, status):
    assert client.post("/v1/classify", json=fields).status_code == status


@pytest.mark.slow
def test_vectors_are_given_as_openai_does(exported_masked_lm):
    folder = exported_masked_lm[1]
    model = MaskFiller(folder)
    asked = {"input": ["the cat sat", ""], "model": folder.name}
    expected = model.embed(asked["input"])
    with running(presets=[folder]) as client:
        (entry,) = client.get("/v1/models").json()["data"]
        assert (entry["id"], entry["kind"]) == (folder.name, "embedding")
        answer = client.post("/v1/embeddings", json=asked).json()
        data = answer["data"]
        assert [entry["index"] for entry in data] == [0, 1]
        found = [entry["embedding"] for entry in data]
        np.testing.assert_array_equal(np.float32(found), expected)
        count = sum(len(model.tokenizer.encode(t)) for t in asked["input"])
        assert answer["usage"]["total_tokens"] == count
        coded = {"input": "the cat sat", "encoding_format": "base64"}
        (entry,) = client.post("/v1/embeddings", json=coded).json()["data"]
        found = np.frombuffer(base64.b64decode(entry["embedding"]), "<f4")
        np.testing.assert_array_equal(found, expected[0])
        size = len(expected[0])
        for dimensions, status in ((size, 200), (size - 1, 400)):
            fields = {"input": "the cat", "dimensions": dimensions}
            answer = client.post("/v1/embeddings", json=fields)
            assert answer.status_code == status
        assert answer.json()["error"]["param"] == "dimensions"


@pytest.mark.slow
def test_openai_s_client_embeds(exported_masked_lm):
    openai = pytest.importorskip("openai", reason="needs openai's client")
    folder = exported_masked_lm[1]
    with child("--workers", "1", presets=[folder]) as (_, address):
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none")
        found = client.embeddings.create(model=folder.name, input=["the cat"])
    np.testing.assert_array_equal(
        np.float32(found.data[0].embedding), MaskFiller(folder).embed("the cat")
    )


@pytest.mark.parametrize(
    "fields, status",
    [
        ({}, 400),
        ({"input": [1, 2]}, 400),
        ({"input": "a", "encoding_format": "int8"}, 400),
        ({"input": "a", "dimensions": 0}, 400),
        ({"input": "a"}, 404),
        ({"input": "a", "model": "tiny_text"}, 404),
        ({"input": ["a"] * 101}, 413),
    ],
)
def test_what_cannot_be_embedded_is_refused(client, fields, status):
    assert client.post("/v1/embeddings", json=fields).status_code == status


def test_models_are_listed_as_openai_does(client):
    answer = client.get("/v1/models").json()
    assert answer["object"] == "list"
    for model in answer["data"]:
        assert model["object"] == "model" and model["created"] > 0
        assert client.get(f"/v1/models/{model['id']}").json() == model
    assert client.get("/v1/models/gone").status_code == 404
    assert client.get("/v1/models/..%2f..%2fetc").status_code == 404


def test_passages_are_searched(client):
    answer = client.get("/v1/search", params={"q": "girl", "limit": 1}).json()
    (entry,) = answer["data"]
    assert (answer["query"], entry["file"]) == ("girl", "parks.txt")
    # Marks of the text stay what they are.
    entry = client.get("/v1/search?q=nothing").json()["data"][0]
    assert "<b>" in "".join(part["text"] for part in entry["parts"])


@pytest.mark.parametrize(
    "query", ["", "q=", "q=%20", "q=a&limit=0", "q=a&limit=x", "q=" + 501 * "a"]
)
def test_a_search_without_sense_is_refused(client, query):
    assert client.get(f"/v1/search?{query}").status_code == 400


def test_what_the_service_has_not_is_not_found():
    with running(presets=[TINY_TEXT]) as client:
        assert client.get("/v1/search?q=a").status_code == 404
        assert client.get("/languages").json() == []
        answer = client.post("/v1/translate", json={"q": "one"})
        assert answer.status_code == 404
