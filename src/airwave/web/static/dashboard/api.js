// Asking the server. Errors become ApiError with a text that can be shown.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Called when the server says that nobody is signed in (any more). */
export const onSignedOut = { call: () => {} };

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.");
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // Not JSON: the status says enough.
  }
  if (response.ok) return body;
  if (response.status === 401 && path !== "/api/login") onSignedOut.call();
  throw new ApiError(response.status, (body && body.error) || `The server answered ${response.status}.`);
}

/** GET with parameters; those that are null or "" are left out. */
export function get(path, params = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return ask(text ? `${path}?${text}` : path, { signal });
}

/** POST of JSON. */
export function post(path, body = {}) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}
