// The page: its buttons and forms, and what the service answers.

import { ask, post, setToken, token } from "./api.js";
import { Microphone } from "./microphone.js";
import { alignmentTable, element, passages, scores, words } from "./drawing.js";

const $ = (id) => document.getElementById(id);

/** Says how things are below a part of the page; wrong is in red. */
function say(id, text, wrong = false) {
  const state = $(id);
  state.textContent = text;
  state.classList.toggle("wrong", wrong);
}

/** Has a form answered by `answer`; its button waits meanwhile. */
function onSubmit(id, state, answer) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $(id).querySelector("button[type=submit]");
    button.disabled = true;
    say(state, "Computing…");
    const begun = performance.now();
    try {
      await answer();
      say(state, `${((performance.now() - begun) / 1000).toFixed(2)} s`);
    } catch (error) {
      say(state, error.message, true);
    } finally {
      button.disabled = false;
    }
  });
}

function show(id, ...children) {
  $(id).replaceChildren(...children);
  $(id).hidden = false;
}

/** A button that turns the microphone on and off. */
function onMicrophone(id, state, labels, receive) {
  const button = $(id);
  let microphone = null;

  function off() {
    microphone = null;
    button.disabled = false;
    button.textContent = labels.start;
    button.setAttribute("aria-pressed", "false");
    $("level").value = 0;
  }

  button.addEventListener("click", async () => {
    if (microphone) {
      button.disabled = true;
      say(state, "Hearing the rest…");
      await microphone.stop();
      return;
    }
    button.disabled = true;
    say(state, "Starting…");
    let wrong = "";
    microphone = new Microphone((message) => {
      if (message.type === "error") wrong = message.error.message;
      receive(message, () => button.click());
    });
    try {
      await microphone.start();
    } catch (error) {
      say(state, error.message, true);
      off();
      return;
    }
    button.disabled = false;
    button.textContent = labels.stop;
    button.setAttribute("aria-pressed", "true");
    say(state, "Listening.");
    microphone.ended.then(() => {
      say(state, wrong || "The microphone is off.", Boolean(wrong));
      off();
    });
  });
}

onMicrophone(
  "speak",
  "speech-state",
  { start: "Start the microphone", stop: "Stop the microphone" },
  (message) => {
    if (message.type === "ready") {
      $("ended").replaceChildren();
      $("partial").textContent = "";
    } else if (message.type === "level") {
      $("level").value = message.level;
    } else if (message.type === "partial") {
      $("partial").textContent = message.text;
    } else if (message.type === "segment") {
      $("ended").append(`${message.text}. `);
      $("partial").textContent = "";
    }
  },
);

onMicrophone(
  "say",
  "find-state",
  { start: "Say it", stop: "Listening…" },
  (message, stop) => {
    if (message.type === "partial" && message.text) {
      $("query").value = message.text;
    } else if (message.type === "segment") {
      $("query").value = message.text;
      $("find").requestSubmit();
      if ($("say").getAttribute("aria-pressed") === "true") stop();
    }
  },
);

onSubmit("upload", "upload-state", async () => {
  const form = new FormData();
  form.append("file", $("file").files[0]);
  form.append("response_format", "verbose_json");
  form.append("timestamp_granularities[]", "word");
  const answer = await ask("/v1/audio/transcriptions", {
    method: "POST",
    body: form,
  });
  const heard = answer.words.map((word) => {
    const span = element("span", `${word.word} `);
    span.title = `${word.start.toFixed(2)} s`;
    return span;
  });
  const nothing = answer.text || "(nothing was recognised)";
  show("transcript", ...(heard.length ? heard : [nothing]));
});

onSubmit("translate", "translate-state", async () => {
  const q = $("source").value.trim();
  const { translatedText } = await post("/v1/translate", { q });
  show("translated", translatedText);
  $("alignment").hidden = true;
  try {
    const { alignment } = await post("/v1/translate", { q, alignment: true });
    show("alignment", alignmentTable(alignment));
  } catch {
    // A text of several sentences has no one alignment.
  }
});

onSubmit("classify", "classify-state", async () => {
  const fields = { input: $("text").value, attention: true };
  const { data } = await post("/v1/classify", fields);
  const [found] = data;
  const parts = [element("p", found.label, "label"), scores(found.scores)];
  if (found.attention) parts.push(words(found.attention));
  if (!found.known_tokens) {
    parts.push(element("p", "The model knows no word of this text."));
  }
  if (found.truncated) {
    parts.push(element("p", "The text was cut: it is longer than is read."));
  }
  show("classified", ...parts);
});

onSubmit("find", "find-state", async () => {
  const q = encodeURIComponent($("query").value);
  const { data } = await ask(`/v1/search?q=${q}`);
  const nothing = element("li", "Nothing was found.");
  show("found", ...(data.length ? passages(data) : [nothing]));
});

async function begin() {
  try {
    const health = await ask("/healthz");
    $("access").hidden = !health.token || Boolean(token());
    $("search").hidden = !health.search;
    if (!$("access").hidden) {
      $("service").textContent = "This service asks for a token.";
      return;
    }
    const { data } = await ask("/v1/models");
    $("service").textContent = data
      .map((model) => `${model.kind} (${model.language ?? model.preset})`)
      .join(", ");
    const kinds = new Set(data.map((model) => model.kind));
    $("speech").hidden = !kinds.has("transcription");
    $("translation").hidden = !kinds.has("translation");
    $("classification").hidden = !kinds.has("classification");
    $("speak").hidden = !data.some((model) => model.streams);
    $("say").hidden = $("speak").hidden;
    const pair = data.find((model) => model.kind === "translation")?.language;
    if (pair) {
      const names = new Intl.DisplayNames(["en"], { type: "language" });
      const [from, to] = pair.split("-").map((code) => names.of(code));
      $("languages").textContent = `(${from} to ${to})`;
    }
  } catch (error) {
    $("service").textContent = error.message;
    $("access").hidden = !token();
  }
}

$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken($("token").value);
  begin();
});

begin();
