// How the page asks its service. The token is kept in this tab only.

const KEY = "token";

export function token() {
  return sessionStorage.getItem(KEY) || "";
}

export function setToken(value) {
  sessionStorage.setItem(KEY, value.trim());
}

/** The answer to a request, as JSON; throws an Error with a sentence. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The service cannot be reached.");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    const said = answer?.error?.message ?? answer?.error;
    throw new Error(said || `The service answered ${response.status}.`);
  }
  return answer;
}

export function post(path, fields) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
  });
}

/** Where speech goes, and the protocols that say who sends it. */
export function streamTarget(rateHz) {
  const url = new URL("/v1/audio/stream", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("sampling_rate_hz", rateHz);
  const protocols = ["keras-selfattn"];
  if (token()) {
    // Headers cannot be set here; a protocol's name has few signs.
    const bytes = new TextEncoder().encode(token());
    const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0"));
    protocols.push(`bearer.${hex.join("")}`);
  }
  return [url, protocols];
}
