"""The page in headless Chromium: clicks, a microphone, two widths.

With KEEP_SCREENSHOTS=docs the pictures of docs/serving.md are made anew.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.serve_client import child, wait_until

pytestmark = pytest.mark.slow
SIZES = {"desktop": (1280, 900, "light"), "phone": (360, 740, "dark")}
CONTRAST = """
() => {
  // Of every element with text of its own: the ratio of WCAG 2.
  const channel = (v) => {
    v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  };
  const light = ([r, g, b]) =>
    0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      layers.unshift(parts(getComputedStyle(e).backgroundColor));
    }
    return layers.reduce((under, [r, g, b, a = 1]) =>
      [r, g, b].map((v, i) => a * v + (1 - a) * under[i]), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some(
      (node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    if (element.matches(".skip, option, :disabled")) continue;
    const [one, other] = [parts(getComputedStyle(element).color),
      ground(element)].map(light).sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) found.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return found;
}
"""
UNNAMED = """
() => [...document.querySelectorAll("input, textarea, meter, button")]
  .filter((e) => !e.labels?.length && !e.getAttribute("aria-label") &&
    !e.getAttribute("aria-hidden") && !e.textContent.trim())
  .map((e) => e.outerHTML)
"""


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("the page's test needs Chromium")
    return found


@pytest.fixture(scope="module")
def spoken(repository, tmp_path_factory):
    """What the microphone hears: the preset's sample, between silences."""
    path = repository / "zoo/asr/asr_conformer_small_en/sample.wav"
    samples, rate_hz = soundfile.read(path, dtype="float32")
    silence = np.zeros(2 * rate_hz, "float32")
    path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    parts = np.concatenate([silence, samples, silence, silence])
    soundfile.write(path, parts, rate_hz)
    return path


@pytest.fixture(scope="module")
def browser(chromium, spoken):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the page's test needs playwright"
    )
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={spoken}",
            ],
        )


@pytest.fixture(scope="module")
def address(repository):
    folder = ("--search-folder", repository / "docs")
    with child("--workers", "1", *folder, presets=()) as (_, found):
        yield found


def opened(browser, address, size):
    """The page at a size, and what its console complains of."""
    width, height, scheme = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page.set_default_timeout(60_000)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: message.type == "error" and wrong.append(message.text),
    )
    page.goto(address)
    page.get_by_text("transcription (en)").wait_for()
    return page, wrong


@pytest.mark.parametrize("size", SIZES)
def test_everything_is_used_by_clicks(browser, address, spoken, size, tmp_path):
    page, wrong = opened(browser, address, size)
    page.get_by_role("button", name="Start the microphone").click()
    page.locator("#partial", has_text="girl").wait_for()
    # Two seconds of silence end the segment: it is heard again as a whole.
    page.locator("#ended", has_text="park").wait_for()
    page.get_by_role("button", name="Stop the microphone").click()
    page.get_by_text("The microphone is off.").wait_for()
    # On a busy machine the browser drops samples: a word may be missed.
    assert "playing" in page.inner_text("#heard")

    page.get_by_label("Sound file").set_input_files(spoken)
    page.get_by_role("button", name="Transcribe").click()
    page.locator("#transcript", has_text="playing in the park").wait_for()

    page.get_by_role("button", name="Translate").click()
    page.locator("#translated", has_text="dog").wait_for()
    page.get_by_role("rowheader", name="running").wait_for()

    page.get_by_role("button", name="Classify").click()
    page.locator(".label", has_text="pos").wait_for()
    shades = page.eval_on_selector_all(
        ".word", "words => words.map(w => w.style.backgroundColor)"
    )
    assert len(set(shades)) > 3

    page.get_by_label("Words to look for").fill("languege model")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator("mark", has_text="anguage").first.wait_for()

    assert wrong == []
    width = SIZES[size][0]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    # For the picture: three passages show what there is.
    page.evaluate(
        "document.querySelectorAll('#found li:nth-child(n+4)')"
        ".forEach((entry) => entry.remove())"
    )
    page.evaluate("document.activeElement.blur()")
    picture = tmp_path / f"serve_{size}.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000
    if kept := os.environ.get("KEEP_SCREENSHOTS"):
        shutil.copy(picture, Path(kept) / picture.name)
    page.close()


def test_what_is_said_is_searched(browser, address):
    page, wrong = opened(browser, address, "desktop")
    page.get_by_role("button", name="Say it").click()
    query = page.get_by_label("Words to look for")
    wait_until(lambda: "park" in query.input_value(), seconds=60)
    page.locator("#found li").first.wait_for()
    page.get_by_text("The microphone is off.").wait_for()
    assert wrong == []
    page.close()


def test_the_keyboard_reaches_everything_in_order(browser, address):
    page, _ = opened(browser, address, "desktop")
    order = []
    for _ in range(16):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "(e => e.id || e.className || e.closest('form')?.id "
                "|| e.tagName)(document.activeElement)"
            )
        )
    places = [
        order.index(name)
        for name in ("skip", "speak", "file", "source", "query", "say", "text")
    ]
    assert places == sorted(places)
    page.get_by_label("Text", exact=True).fill("dull")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator(".label").wait_for()
    page.close()


def test_a_token_is_asked_for_and_used(browser):
    arguments = ("--workers", "1", "--token", "sesame ünd öl")
    with child(*arguments, presets=()) as (_, address):
        page = browser.new_page()
        page.goto(address)
        page.get_by_text("asks for a token").wait_for()
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Use it").click()
        page.get_by_text("missing or wrong").wait_for()
        page.get_by_label("Token").fill("sesame ünd öl")
        page.get_by_role("button", name="Use it").click()
        page.get_by_text("transcription (en)").wait_for()
        page.get_by_role("button", name="Start the microphone").click()
        page.get_by_text("Listening.").wait_for()
        page.get_by_role("button", name="Stop the microphone").click()
        page.get_by_text("The microphone is off.").wait_for()
        page.close()
