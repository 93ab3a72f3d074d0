// Answers as elements. Texts are set as text, never as markup.

export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The deepest shade on which the page's text is still easy to read.
const DEEPEST = 0.45;

/** Colours an element by a share from 0 to 1. */
function shade(target, share) {
  const depth = (DEEPEST * share).toFixed(3);
  target.style.backgroundColor = `rgba(var(--mark), ${depth})`;
}

/** Rows are words of the translation, columns those of the source. */
export function alignmentTable({ source, target, weights }) {
  const table = element("table");
  table.append(
    element("caption", "What each word of the translation hangs on, in %"),
  );
  const head = table.createTHead().insertRow();
  head.append(element("td"));
  for (const piece of source) {
    const cell = element("th", piece);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  target.forEach((piece, i) => {
    const row = body.insertRow();
    const title = element("th", piece);
    title.scope = "row";
    row.append(title);
    for (const weight of weights[i]) {
      const percent = Math.round(100 * weight);
      const cell = element("td", percent ? String(percent) : "");
      shade(cell, weight);
      row.append(cell);
    }
  });
  return table;
}

/** The likeliest classes with a bar each. */
export function scores(all) {
  const list = element("dl", "", "scores");
  for (const [label, score] of Object.entries(all).slice(0, 5)) {
    const bar = element("meter");
    bar.value = score;
    bar.setAttribute("aria-hidden", "true");
    const held = element("dd");
    held.append(bar);
    const percent = `${(100 * score).toFixed(1)} %`;
    list.append(element("dt", label), held, element("dd", percent));
  }
  return list;
}

/** A text whose words are coloured by their weights in it. */
export function words(attention) {
  const percents = attention.map(({ weight }) => 100 * weight);
  const largest = Math.max(...percents);
  const smallest = Math.min(...percents);
  const text = element("p", "", "words");
  attention.forEach(({ token }, i) => {
    const word = element("span", token, "word");
    word.title = `${percents[i].toFixed(1)} %`;
    // Weights of a text differ little: their range is spread out.
    shade(word, (percents[i] - smallest) / (largest - smallest || 1));
    text.append(word, " ");
  });
  const [low, high] = [smallest, largest].map((value) => value.toFixed(1));
  const about = `Attention: a word weighs from ${low} % to ${high} %.`;
  const both = element("div");
  both.append(text, element("p", about, "about"));
  return both;
}

/** Passages with what was looked for in them marked. */
export function passages(data) {
  return data.map(({ file, line, parts }) => {
    const entry = element("li");
    entry.append(element("cite", `${file}, line ${line}`));
    for (const part of parts) {
      entry.append(element(part.match ? "mark" : "span", part.text));
    }
    return entry;
  });
}
