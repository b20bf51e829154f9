// Calls to the product's API, and the errors that a person can act on.

const { api, csrfCookie } = document.body.dataset;

/** A refusal: *code*, *message*, *details* as in the error contract, *retryAfter* in seconds. */
export class Trouble extends Error {
  constructor({ status, code, message, details = null, retryAfter = null }) {
    super(message);
    Object.assign(this, { status, code, details, retryAfter });
  }
}

/** fetch() with the CSRF header; a failure becomes a Trouble. */
export async function call(path, { method = "GET", body, signal } = {}) {
  const headers = { Accept: "application/json, text/event-stream" };
  if (method !== "GET") headers["X-CSRFToken"] = cookie(csrfCookie);
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(api + path, {
      method, headers, signal, body: body && JSON.stringify(body), credentials: "same-origin",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble({ status: 0, code: "no_connection", message: "" });
  }
  if (!response.ok) throw await trouble(response);
  return response;
}

/** The page at *address*, or null where it cannot be had: no connection, no session, no such page. */
export async function page(address) {
  try {
    const response = await fetch(address, { headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}

async function trouble(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // A proxy answered, not the product: the status says what there is to say.
  }
  return new Trouble({
    status: response.status,
    code: error.code ?? `http_${response.status}`,
    message: error.message ?? "",
    details: error.details ?? null,
    retryAfter: Number(response.headers.get("Retry-After")) || null,
  });
}

function cookie(name) {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
